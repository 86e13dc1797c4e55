/*-------------------------------------------------------------------------
 *
 * apply.h
 *		From the ops of a commit to Redis.  See apply.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_APPLY_H
#define RTC_APPLY_H

#include "postgres.h"

#include "relay/stream_state.h"

/* All of these return false if the stream is down. */

/* Puts the ops of the commit at hand into batches. */
extern bool rtc_apply_commit(RtcStream *s);

/* Registers databases that ask for it, or that are to be tried again. */
extern bool rtc_apply_requests(RtcStream *s);

/* Goes on a little with a deletion that takes long (jobs.c). */
extern bool rtc_apply_jobs(RtcStream *s);

#endif							/* RTC_APPLY_H */
