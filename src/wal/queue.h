/*-------------------------------------------------------------------------
 *
 * queue.h
 *		The queue from those who write to the relay: what both share of it.
 *		See queue.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_QUEUE_H
#define RTC_QUEUE_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "storage/condition_variable.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_queue_room;

/* ---- writers ---- */

/* Do ops go to WAL now?  Without a library preloaded, if there is a Redis. */
extern bool rtc_queue_is_on(void);

/*
 * PRE_COMMIT: ops of this transaction did not go to WAL, since the queue was
 * off.  Writes a gap message, unless one is in WAL.  May raise.
 */
extern void rtc_queue_gap(void);

/*
 * A TAG op is about to be left out: writes an omitted message, unless one was
 * written before.  The caller then checks again whether it may be.  May raise.
 */
extern void rtc_queue_omit(void);

/* End of that message; everything before it is complete in WAL. */
extern XLogRecPtr rtc_queue_omitted(void);

/* Tells the relay that Redis is to know of what ends at lsn.  No error. */
extern void rtc_queue_wake(XLogRecPtr lsn);

/* Likewise, of a commit: a relay that lingers is left alone.  COMMIT-safe. */
extern void rtc_queue_commit(XLogRecPtr lsn);

/* ---- those who wait for the relay ---- */

/* Has Redis every commit up to lsn? */
extern bool rtc_queue_is_applied(XLogRecPtr lsn);

/* Up to where; invalid = not known. */
extern XLogRecPtr rtc_queue_applied(void);

/* WAL is read up to here. */
extern XLogRecPtr rtc_queue_read(void);

/*
 * Broadcast when more is applied, when the position is stored that somebody
 * asked for (trust.c), and when the queue goes off.
 */
extern ConditionVariable *rtc_queue_moved(void);

/*
 * Since when the relay has not been at work on Redis, by rtc_clock_ms(); 0 =
 * it is.
 */
extern int64 rtc_queue_down_since(void);

/* ---- the relay ---- */

/* Turns the queue on or off; the second returns whether it was on. */
extern void rtc_queue_turn_on(void);
extern bool rtc_queue_turn_off(void);

extern void rtc_queue_set_read(XLogRecPtr lsn);

/* Moves applied_lsn forwards; false = it is there already. */
extern bool rtc_queue_set_applied(XLogRecPtr lsn);

/* Wakes those who sleep on rtc_queue_moved(). */
extern void rtc_queue_broadcast(void);

/* Is there a commit to apply that is not flushed yet? */
extern bool rtc_queue_is_unflushed(void);

/* From now on commits collect, and do not wake the relay; until false. */
extern void rtc_queue_linger(bool lingers);

extern void rtc_queue_set_down(bool down);

#endif							/* RTC_QUEUE_H */
