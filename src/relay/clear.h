/*-------------------------------------------------------------------------
 *
 * clear.h
 *		Clearing Redis: when what it holds cannot be repaired.  See clear.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CLEAR_H
#define RTC_CLEAR_H

#include "postgres.h"

#include "relay/stream_state.h"

/*
 * Deletes all that is ours in Redis and starts at the end of WAL.  reason: a
 * clause for the log.  False = the stream is down.
 */
extern bool rtc_clear(RtcStream *s, const char *reason);

/* After a clear: is it over?  Drops the horizon then.  False = down. */
extern bool rtc_clear_check_drained(RtcStream *s);

#endif							/* RTC_CLEAR_H */
