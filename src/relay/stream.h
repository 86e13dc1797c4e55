/*-------------------------------------------------------------------------
 *
 * stream.h
 *		The relay's work on one Redis: connect, repair, apply.
 *		See stream.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STREAM_H
#define RTC_STREAM_H

#include "postgres.h"

#include "relay/stream_state.h"

typedef enum RtcStreamResult
{
	RTC_STREAM_MORE,			/* call again at once */
	RTC_STREAM_LINGER,			/* a batch went out: let the next one collect */
	RTC_STREAM_NOT_VISIBLE,		/* the next commit is not visible yet */
	RTC_STREAM_IDLE,			/* everything is applied */
	RTC_STREAM_DOWN				/* not connected (any more); see s->error */
} RtcStreamResult;

/*
 * Connects to Redis and resumes or clears, as decided.  False = failed or fenced:
 * s->error tells, the relay's state is set.
 */
extern bool rtc_stream_connect(RtcStream *s);

extern bool rtc_stream_is_connected(const RtcStream *s);

/* Applies what there is, up to about one batch. */
extern RtcStreamResult rtc_stream_work(RtcStream *s);

/* Is the position to be stored after RTC_TELL_MS? */
#define RTC_TELL_MS			200
extern bool rtc_stream_is_untold(const RtcStream *s);

/* Where WAL has to be kept from; invalid = as long as possible. */
extern XLogRecPtr rtc_stream_restart(const RtcStream *s);

/* Keeps lookups away from Redis until all that is in WAL now is applied. */
extern void rtc_stream_fall_behind(RtcStream *s);

#endif							/* RTC_STREAM_H */
