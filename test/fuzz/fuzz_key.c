/*-------------------------------------------------------------------------
 *
 * fuzz_key.c
 *		Keys, globs and prefixes made of any bytes.
 *
 * rooms: base/key redis/names
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "base/key.h"
#include "op.h"
#include "redis/names.h"

static int
hex(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* An encoded value has nothing that means something in a key, and comes back. */
static void
check_encoding(const char *text, size_t size)
{
	StringInfoData buf;
	size_t		n = 0;

	initStringInfo(&buf);
	rtc_key_encode(&buf, text, size);
	for (int i = 0; i < buf.len; i++)
	{
		char		c = buf.data[i];

		MUST(c != '\0' && strchr(":{}*?[]\\ ", c) == NULL);
		if (c == '%')
		{
			MUST(i + 2 < buf.len);
			c = (char) (hex(buf.data[i + 1]) * 16 + hex(buf.data[i + 2]));
			i += 2;
		}
		MUST(n < size && text[n++] == c);
	}
	MUST(n == size);
}

/* An escaped text is a glob that means itself. */
static void
check_escape(const char *text, size_t size)
{
	StringInfoData buf;
	size_t		n = 0;

	initStringInfo(&buf);
	rtc_glob_escape(&buf, text, size);
	MUST(rtc_glob_is_complete(buf.data, buf.len));
	for (int i = 0; i < buf.len; i++)
	{
		if (buf.data[i] == '\\')
			i++;
		else
			MUST(buf.data[i] == '\0' || strchr("*?[]", buf.data[i]) == NULL);
		MUST(n < size && text[n++] == buf.data[i]);
	}
	MUST(n == size);
	(void) rtc_glob_is_complete(text, size);
}

/* What Redis Cluster hashes of a key. */
static void
hash_tag(const char *key, size_t len, const char **tag, size_t *taglen)
{
	const char *open = memchr(key, '{', len);
	const char *close = open ? memchr(open + 1, '}', key + len - open - 1) : NULL;

	*tag = key;
	*taglen = len;
	if (close != NULL && close > open + 1)
	{
		*tag = open + 1;
		*taglen = close - open - 1;
	}
}

/* A lease lives where its key lives. */
static void
check_lease(const char *key, size_t len)
{
	StringInfoData buf;
	const char *tag[2];
	size_t		taglen[2];

	initStringInfo(&buf);
	rtc_lease_name(&buf, key, len);
	hash_tag(key, len, &tag[0], &taglen[0]);
	hash_tag(buf.data, buf.len, &tag[1], &taglen[1]);

	/* a key that has a "}" but no tag cannot be made one */
	if (memchr(key, '}', len) == NULL)
		MUST(taglen[0] == taglen[1] && memcmp(tag[0], tag[1], taglen[0]) == 0);
	MUST(buf.len > len &&
		 strcmp(buf.data + buf.len - strlen(RTC_LEASE_SUFFIX), RTC_LEASE_SUFFIX) == 0);
}

/* A prefix that was accepted gives a usable one, or none. */
static void
check_prefix(const char *tmpl, const char *dbname)
{
	char		prefix[RTC_MAX_PREFIX_LEN];
	const char *detail = NULL;

	if (!rtc_prefix_check(tmpl, &detail))
	{
		MUST(detail != NULL);
		return;
	}
	if (!rtc_prefix_expand(tmpl, dbname, prefix))
		return;
	MUST(prefix[0] != '\0' && strlen(prefix) < RTC_MAX_PREFIX_LEN);
	MUST(strncmp(prefix, "rtcache:", Min(strlen(prefix), 8)) != 0);
	for (const char *p = prefix; *p; p++)
		MUST(!rtc_is_blank_or_control((unsigned char) *p) &&
			 strchr("*?[]\\{}", *p) == NULL);
}

/* A tag set's name comes back. */
static void
check_tag(const char *name, size_t len)
{
	size_t		prefixlen;
	RtcDep		dep;
	StringInfoData buf;

	if (!rtc_tag_parse(name, len, &prefixlen, &dep))
		return;
	initStringInfo(&buf);
	rtc_tag_name(&buf, name, prefixlen, dep);
	MUST(buf.len == len && memcmp(buf.data, name, len) == 0);
}

void
fuzz_one(const uint8 *data, size_t size)
{
	char	   *text = fuzz_text(data, size);
	char	   *second = memchr(text, '\0', size);

	check_encoding(text, size);
	check_escape(text, size);
	if (size > 0)
		check_lease(text, size);
	check_prefix(text, second != NULL ? second + 1 : "postgres");
	check_tag(text, size);
	if (rtc_key_is_valid(text, size))
		rtc_key_check(text, size);
}
