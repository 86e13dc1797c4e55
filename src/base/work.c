/*-------------------------------------------------------------------------
 *
 * work.c
 *		Work for background workers, and the places of the workers.
 *
 * Sessions and the relay put work here; it says for which database, what it is
 * worth, and by a hash whether the same is waiting already.  Workers are started
 * when there is work, at most rtcache.refresh_workers of them.  Each is connected
 * to one database, and takes what waits for that, the highest priority first.  If
 * work of a database waits that has no worker, and all places are taken, then an
 * idle worker of another one ends, or a busy one that has had its turn.
 *
 * A place is reserved before the worker that is to take it is registered.  If the
 * postmaster could not start it, the place is free again after START_MS.
 *
 * A worker that is connected to a database would keep DROP DATABASE and its kin
 * waiting.  These make it leave (rtc_work_leave()), by a flag if it is idle and by
 * SIGTERM if it is not.
 *
 * Nothing of this is needed for anything to be right.  So all is bounded.
 *
 * Model: one LWLock, held for looking through the headers and one copy.  Any
 * backend, the relay and the workers call this; what is done in the callbacks of
 * a transaction takes no lock.  A worker gives its place back when it exits.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"

#include "base/bg_worker.h"
#include "base/clock.h"
#include "base/inject.h"
#include "base/relay_latch.h"
#include "base/work.h"
#include "base/work_slots.h"
#include "compat.h"
#include "guc.h"
#include "stats.h"

/* A worker that has not begun after so long will not (ms). */
#define START_MS		10000

/* So long a worker stays with its database while another one waits (ms). */
#define TURN_MS			5000

/* So long workers stay away from a database that they were to leave (ms). */
#define AWAY_MS			6000

/* And so long we wait until they have left (ms). */
#define LEAVE_MS		2000
#define LEAVE_POLL_MS	5

/* Databases that workers stay away from; of two that share a slot, from the later. */
#define MAX_AWAY		16

/* "cannot start a worker" is told this often (ms). */
#define TELL_MS			60000

/* The place of a worker.  Under the lock, but for "latch". */
typedef struct Place
{
	Oid			dboid;			/* InvalidOid = nobody has it */
	int			pid;			/* 0 = it has not begun */
	uint32		serial;			/* of the worker that it is for */
	int64		since_ms;		/* reserved, and then begun; rtc_clock_ms() */
	bool		busy;			/* at work, or connecting */
	bool		leave;			/* it is to end */
	Latch	   *volatile latch; /* NULL = it has not begun; read without lock,
								 * as that of the relay is (relay_latch.c) */
} Place;

/* A database that workers stay away from. */
typedef struct Away
{
	Oid			dboid;
	int64		until;			/* deadline; 0 = this slot is free */
} Away;

typedef struct RtcWorkQueue
{
	pg_atomic_uint32 stirred;	/* rtc_work_stir() since somebody looked */
	uint32		serial;			/* of the last worker */
	int64		told_ms;		/* rtc_clock_is_due() */
	Place		place[RTC_MAX_REFRESH_WORKERS];
	Away		away[MAX_AWAY];
	RtcWorkSlots slots;
} RtcWorkQueue;

static RtcWorkQueue *shared = NULL;
static LWLockPadded *locks;

#define queue_lock (&locks->lock)

/* What is started. */
static const char *worker_name;
static const char *worker_function;

/* In a worker: its place, and whether it has got a connection. */
static Place *mine = NULL;
static bool connected = false;

static void
init(void)
{
	pg_atomic_init_u32(&shared->stirred, 0);
	pg_atomic_init_u32(&shared->slots.nwaiting, 0);
}

const RtcSharedRoom rtc_work_room = {
	.name = "rtcache_work",
	.place = &shared,
	.size = sizeof(RtcWorkQueue),
	.locks = &locks,
	.nlocks = 1,
	.init = init
};

void
rtc_work_set_worker(const char *name, const char *function)
{
	worker_name = name;
	worker_function = function;
}

bool
rtc_work_is_on(void)
{
	return rtc_preloaded && rtc_refresh_workers > 0 && !RecoveryInProgress();
}

bool
rtc_work_has_room(void)
{
	return rtc_work_is_on() &&
		pg_atomic_read_u32(&shared->slots.nwaiting) < RTC_WORK_SLOTS / 2;
}

/* ---------------- who works; under the lock ---------------- */

static bool
is_away(Oid dboid)
{
	const Away *away = &shared->away[dboid % MAX_AWAY];

	return away->dboid == dboid && rtc_deadline_left(away->until) > 0;
}

/*
 * Reserves a place for a worker of a database that has work.  Returns the serial
 * number of the worker; 0 = none is to be started: there is one that will do the
 * work, or there must not be one more.
 */
static uint32
reserve(Oid dboid)
{
	Place	   *unused = NULL;
	Place	   *idle = NULL;
	int			ntaken = 0;
	bool		served = false;
	bool		leaving = false;

	if (is_away(dboid))
		return 0;
	for (int i = 0; i < RTC_MAX_REFRESH_WORKERS; i++)
	{
		Place	   *p = &shared->place[i];

		if (OidIsValid(p->dboid) && p->pid == 0 &&
			rtc_clock_ms() - p->since_ms > START_MS)
			p->dboid = InvalidOid;
		if (!OidIsValid(p->dboid))
		{
			unused = p;
			continue;
		}
		ntaken++;
		leaving |= p->leave;
		if (p->leave)
			continue;
		if (p->dboid != dboid)
		{
			if (p->pid != 0 && !p->busy &&
				!rtc_work_slots_has(&shared->slots, p->dboid))
				idle = p;
			continue;
		}
		if (p->pid == 0)
			return 0;
		if (!p->busy)
		{
			SetLatch(p->latch);
			return 0;
		}
		served = true;
	}

	if (unused != NULL && ntaken < rtc_refresh_workers)
	{
		unused->dboid = dboid;
		unused->pid = 0;
		unused->serial = ++shared->serial;
		unused->since_ms = rtc_clock_ms();
		unused->busy = true;
		unused->leave = false;
		unused->latch = NULL;
		return unused->serial;
	}
	if (!served && idle != NULL && !leaving)
	{
		/* rtc_work_end() sees to the other database */
		idle->leave = true;
		SetLatch(idle->latch);
	}
	return 0;
}

/* How many have a place, and stay? */
static int
count_staying(void)
{
	int			n = 0;

	for (int i = 0; i < RTC_MAX_REFRESH_WORKERS; i++)
		if (OidIsValid(shared->place[i].dboid) && !shared->place[i].leave)
			n++;
	return n;
}

/* Does work of another database wait in vain, since all places are taken? */
static bool
another_waits(Oid dboid)
{
	if (count_staying() < rtc_refresh_workers)
		return false;
	for (int i = 0; i < RTC_WORK_SLOTS; i++)
	{
		Oid			other = shared->slots.header[i].dboid;
		bool		served = false;

		if (!OidIsValid(other) || other == dboid || is_away(other))
			continue;
		for (int j = 0; j < RTC_MAX_REFRESH_WORKERS; j++)
			served |= shared->place[j].dboid == other;
		if (!served)
			return true;
	}
	return false;
}

/* ---------------- those who have work ---------------- */

/* Starts the worker that a place was reserved for; 0 = none is. */
static void
start(uint32 serial)
{
	if (serial == 0 ||
		rtc_bg_worker_start(worker_name, worker_function, Int32GetDatum(serial)))
		return;

	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_REFRESH_WORKERS; i++)
		if (shared->place[i].serial == serial && shared->place[i].pid == 0)
			shared->place[i].dboid = InvalidOid;
	LWLockRelease(queue_lock);
	if (rtc_clock_is_due(&shared->told_ms, TELL_MS))
		rtc_bg_worker_log_missing(worker_name);
}

bool
rtc_work_put(const RtcWork *work)
{
	uint32		serial = 0;
	bool		entered;

	if (!rtc_work_is_on())
		return false;
	if (work->len > RTC_WORK_MAX_BYTES)
	{
		rtc_stat_inc(RTC_STAT_WORK_DROPPED);
		return false;
	}

	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	entered = rtc_work_slots_enter(&shared->slots, work);
	if (entered)
		serial = reserve(work->dboid);
	LWLockRelease(queue_lock);
	start(serial);
	return entered;
}

bool
rtc_work_put_bare(RtcWorkKind kind, Oid dboid, uint32 priority)
{
	RtcWork		work;

	work.kind = kind;
	work.dboid = dboid;
	work.priority = priority;
	work.hash = 0;
	work.len = 0;
	return rtc_work_put(&work);
}

void
rtc_work_tend(void)
{
	if (!rtc_work_is_on() || pg_atomic_read_u32(&shared->slots.nwaiting) == 0)
		return;
	for (int i = 0; i < RTC_WORK_SLOTS; i++)
	{
		uint32		serial = 0;

		LWLockAcquire(queue_lock, LW_EXCLUSIVE);
		if (OidIsValid(shared->slots.header[i].dboid))
			serial = reserve(shared->slots.header[i].dboid);
		LWLockRelease(queue_lock);
		start(serial);
	}
}

void
rtc_work_stir(void)
{
	bool		found = false;

	if (pg_atomic_read_u32(&shared->stirred) != 0 ||
		pg_atomic_exchange_u32(&shared->stirred, 1) != 0)
		return;
	for (int i = 0; i < RTC_MAX_REFRESH_WORKERS; i++)
	{
		Latch	   *latch = shared->place[i].latch;

		if (latch != NULL)
		{
			SetLatch(latch);
			found = true;
		}
	}
	if (!found)
		rtc_wake_relay();
}

bool
rtc_work_stirred(void)
{
	return pg_atomic_read_u32(&shared->stirred) != 0 &&
		pg_atomic_exchange_u32(&shared->stirred, 0) != 0;
}

/* Tells workers to leave a database.  Returns whether there are any. */
static bool
tell_to_leave(Oid dboid)
{
	bool		found = false;

	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_REFRESH_WORKERS; i++)
	{
		Place	   *p = &shared->place[i];

		if (p->dboid != dboid)
			continue;
		if (p->pid != 0)
			found = true;
		if (p->leave)
			continue;
		p->leave = true;
		if (p->pid != 0 && p->busy)
			(void) kill(p->pid, SIGTERM);
		else if (p->pid != 0)
			SetLatch(p->latch);
	}
	LWLockRelease(queue_lock);
	return found;
}

void
rtc_work_leave(Oid dboid, bool forget_it)
{
	int64		deadline = rtc_deadline_in(LEAVE_MS);
	static uint32 wait_event = 0;

	if (!rtc_preloaded)
		return;
	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	shared->away[dboid % MAX_AWAY].dboid = dboid;
	shared->away[dboid % MAX_AWAY].until = rtc_deadline_in(AWAY_MS);
	if (forget_it)
		rtc_work_slots_forget(&shared->slots, dboid);
	LWLockRelease(queue_lock);

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheWorkersLeave");
	while (tell_to_leave(dboid) && rtc_deadline_left(deadline) > 0)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LEAVE_POLL_MS, wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---------------- the workers ---------------- */

/* Gives our place back. */
static void
give_back(void)
{
	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	if (!connected && !mine->leave)
		rtc_work_slots_forget(&shared->slots, mine->dboid);
	mine->latch = NULL;
	mine->dboid = InvalidOid;
	LWLockRelease(queue_lock);
	mine = NULL;
}

/*
 * on_shmem_exit callback, registered before the process is entered among those
 * that are connected to a database: so it runs when it is no longer there.
 */
static void
at_exit(int code, Datum arg)
{
	if (mine != NULL)
		give_back();
}

Oid
rtc_work_begin(Datum arg)
{
	uint32		serial = (uint32) DatumGetInt32(arg);
	Oid			dboid = InvalidOid;

	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_REFRESH_WORKERS; i++)
	{
		Place	   *p = &shared->place[i];

		if (!OidIsValid(p->dboid) || p->serial != serial || p->pid != 0)
			continue;
		if (p->leave)
		{
			p->dboid = InvalidOid;
			continue;
		}
		mine = p;
		dboid = p->dboid;
		p->pid = MyProcPid;
		p->since_ms = rtc_clock_ms();
		p->latch = MyLatch;
	}
	LWLockRelease(queue_lock);
	if (mine != NULL)
		on_shmem_exit(at_exit, (Datum) 0);
	RTC_INJECT("worker_begins");
	return dboid;
}

void
rtc_work_connected(void)
{
	connected = true;
}

bool
rtc_work_next(RtcWork *work, uint32 kinds)
{
	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	mine->busy = !mine->leave &&
		rtc_work_slots_take(&shared->slots, mine->dboid, kinds, work);
	LWLockRelease(queue_lock);
	return mine->busy;
}

bool
rtc_work_waits(void)
{
	bool		result;

	LWLockAcquire(queue_lock, LW_SHARED);
	result = rtc_work_slots_has(&shared->slots, mine->dboid);
	LWLockRelease(queue_lock);
	return result;
}

bool
rtc_work_must_end(void)
{
	bool		result;

	LWLockAcquire(queue_lock, LW_EXCLUSIVE);
	result = mine->leave || count_staying() > rtc_refresh_workers ||
		(another_waits(mine->dboid) &&
		 (!rtc_work_slots_has(&shared->slots, mine->dboid) ||
		  rtc_clock_ms() - mine->since_ms >= TURN_MS));
	/* nobody else need do so for the same reason */
	if (result)
		mine->leave = true;
	LWLockRelease(queue_lock);
	if (result)
		RTC_INJECT("worker_ends");
	return result;
}

void
rtc_work_end(void)
{
	give_back();
	rtc_work_tend();
}
