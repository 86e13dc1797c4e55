/*-------------------------------------------------------------------------
 *
 * tag_sweep.h
 *		Goes through the tag sets in Redis, again and again.  See tag_sweep.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TAG_SWEEP_H
#define RTC_TAG_SWEEP_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "redis/conn.h"

typedef struct RtcSweep RtcSweep;

/* Makes one in the current memory context, for this connection. */
extern RtcSweep *rtc_sweep_create(RtcConn *conn);

/* Begins anew: after connecting, nothing is known of what is registered. */
extern void rtc_sweep_restart(RtcSweep *sweep);

/*
 * Did all tag sets in Redis count as registered before lsn?  If not, writers may
 * have left out TAG ops for them behind it.
 */
extern bool rtc_sweep_covers(const RtcSweep *sweep, XLogRecPtr lsn);

/* Milliseconds until the next step is due. */
extern int64 rtc_sweep_due(const RtcSweep *sweep);

/* Does one step, in one round trip. */
extern RtcConnResult rtc_sweep_step(RtcSweep *sweep);

#endif							/* RTC_TAG_SWEEP_H */
