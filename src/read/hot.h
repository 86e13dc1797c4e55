/*-------------------------------------------------------------------------
 *
 * hot.h
 *		The questions that are asked most.  See hot.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_HOT_H
#define RTC_HOT_H

#include "postgres.h"

#include "common/pg_prng.h"

#include "base/shared.h"
#include "base/work.h"
#include "guc.h"
#include "read/lookup_names.h"
#include "read/question.h"

/* One hit of so many is counted, at random. */
#define RTC_HOT_SAMPLE	16

extern const RtcSharedRoom rtc_hot_room;

/* Is this hit to be counted? */
static inline bool
rtc_hot_is_sample(void)
{
	return rtc_l1_save &&
		pg_prng_uint32(&pg_global_prng_state) % RTC_HOT_SAMPLE == 0;
}

/* Counts a hit in L1.  Raises nothing but that memory is out. */
extern void rtc_hot_hit(const RtcQuestion *question,
						const RtcLookupNames *names);

/* How many questions there may be; a number for each of the following. */
extern int	rtc_hot_max(void);

/*
 * Copies a question, as work, and the number of its hits; half of them if it has
 * not been asked since the start, so that what cannot be asked is forgotten.
 * False = there is none at this place.  Takes no lock in the postmaster, which is
 * alone when it ends.
 */
extern bool rtc_hot_get(int place, RtcWork *work, uint32 *hits);

/*
 * Enters a question that was asked before a start, and is to be asked again.
 */
extern void rtc_hot_enter(const RtcWork *work, uint32 hits);

/*
 * Takes the question of this database that was asked most, of those that are to
 * be asked again; the work has all but its priority.  Returns how many there
 * were; 0 = none.
 */
extern int	rtc_hot_take(RtcWork *work);

/* What was taken could be asked. */
extern void rtc_hot_asked(const RtcWork *work);

/* Is there a question to be taken? */
extern bool rtc_hot_is_left(void);

#endif							/* RTC_HOT_H */
