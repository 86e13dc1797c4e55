/*-------------------------------------------------------------------------
 *
 * work.h
 *		Work that waits for a background worker.  See work.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WORK_H
#define RTC_WORK_H

#include "postgres.h"

#include "base/shared.h"
#include "base/work_item.h"

extern const RtcSharedRoom rtc_work_room;

/* ---- those who have work ---- */

/*
 * Lets work wait, unless equal work does already, and makes sure that a worker
 * comes.  False: it was dropped.  That is counted if the queue is full or the
 * data too long; it is not if there are no workers, by the settings or on a
 * standby.  For backends and the relay; not in callbacks of transactions.  Raises
 * nothing.
 */
extern bool rtc_work_put(const RtcWork *work);

/* Likewise, for work that its kind describes, and of which one waits. */
extern bool rtc_work_put_bare(RtcWorkKind kind, Oid dboid, uint32 priority);

/* Would it do? */
extern bool rtc_work_is_on(void);

/*
 * Is there room for work that can wait, too?  A guess, without a lock; false if
 * work would be dropped.
 */
extern bool rtc_work_has_room(void);

/*
 * Makes sure that a worker comes to each database that has work waiting.  Raises
 * nothing.
 */
extern void rtc_work_tend(void);

/*
 * Something has happened of which work may follow: wakes the workers, or the relay
 * if there are none.  COMMIT-callback safe.
 */
extern void rtc_work_stir(void);

/*
 * Has something, since this was asked last?  For whoever then looks what work
 * follows; what happens from here on will be told again.
 */
extern bool rtc_work_stirred(void);

/*
 * Makes the workers leave a database, waits for that a little, and keeps them
 * away for some seconds.  "forget": its work is dropped.  Raises for query cancel
 * and termination only.
 */
extern void rtc_work_leave(Oid dboid, bool forget);

/* ---- the workers ---- */

/* What to start; called once, from _PG_init.  "function": in this library. */
extern void rtc_work_set_worker(const char *name, const char *function);

/*
 * Takes the place that this worker was started for, by the argument of its main
 * function.  Returns the database to connect to; InvalidOid = it is not wanted any
 * more.  If it never calls the second function, the work of that database is
 * dropped: nobody can do it.
 */
extern Oid	rtc_work_begin(Datum arg);
extern void rtc_work_connected(void);

/*
 * Takes the work with the highest priority of this database, of these kinds.
 * False = there is none: wait.
 */
extern bool rtc_work_next(RtcWork *work, uint32 kinds);

/* Does work of this database wait? */
extern bool rtc_work_waits(void);

/* Is this worker to end, for the sake of another database or the settings? */
extern bool rtc_work_must_end(void);

/*
 * Gives the place of this worker back, and sees to it that work that still waits
 * gets another one.  The process ends then.
 */
extern void rtc_work_end(void);

#endif							/* RTC_WORK_H */
