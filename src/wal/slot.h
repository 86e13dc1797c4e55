/*-------------------------------------------------------------------------
 *
 * slot.h
 *		The replication slot that keeps the WAL queue.  See slot.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SLOT_H
#define RTC_SLOT_H

#include "postgres.h"

#include "access/xlogdefs.h"

/*
 * Acquires the slot, creating it if need be.  False when there can be none;
 * the reason is in *problem (static text).  WAL may then vanish before it is
 * applied, which the relay notices and answers with a clear.
 */
extern bool rtc_slot_ensure(const char **problem);

/*
 * Lets WAL before "restart" go, less rtcache.wal_keep, and in any case what
 * is more than rtcache.max_wal_lag old.  Never goes back.  Notes in the slot up
 * to where commits are applied, unless that is invalid: not known.  It gets to
 * disk with the next checkpoint, or by the second function at once.
 */
extern void rtc_slot_advance(XLogRecPtr restart, XLogRecPtr applied);
extern void rtc_slot_save(XLogRecPtr applied);

/* What the slot that was acquired says that is applied; invalid = not known. */
extern XLogRecPtr rtc_slot_applied(void);

/*
 * On a standby: if there is a slot, left from when this server was a primary,
 * acquires it and lets what is more than rtcache.max_wal_lag old go.
 */
extern void rtc_slot_hold(void);

/* WAL that the slot holds, in bytes; -1 = there is none.  For any process. */
extern int64 rtc_slot_held(void);

/* Drops the slot, if there is one: there is no Redis any more. */
extern void rtc_slot_drop(void);

#endif							/* RTC_SLOT_H */
