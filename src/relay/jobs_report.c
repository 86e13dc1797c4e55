/*-------------------------------------------------------------------------
 *
 * jobs_report.c
 *		What the relay does that takes long, as others see it.
 *
 * Model: the relay writes, backends read, under a lock.  Raises nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "relay/jobs_report.h"

/* Protected by the lock. */
typedef struct RtcJobsReport
{
	int			njobs;
	bool		sweeping;
	RtcJobInfo	job[RTC_MAX_JOBS];
	RtcJobInfo	sweep;
} RtcJobsReport;

static RtcJobsReport *shared = NULL;
static LWLockPadded *lock = NULL;

const RtcSharedRoom rtc_jobs_room = {
	.name = "rtcache_jobs",
	.place = &shared,
	.size = sizeof(RtcJobsReport),
	.locks = &lock,
	.nlocks = 1
};

void
rtc_jobs_report(const RtcJobInfo *job, int njobs)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->njobs = njobs;
	memcpy(shared->job, job, njobs * sizeof(RtcJobInfo));
	LWLockRelease(&lock->lock);
}

void
rtc_jobs_report_sweep(const RtcJobInfo *sweep)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->sweeping = sweep != NULL;
	if (sweep != NULL)
		shared->sweep = *sweep;
	LWLockRelease(&lock->lock);
}

int
rtc_jobs_reported(RtcJobInfo job[RTC_MAX_JOBS + 1])
{
	int			n;

	LWLockAcquire(&lock->lock, LW_SHARED);
	n = shared->njobs;
	memcpy(job, shared->job, n * sizeof(RtcJobInfo));
	if (shared->sweeping)
		job[n++] = shared->sweep;
	LWLockRelease(&lock->lock);
	return n;
}
