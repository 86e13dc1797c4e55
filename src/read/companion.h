/*-------------------------------------------------------------------------
 *
 * companion.h
 *		What a value under a key comes from, and who may see it.
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
#include "nodes/pg_list.h"

#include "dep/dep.h"

/*
 * What the current user needs to see the answer of analyzed and rewritten
 * queries, as text without blanks; in the current memory context.  "functions"
 * are the OIDs of those that he must be allowed to call.
 */
extern const char *rtc_privileges_of(List *queries, List *functions);

/*
 * Raises 42501 if the current user lacks one of these, or if row-level security
 * applies to him.  False = the text is none, or a table is gone.
 */
extern bool rtc_privileges_check(const char *privileges);

/* The companion of a value that a user stores: no question, no privileges. */
#define RTC_USERS_COMPANION "00000000000000000000000000000000 - "

/* Writes the companion of a value that a lookup stores. */
extern void rtc_companion_write(StringInfo buf, const char *fingerprint,
								const char *privileges, const RtcDep *tags,
								int ntags);

/*
 * Takes a companion apart, and cuts it in pieces while at that.  Returns the
 * number of tags, of which there is room for max; -1 = it is malformed.
 */
extern int	rtc_companion_read(char *companion, char **privileges,
							   RtcDep *tags, int max);

/*
 * For a value that no lookup has stored: raises 42501 unless the current user
 * may read every table whose rule can have written it.  False = there is no such
 * rule.
 */
extern bool rtc_rules_check(const char *key, uint32 keylen);

#endif							/* RTC_COMPANION_H */
