/*-------------------------------------------------------------------------
 *
 * privileges.h
 *		The privileges that it takes to see an answer.  See privileges.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PRIVILEGES_H
#define RTC_PRIVILEGES_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * Returns what the current user needs to see the answer of analyzed and
 * rewritten queries: text without blanks, in the current memory context.
 * functions: the OIDs of those that the user must be allowed to call.
 */
extern const char *rtc_privileges_of(List *queries, List *functions);

/*
 * Raises 42501 if the current user lacks one of these privileges, or if
 * row-level security applies.  Returns false if the text is malformed or an
 * object is gone.
 */
extern bool rtc_privileges_check(const char *privileges);

/*
 * Raises 42501 unless the current user may SELECT these columns (list of int;
 * 0 = all; NIL = any one) and sees all rows of the table.
 */
extern void rtc_privileges_check_table(Oid relid, List *columns);

#endif							/* RTC_PRIVILEGES_H */
