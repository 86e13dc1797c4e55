/*-------------------------------------------------------------------------
 *
 * key.h
 *		Cache keys: percent-encoding, what a key may be, globs, the prefix.
 *		See key.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_KEY_H
#define RTC_KEY_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * The names of leases and companions end in these (redis/names.c), so no key
 * may.
 */
#define RTC_LEASE_SUFFIX	"~lease"
#define RTC_QUERY_SUFFIX	"~query"

/* White space and control characters: refused in templates and prefixes. */
static inline bool
rtc_is_blank_or_control(unsigned char c)
{
	return c <= 0x20 || c == 0x7f;
}

/* Appends text, percent-encoding '% : { } * ? [ ] \', space and controls. */
extern void rtc_key_encode(StringInfo buf, const char *str, size_t len);

/*
 * Undoes percent-encoding.  False if the result does not fit into "size" bytes,
 * with its final NUL, or the text is malformed; a NUL in the result is.
 */
extern bool rtc_percent_decode(const char *text, size_t len, char *result,
							   size_t size);

/*
 * Checks a key that a user gave.  Errors: 22023 empty; 54000 longer than
 * RTC_MAX_KEY_LEN; 22023 ends in "~lease" or "~query" or begins with "~"
 * (reserved).
 */
extern void rtc_key_check(const char *key, size_t len);

/* May this byte be part of what a column gives to a key? */
extern bool rtc_key_is_encoded(unsigned char c);

/* The same check without an error; for keys that templates made. */
extern bool rtc_key_is_valid(const char *key, size_t len);

/*
 * Does a glob keep its meaning with something behind it?  Not if a bracket
 * expression is open at its end, or a backslash is the last byte.  Leases are
 * named after keys, and found by the glob with a suffix.
 */
extern bool rtc_glob_is_complete(const char *glob, size_t len);

/* Appends text with the glob characters of Redis escaped by backslash. */
extern void rtc_glob_escape(StringInfo buf, const char *text, size_t len);

/*
 * Is this usable as rtcache.key_prefix?  If not, a static, untranslated
 * detail sentence in *detail.  Neither allocates nor raises.
 */
extern bool rtc_prefix_check(const char *tmpl, const char **detail);

/*
 * Expands a key_prefix template for a database.  False when the result is
 * empty or longer than RTC_MAX_PREFIX_LEN - 1.  Never gives a prefix under
 * which "rtcache:..." could be a key.  Neither allocates nor raises.
 */
extern bool rtc_prefix_expand(const char *tmpl, const char *dbname,
							  char prefix[]);

#endif							/* RTC_KEY_H */
