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

/* Both return false if the stream is down. */

/*
 * Deletes all that is ours in Redis and starts at the end of WAL.  reason: a
 * clause for the log.
 */
extern bool rtc_clear(RtcStream *s, const char *reason);

/* After a clear: drops the horizon when it is over. */
extern bool rtc_clear_check_drained(RtcStream *s);

#endif							/* RTC_CLEAR_H */
