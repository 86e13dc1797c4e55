/*-------------------------------------------------------------------------
 *
 * key.c
 *		Cache keys: percent-encoding, what a key may be, globs, the prefix.
 *
 * Model: pure functions on memory of the caller; every process may use them.
 * The prefix functions neither allocate nor raise: check hooks and the relay
 * use them.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/key.h"
#include "compat.h"
#include "op.h"

#define RESERVED_PREFIX RTC_NAME ":"

/* Must this byte of a value be percent-encoded in a key? */
static inline bool
needs_encoding(unsigned char c)
{
	if (rtc_is_blank_or_control(c))
		return true;
	return strchr("%:{}*?[]\\", c) != NULL;
}

/* Writes a byte as %XX. */
static void
percent_encode(char code[3], unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";

	code[0] = '%';
	code[1] = hex[c >> 4];
	code[2] = hex[c & 15];
}

void
rtc_key_encode(StringInfo buf, const char *str, size_t len)
{
	size_t		start = 0;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) str[i];
		char		code[3];

		if (!needs_encoding(c))
			continue;
		appendBinaryStringInfo(buf, str + start, i - start);
		percent_encode(code, c);
		appendBinaryStringInfo(buf, code, sizeof(code));
		start = i + 1;
	}
	appendBinaryStringInfo(buf, str + start, len - start);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
rtc_percent_decode(const char *text, size_t len, char *result, size_t size)
{
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		int			c = (unsigned char) text[i];

		if (c == '%')
		{
			int			high = i + 2 < len ? hex_value(text[i + 1]) : -1;
			int			low = i + 2 < len ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = high << 4 | low;
			i += 2;
		}
		if (c == '\0' || n + 1 >= size)
			return false;
		result[n++] = (char) c;
	}
	result[n] = '\0';
	return true;
}

bool
rtc_key_is_encoded(unsigned char c)
{
	return c == '%' || !needs_encoding(c);
}

static bool
ends_in(const char *key, size_t len, const char *suffix)
{
	size_t		n = strlen(suffix);

	return len >= n && memcmp(key + len - n, suffix, n) == 0;
}

static bool
is_reserved(const char *key, size_t len)
{
	return key[0] == '~' || ends_in(key, len, RTC_LEASE_SUFFIX) ||
		ends_in(key, len, RTC_QUERY_SUFFIX);
}

bool
rtc_key_is_valid(const char *key, size_t len)
{
	return len > 0 && len <= RTC_MAX_KEY_LEN && !is_reserved(key, len);
}

void
rtc_key_check(const char *key, size_t len)
{
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cache key must not be empty")));
	if (len > RTC_MAX_KEY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("cache key is too long"),
				 errdetail("The key has %zu bytes; the limit is %d bytes.",
						   len, RTC_MAX_KEY_LEN)));
	if (is_reserved(key, len))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cache key is reserved"),
				 errdetail("Keys that begin with \"~\" or end in \"~lease\" or \"~query\" are used by rtcache itself.")));
}

bool
rtc_glob_is_complete(const char *glob, size_t len)
{
	bool		in_bracket = false;

	for (size_t i = 0; i < len; i++)
	{
		if (glob[i] == '\\')
		{
			if (++i == len)
				return false;
		}
		else if (glob[i] == '[')
			in_bracket = true;
		else if (glob[i] == ']')
			in_bracket = false;
	}
	return !in_bracket;
}

void
rtc_glob_escape(StringInfo buf, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] != '\0' && strchr("*?[]\\", text[i]) != NULL)
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, text[i]);
	}
}

/*
 * Could a key under this prefix be one of rtcache's own "rtcache:..." keys,
 * or the other way round?
 */
static bool
prefix_meets_reserved(const char *prefix, size_t len)
{
	return strncmp(prefix, RESERVED_PREFIX,
				   Min(len, strlen(RESERVED_PREFIX))) == 0;
}

/*
 * rtc_prefix_check
 *		Encoded database names hold no colon, so "%d:" makes sure that no
 *		database's prefix is the beginning of another's: clearing one must not
 *		delete the other.
 */
bool
rtc_prefix_check(const char *tmpl, const char **detail)
{
	char		probe[RTC_MAX_PREFIX_LEN];
	bool		has_database = false;

	if (tmpl[0] == '\0')
	{
		*detail = "The key prefix must not be empty.";
		return false;
	}
	if (strlen(tmpl) >= RTC_MAX_PREFIX_LEN)
	{
		*detail = "The key prefix is too long.";
		return false;
	}
	for (const char *p = tmpl; *p; p++)
	{
		if (*p == '%')
		{
			p++;
			if (*p == '%')
				continue;
			if (*p != 'd')
			{
				*detail = "Only \"%d\" (the database name) and \"%%\" may follow a percent sign.";
				return false;
			}
			if (p[1] != ':')
			{
				*detail = "\"%d\" must be followed by a colon.";
				return false;
			}
			has_database = true;
		}
		else if (rtc_is_blank_or_control((unsigned char) *p))
		{
			*detail = "The key prefix must not contain white space or control characters.";
			return false;
		}
		else if (strchr("*?[]\\{}", *p) != NULL)
		{
			*detail = "The key prefix must not contain braces, brackets, \"*\", \"?\" or backslashes.";
			return false;
		}
	}

	/* With a database name in it, rtc_prefix_expand() steps aside instead. */
	if (strncmp(tmpl, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0 ||
		(!has_database && prefix_meets_reserved(tmpl, strlen(tmpl))))
	{
		*detail = "Keys that begin with \"rtcache:\" are used by rtcache itself.";
		return false;
	}
	if (!rtc_prefix_expand(tmpl, "postgres", probe))
	{
		*detail = "The key prefix is too long.";
		return false;
	}
	return true;
}

/* Appends bytes to a prefix under construction; false when it is full. */
static bool
prefix_append(char *prefix, size_t *len, const char *text, size_t n)
{
	if (n >= RTC_MAX_PREFIX_LEN - *len)
		return false;
	memcpy(prefix + *len, text, n);
	*len += n;
	prefix[*len] = '\0';
	return true;
}

/*
 * rtc_prefix_expand
 *		The database name is percent-encoded like a value in a key.  A database
 *		that would get a prefix in the way of "rtcache:..." (one named rtcache,
 *		with "%d:") has the first byte of its prefix encoded as well.
 */
bool
rtc_prefix_expand(const char *tmpl, const char *dbname, char prefix[])
{
	char		code[3];
	size_t		len = 0;

	prefix[0] = '\0';
	for (const char *p = tmpl; *p; p++)
	{
		bool		ok = true;

		if (*p == '%' && p[1] == 'd')
		{
			for (const char *d = dbname; *d && ok; d++)
			{
				percent_encode(code, (unsigned char) *d);
				ok = needs_encoding((unsigned char) *d) ?
					prefix_append(prefix, &len, code, sizeof(code)) :
					prefix_append(prefix, &len, d, 1);
			}
			p++;
		}
		else
		{
			if (*p == '%' && p[1] == '%')
				p++;
			ok = prefix_append(prefix, &len, p, 1);
		}
		if (!ok)
			return false;
	}
	if (len == 0)
		return false;

	if (prefix_meets_reserved(prefix, len))
	{
		if (len + 2 >= RTC_MAX_PREFIX_LEN)
			return false;
		percent_encode(code, (unsigned char) prefix[0]);
		memmove(prefix + 3, prefix + 1, len);	/* NUL included */
		memcpy(prefix, code, sizeof(code));
	}
	return true;
}
