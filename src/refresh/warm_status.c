/*-------------------------------------------------------------------------
 *
 * warm_status.c
 *		Who is warming what, and how far.
 *
 * The server's own views of progress take no commands of extensions.
 *
 * Model: places in shared memory, under a lock that is held for an instant.  A
 * process has one place at most, and gives it up when it ends.  Raises nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "refresh/warm_status.h"

static RtcWarming *shared = NULL;
static LWLockPadded *lock = NULL;

static int	mine = -1;			/* our place; -1 = none */

const RtcSharedRoom rtc_warm_status_room = {
	.name = "rtcache_warm_status",
	.place = &shared,
	.size = RTC_MAX_WARMING * sizeof(RtcWarming),
	.locks = &lock,
	.nlocks = 1
};

static void
at_exit(int code, Datum arg)
{
	rtc_warming_end();
}

void
rtc_warming_begin(Oid relid, RtcWarmPhase phase, uint64 total,
				  TimestampTz started_at)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(at_exit, (Datum) 0);
	registered = true;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_WARMING && mine < 0; i++)
	{
		if (shared[i].pid == 0)
			mine = i;
	}
	if (mine >= 0)
	{
		RtcWarming *w = &shared[mine];

		w->pid = MyProcPid;
		w->dboid = MyDatabaseId;
		w->relid = relid;
		w->phase = phase;
		w->done = 0;
		w->total = total;
		w->started_at = started_at;
	}
	LWLockRelease(&lock->lock);
}

void
rtc_warming_report(RtcWarmPhase phase, uint64 done, uint64 total)
{
	if (mine < 0)
		return;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared[mine].phase = phase;
	shared[mine].done = done;
	shared[mine].total = total;
	LWLockRelease(&lock->lock);
}

void
rtc_warming_end(void)
{
	if (mine < 0)
		return;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared[mine].pid = 0;
	LWLockRelease(&lock->lock);
	mine = -1;
}

int
rtc_warming_get(RtcWarming warming[RTC_MAX_WARMING])
{
	int			n = 0;

	LWLockAcquire(&lock->lock, LW_SHARED);
	for (int i = 0; i < RTC_MAX_WARMING; i++)
	{
		if (shared[i].pid != 0)
			warming[n++] = shared[i];
	}
	LWLockRelease(&lock->lock);
	return n;
}
