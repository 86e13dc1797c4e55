/*-------------------------------------------------------------------------
 *
 * why_whole.h
 *		Why do answers depend on all of a relation?  See why_whole.c.
 *
 * For query_deps.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WHY_WHOLE_H
#define RTC_WHY_WHOLE_H

#include "postgres.h"

#include "utils/rel.h"

#include "query/equalities.h"

/*
 * Tells why a use of a relation names no rows of it, and what would make it do so.
 * leading: the columns with which its indexes begin.  The text is in the current
 * memory context.
 */
extern char *rtc_why_whole(Relation rel, const RtcScope *scope, Index varno,
						   List *facts, List *leading);

#endif							/* RTC_WHY_WHOLE_H */
