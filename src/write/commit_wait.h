/*-------------------------------------------------------------------------
 *
 * commit_wait.h
 *		COMMIT that waits until Redis has the change.  See commit_wait.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_COMMIT_WAIT_H
#define RTC_COMMIT_WAIT_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_commit_wait_room;

/* Watches for COMMIT PREPARED; from _PG_init while preloading. */
extern void rtc_commit_wait_init(void);

/* PRE_COMMIT: does this transaction want to wait?  May raise. */
extern void rtc_commit_wait_arm(void);

/* COMMIT: there is something to wait for.  No allocation, no error. */
extern void rtc_commit_wait_for(XLogRecPtr lsn);

/* After the locks are released: waits.  Raises nothing. */
extern void rtc_commit_wait_now(void);

/* ABORT: forgets. */
extern void rtc_commit_wait_forget(void);

/*
 * Has Redis all that the current database committed up to lsn?  Not while what
 * was to be deleted by then is still being looked for.
 */
extern bool rtc_is_applied(XLogRecPtr lsn);

/* Tells the relay of somebody who waits for lsn, so that it does not linger. */
extern void rtc_hurry_relay(XLogRecPtr lsn);

/* The relay: is somebody waiting for what is not applied yet? */
extern bool rtc_somebody_waits(void);

/* The relay: wakes those who wait for what is applied now. */
extern void rtc_commit_wait_wake(XLogRecPtr applied);

#endif							/* RTC_COMMIT_WAIT_H */
