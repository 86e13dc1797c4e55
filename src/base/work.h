/*-------------------------------------------------------------------------
 *
 * work.h
 *		Work that waits for a background worker.  See work.c.
 *
 * To add a kind of work: give it a name in RtcWorkKind and a line in the table of
 * refresh/worker.c, which has the function that does it.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WORK_H
#define RTC_WORK_H

#include "postgres.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_work_room;

typedef enum RtcWorkKind
{
	RTC_WORK_NONE,
	RTC_WORK_ASK,				/* ask a question again */
	RTC_WORK_WARM_RELATION,		/* store the rows of a table */
	RTC_WORK_WARM_DATABASE,		/* likewise, of all whose rules say so */
	RTC_WORK_WARM_START,		/* ask what was asked before a start */
	RTC_WORK_SAVE,				/* save what is asked most */
	RTC_WORK_NKINDS
} RtcWorkKind;

/* What some pieces of work are worth; those that hits count may be worth more. */
#define RTC_WORK_PRIORITY_WARM	1
#define RTC_WORK_PRIORITY_PUT_BACK	50
#define RTC_WORK_PRIORITY_ASK	100

/* Longest description of a piece of work, in bytes. */
#define RTC_WORK_MAX_BYTES	4000

/* One piece of work. */
typedef struct RtcWork
{
	RtcWorkKind kind;
	Oid			dboid;			/* the database in which it is to be done */
	uint32		priority;		/* what is higher is done first */
	uint32		len;			/* bytes of data */
	uint64		hash;			/* the same for equal work of one kind and
								 * database: it waits once */
	char		data[RTC_WORK_MAX_BYTES];	/* what to do, as its kind has it */
} RtcWork;

/* A set of kinds. */
#define RTC_WORK_KIND(kind)	((uint32) 1 << (kind))
#define RTC_WORK_ALL_KINDS	((uint32) ~0)

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
