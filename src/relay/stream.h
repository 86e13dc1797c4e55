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


typedef enum RtcStreamResult
{
	RTC_STREAM_MORE,			/* call again at once */
	RTC_STREAM_LINGER,			/* a batch went out: let the next one collect */
	RTC_STREAM_NOT_VISIBLE,		/* the next commit is not visible yet */
	RTC_STREAM_IDLE,			/* everything is applied */
	RTC_STREAM_DOWN				/* not connected (any more); see the error */
} RtcStreamResult;

/* Makes the stream in the current memory context; not connected. */
extern void rtc_stream_init(void);

/*
 * Connects, finds out where Redis stands and decides; clears if need be.
 * False = failed or fenced: rtc_stream_error() tells, the state is set.
 */
extern bool rtc_stream_connect(void);

extern bool rtc_stream_is_connected(void);

/* Applies what there is, up to about one batch. */
extern RtcStreamResult rtc_stream_work(void);

/* Closes the connection and the way of lookups to Redis. */
extern void rtc_stream_disconnect(void);

/* Why the stream is down; static. */
extern const char *rtc_stream_error(void);

/* Is the position to be stored after RTC_TELL_MS? */
#define RTC_TELL_MS			200
extern bool rtc_stream_is_untold(void);

/* Where WAL has to be kept from; invalid = as long as possible. */
extern XLogRecPtr rtc_stream_restart(void);

/*
 * Keeps lookups away from Redis until everything is applied that is in WAL now.
 */
extern void rtc_stream_fall_behind(void);

/*
 * Is Redis obedient?  Something was acknowledged since we connected, be it that
 * all was there; that the position could be stored is not enough.
 */
extern bool rtc_stream_is_proven(void);

/* The key_prefix setting has changed. */
extern void rtc_stream_prefix_changed(void);

/* Is the way drained by transactions from before a clear?  For waiting. */
extern bool rtc_stream_is_draining(void);

/* The socket, to be woken when Redis hangs up; PGINVALID_SOCKET if none. */
extern pgsocket rtc_stream_socket(void);

#endif							/* RTC_STREAM_H */
