/*-------------------------------------------------------------------------
 *
 * lookup_names.h
 *		What the answer of a lookup depends on.  See lookup_names.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_LOOKUP_NAMES_H
#define RTC_LOOKUP_NAMES_H

#include "postgres.h"

#include "utils/array.h"

#include "dep/dep.h"
#include "dep/stamps.h"
#include "query/query_deps.h"
#include "read/question.h"

typedef struct RtcLookupNames
{
	RtcStampRead stamps;		/* of the key, the database and dep[]; n = 0:
								 * not named yet */
	bool		tagged;			/* dep[] are the caller's tags */
	bool		owned;			/* a rule stores this very answer under the
								 * key, so that in Redis it has no tag sets */
	int			ndeps;
	RtcDep		dep[RTC_MAX_NAMED_DEPS];
} RtcLookupNames;

StaticAssertDecl(RTC_MAX_NAMED_DEPS + 2 <= RTC_MAX_READ_DEPS,
				 "each dependency must have a stamp");

/* Begins with nothing but the caller's tags (text[]; NULL = none are given). */
extern void rtc_names_begin(RtcLookupNames *names, ArrayType *tags);

/*
 * Names what the answer depends on.  Returns true if that is not what was named
 * before: then stamps have to be taken.  Errors: those of rtc_query_deps().
 */
extern bool rtc_names_find(RtcLookupNames *names, const RtcQuestion *question);

/* Finds out whether a rule stores the answer; see "owned". */
extern void rtc_names_find_owner(RtcLookupNames *names,
								 const RtcQuestion *question);

/*
 * Counts an answer that was stored with the stamps "ended", of the same buckets,
 * for each table of which the stamps have moved; and one that a worker has computed
 * again, for each table that it depends on.  See table_stats.h.
 */
extern void rtc_names_count_ended(const RtcLookupNames *names,
								  const RtcQuestion *question,
								  const RtcStampRead *ended);
extern void rtc_names_count_refresh(const RtcLookupNames *names,
									const RtcQuestion *question);

/*
 * Sets the buckets of a key (rtc_dep_key()), the database and "deps".
 */
extern void rtc_stamps_of(RtcStampRead *stamps, RtcDep key, const RtcDep *deps,
						  int ndeps);

#endif							/* RTC_LOOKUP_NAMES_H */
