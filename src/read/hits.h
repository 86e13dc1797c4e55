/*-------------------------------------------------------------------------
 *
 * hits.h
 *		What a hit brings about: the answer may have to be computed again.
 *		See hits.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_HITS_H
#define RTC_HITS_H

#include "postgres.h"

#include "base/shared.h"
#include "guc.h"
#include "read/lookup_names.h"
#include "read/question.h"

extern const RtcSharedRoom rtc_hits_room;

/* Are hits of this session to be told of? */
#define rtc_hits_matter() \
	(rtc_refresh_ahead > 0 || rtc_refresh_after_write)

/*
 * Tells of a hit on an answer.  left_ms: its remaining time to live, -1 = it does
 * not expire.  Raises nothing but that memory is out.
 */
extern void rtc_hit(const RtcQuestion *question, const RtcLookupNames *names,
					int64 left_ms);

/*
 * Tells of a hit in L1 on an answer that Redis may have lost since.  As above.
 */
extern void rtc_hit_lost(const RtcQuestion *question,
						 const RtcLookupNames *names);

/* An answer was computed again: its hits count from the beginning. */
extern void rtc_hits_forget(const RtcQuestion *question);

#endif							/* RTC_HITS_H */
