/*-------------------------------------------------------------------------
 *
 * test_key.c
 *		Keys: what they may be, globs and prefixes.
 *
 * rooms: base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/key.h"
#include "op.h"
#include "unit.h"

/* The bytes of a C string and their number. */
#define BYTES(text)		(text), strlen(text)

static const char *
encoded(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	rtc_key_encode(&buf, text, strlen(text));
	return buf.data;
}

static const char *
escaped(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	rtc_glob_escape(&buf, text, strlen(text));
	return buf.data;
}

/* What is wrong with a template of a prefix; "" = nothing. */
static const char *
complaint(const char *tmpl)
{
	const char *detail = NULL;

	return rtc_prefix_check(tmpl, &detail) ? "" : detail;
}

/* NULL: none can be made. */
static const char *
expanded(const char *tmpl, const char *dbname)
{
	char		prefix[RTC_MAX_PREFIX_LEN];

	return rtc_prefix_expand(tmpl, dbname, prefix) ? pstrdup(prefix) : NULL;
}

/* A text of this many bytes. */
static char *
bytes(size_t n)
{
	char	   *text = palloc(n + 1);

	memset(text, 'x', n);
	text[n] = '\0';
	return text;
}

static void
test_encoding(void)
{
	int			wrong = 0;

	is_text(encoded(""), "", "nothing is encoded as nothing");
	is_text(encoded("abc-1.2_~"), "abc-1.2_~", "most bytes stay as they are");
	is_text(encoded("%:{}*?[]\\"), "%25%3A%7B%7D%2A%3F%5B%5D%5C",
			"what means something in a key, a glob or a template is encoded");
	is_text(encoded("a b\tc\n\x7f"), "a%20b%09c%0A%7F", "so are blanks and controls");
	is_text(encoded("\xc3\xa4"), "\xc3\xa4", "letters beyond ASCII are not");
	for (int c = 1; c < 256; c++)
	{
		char		text[2] = {(char) c, '\0'};
		bool		plain = strcmp(encoded(text), text) == 0;

		wrong += rtc_key_is_encoded((unsigned char) c) != (plain || c == '%');
	}
	is_int(wrong, 0, "encoded text has bytes that stay as they are, and percent signs");
}

static void
test_checks(void)
{
	raises(rtc_key_check("", 0), "22023 cache key must not be empty", "an empty key");
	raises(rtc_key_check(BYTES("a")), "", "a short key");
	raises(rtc_key_check(bytes(RTC_MAX_KEY_LEN), RTC_MAX_KEY_LEN), "", "the longest key");
	raises(rtc_key_check(bytes(RTC_MAX_KEY_LEN + 1), RTC_MAX_KEY_LEN + 1),
		   "54000 cache key is too long", "a longer one");
	raises(rtc_key_check(BYTES("~a")), "22023 cache key is reserved", "a tilde in front");
	raises(rtc_key_check(BYTES("a~lease")), "22023 cache key is reserved", "the name of a lease");
	raises(rtc_key_check(BYTES("a~query")), "22023 cache key is reserved", "that of a companion");
	raises(rtc_key_check(BYTES("~lease")), "22023 cache key is reserved", "nothing but the suffix");
	raises(rtc_key_check(BYTES("lease")), "", "the suffix without its tilde");
	raises(rtc_key_check(BYTES("a~lease:b")), "", "the suffix in the middle");

	ok(rtc_key_is_valid(BYTES("a")), "a short key is valid");
	ok(!rtc_key_is_valid("", 0), "an empty one is not");
	ok(rtc_key_is_valid(bytes(RTC_MAX_KEY_LEN), RTC_MAX_KEY_LEN), "the longest is");
	ok(!rtc_key_is_valid(bytes(RTC_MAX_KEY_LEN + 1), RTC_MAX_KEY_LEN + 1), "a longer one is not");
	ok(!rtc_key_is_valid(BYTES("a~query")), "nor is a reserved one");
}

static void
test_globs(void)
{
	is_text(escaped("a*b?[c]\\"), "a\\*b\\?\\[c\\]\\\\", "what means something in a glob is escaped");
	is_text(escaped("a:{b}-^"), "a:{b}-^", "and nothing else");
	ok(rtc_glob_is_complete(BYTES("a*[bc]?")), "a glob with brackets is complete");
	ok(!rtc_glob_is_complete(BYTES("a[b")), "not with an open one");
	ok(!rtc_glob_is_complete(BYTES("a\\")), "nor with a backslash at its end");
	ok(rtc_glob_is_complete(BYTES("a\\\\")), "but with an escaped backslash");
	ok(rtc_glob_is_complete(BYTES("a\\[b")), "an escaped bracket opens nothing");
	ok(!rtc_glob_is_complete(BYTES("a[b\\]")), "and closes nothing");
}

static void
test_prefixes(void)
{
	is_text(complaint("%d:"), "", "the default prefix");
	is_text(complaint("app:"), "", "one without the name of the database");
	is_text(complaint(""), "The key prefix must not be empty.", "an empty one");
	is_text(complaint(bytes(RTC_MAX_PREFIX_LEN)), "The key prefix is too long.", "a long one");
	is_text(complaint("%x:"),
			"Only \"%d\" (the database name) and \"%%\" may follow a percent sign.", "an unknown escape");
	is_text(complaint("a%"),
			"Only \"%d\" (the database name) and \"%%\" may follow a percent sign.", "an open escape");
	is_text(complaint("%d"), "\"%d\" must be followed by a colon.", "a name without an end");
	is_text(complaint("a b:"),
			"The key prefix must not contain white space or control characters.", "a blank");
	is_text(complaint("a{b}:"),
			"The key prefix must not contain braces, brackets, \"*\", \"?\" or backslashes.", "a hash tag");
	is_text(complaint("rtcache:"),
			"Keys that begin with \"rtcache:\" are used by rtcache itself.", "the reserved prefix");
	is_text(complaint("rtc"),
			"Keys that begin with \"rtcache:\" are used by rtcache itself.", "the beginning of it");
	is_text(complaint("rtcache:%d:"),
			"Keys that begin with \"rtcache:\" are used by rtcache itself.", "a name behind it");
	is_text(complaint("100%%:"), "", "a percent sign");

	is_text(expanded("%d:", "shop"), "shop:", "the name of the database");
	is_text(expanded("a:%d:%%", "my shop"), "a:my%20shop:%", "is encoded");
	is_text(expanded("%d:", "a:b"), "a%3Ab:", "so that no prefix is the beginning of another");
	is_text(expanded("%d:", "rtcache"), "%72tcache:", "a database called rtcache steps aside");
	is_text(expanded("%d:", "rtc"), "rtc:", "one called rtc need not");
	is_text(expanded("%d:", bytes(RTC_MAX_PREFIX_LEN - 2)),
			psprintf("%s:", bytes(RTC_MAX_PREFIX_LEN - 2)), "the longest name that fits");
	is_text(expanded("%d:", bytes(RTC_MAX_PREFIX_LEN - 1)), NULL, "a longer one gives no prefix");
}

int
main(void)
{
	test_encoding();
	test_checks();
	test_globs();
	test_prefixes();
	return done_testing();
}
