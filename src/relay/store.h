/*-------------------------------------------------------------------------
 *
 * store.h
 *		The batch on its way to Redis, and the position with it.  See store.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STORE_H
#define RTC_STORE_H

#include "postgres.h"

#include "relay/stream_state.h"

/* All of these return false if the stream is down. */

/* Sends the batch, if there is anything in it, and says what is applied. */
extern bool rtc_store_batch(RtcStream *s);

/* Sends the batch, empty or not, and the position behind it. */
extern bool rtc_store_position(RtcStream *s);

/* Redis is out of memory: logs that, and deletes the keys of the batch. */
extern bool rtc_store_deletes(RtcStream *s);

/* Opens the way for lookups, if all that they wait for is applied. */
extern bool rtc_store_catch_up(RtcStream *s);

/* No commit up to lsn is left to be applied: tells everybody. */
extern void rtc_store_publish(RtcStream *s, XLogRecPtr lsn);

#endif							/* RTC_STORE_H */
