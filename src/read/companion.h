/*-------------------------------------------------------------------------
 *
 * companion.h
 *		What a value in Redis comes from, and who may see it.
 *		See companion.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_COMPANION_H
#define RTC_COMPANION_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "dep/dep.h"

/*
 * Writes the companion of a value that a lookup stores, which took so many
 * microseconds to compute.
 */
extern void rtc_companion_write(StringInfo buf, const char *fingerprint,
								const char *privileges, const RtcDep *tags,
								int ntags, uint32 computed_us);

/* The microseconds that a companion tells; -1 = it does not. */
extern int64 rtc_companion_computed(const char *companion, size_t len);

/*
 * Takes a companion apart; its text is changed.  Returns the number of tags, for
 * which there is room for max; -1 = it is malformed.
 */
extern int	rtc_companion_read(char *companion, char **privileges,
							   RtcDep *tags, int max);

/*
 * For a value without companion: raises 42501 unless the current user may read
 * every table whose rule can have written it.  False = there is no such rule.
 */
extern bool rtc_rules_check(const char *key, uint32 keylen);

#endif							/* RTC_COMPANION_H */
