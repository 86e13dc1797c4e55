/*-------------------------------------------------------------------------
 *
 * sweep.h
 *		Goes through the tag sets in Redis, again and again.  See sweep.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SWEEP_H
#define RTC_SWEEP_H

#include "postgres.h"

#include "redis_conn.h"

/* Begins anew: after connecting, nothing is known of what is registered. */
extern void rtc_sweep_restart(void);

/* Milliseconds until the next step is due. */
extern int64 rtc_sweep_due(void);

/* Does one step, in one round trip. */
extern RtcConnResult rtc_sweep_step(RtcConn *conn);

#endif							/* RTC_SWEEP_H */
