/*-------------------------------------------------------------------------
 *
 * status.c
 *		What the relay tells about itself.
 *
 * People see it in the views rtcache_relay and rtcache_progress, and in
 * cache_health().
 *
 * Model: written by the relay alone, under a lock and only when something
 * changes; the counters are atomics.  Raises nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "redis/connect.h"
#include "redis/trust.h"
#include "relay/status.h"
#include "wal/queue.h"

typedef struct RtcStatus
{
	RtcRelayInfo info;			/* under the lock, without the counters */
	pg_atomic_uint64 batches;
	pg_atomic_uint64 commits;
	pg_atomic_uint64 ops;
	int			njobs;			/* the rest under the lock, too */
	RtcJobInfo	job[RTC_MAX_JOBS];
	bool		sweeping;
	RtcJobInfo	sweep;
} RtcStatus;

static RtcStatus *shared = NULL;
static LWLockPadded *lock = NULL;

static bool note(char *place, size_t size, const char *text);

static void
init(void)
{
	pg_atomic_init_u64(&shared->batches, 0);
	pg_atomic_init_u64(&shared->commits, 0);
	pg_atomic_init_u64(&shared->ops, 0);
}

const RtcSharedRoom rtc_status_room = {
	.name = "rtcache_status",
	.place = &shared,
	.size = sizeof(RtcStatus),
	.locks = &lock,
	.nlocks = 1,
	.init = init
};

void
rtc_relay_get_info(RtcRelayInfo *info)
{
	LWLockAcquire(&lock->lock, LW_SHARED);
	*info = shared->info;
	LWLockRelease(&lock->lock);
	if (info->pid == 0)
		info->state = RTC_RELAY_STOPPED;
	info->batches = pg_atomic_read_u64(&shared->batches);
	info->commits = pg_atomic_read_u64(&shared->commits);
	info->ops = pg_atomic_read_u64(&shared->ops);
}

void
rtc_relay_count(uint64 batches, uint64 commits, uint64 ops)
{
	if (batches > 0)
		pg_atomic_fetch_add_u64(&shared->batches, batches);
	if (commits > 0)
		pg_atomic_fetch_add_u64(&shared->commits, commits);
	if (ops > 0)
		pg_atomic_fetch_add_u64(&shared->ops, ops);
}

void
rtc_relay_started(void)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->info.pid = MyProcPid;
	shared->info.timeline = RecoveryInProgress() ? 0 :
		GetWALInsertionTimeLine();
	shared->info.waits_since = 0;
	LWLockRelease(&lock->lock);
}

void
rtc_relay_stopped(void)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->info.pid = 0;
	shared->info.state = RTC_RELAY_STOPPED;
	shared->info.connected_at = 0;
	shared->info.waits_since = 0;
	LWLockRelease(&lock->lock);
	rtc_redis_lost();
	rtc_queue_set_down(true);
}

RtcRelayState
rtc_relay_get_state(void)
{
	return shared->info.state;
}

void
rtc_relay_set_state(RtcRelayState new_state)
{
	if (shared->info.state == new_state)
		return;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->info.state = new_state;
	if (new_state == RTC_RELAY_CONNECTING || new_state == RTC_RELAY_OFF ||
		new_state == RTC_RELAY_FENCED)
		shared->info.connected_at = 0;
	LWLockRelease(&lock->lock);
	if (shared->info.connected_at == 0)
		rtc_redis_lost();

	/* while it replays or clears it counts as down: it may lose Redis again */
	switch (new_state)
	{
		case RTC_RELAY_STOPPED:
		case RTC_RELAY_STANDBY:
		case RTC_RELAY_OFF:
		case RTC_RELAY_CONNECTING:
		case RTC_RELAY_FENCED:
			rtc_queue_set_down(true);
			break;
		case RTC_RELAY_REPLAYING:
		case RTC_RELAY_CLEARING:
			break;
		case RTC_RELAY_DRAINING:
		case RTC_RELAY_FULL:
		case RTC_RELAY_STREAMING:
			rtc_queue_set_down(false);
			break;
	}
}

void
rtc_relay_connected(const char *address)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->info.connected_at = GetCurrentTimestamp();
	shared->info.timeline = RecoveryInProgress() ? 0 :
		GetWALInsertionTimeLine();
	LWLockRelease(&lock->lock);
	rtc_redis_connected(address, rtc_redis_url_hash());
}

void
rtc_relay_lost(void)
{
	rtc_redis_lost();
	if (shared->info.connected_at == 0)
		return;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->info.connected_at = 0;
	LWLockRelease(&lock->lock);
}

void
rtc_relay_last_commit(TimestampTz commit_time)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->info.last_commit_at = commit_time;
	LWLockRelease(&lock->lock);
}

void
rtc_relay_waits(int64 ms)
{
	if ((shared->info.waits_since == 0) == (ms == 0))
		return;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->info.waits_since = ms == 0 ? 0 : rtc_clock_ms() - ms;
	LWLockRelease(&lock->lock);
}

void
rtc_relay_note_error(const char *text)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	strlcpy(shared->info.last_error, text, RTC_ERROR_LEN);
	shared->info.last_error_at = GetCurrentTimestamp();
	LWLockRelease(&lock->lock);
}

bool
rtc_relay_note_slot(const char *problem)
{
	return note(shared->info.slot_problem, RTC_ERROR_LEN, problem);
}

bool
rtc_relay_note_policy(const char *policy)
{
	return note(shared->info.policy, RTC_POLICY_LEN, policy);
}

void
rtc_relay_report_jobs(const RtcJobInfo *job, int njobs)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->njobs = njobs;
	memcpy(shared->job, job, njobs * sizeof(RtcJobInfo));
	LWLockRelease(&lock->lock);
}

void
rtc_relay_report_sweep(const RtcJobInfo *sweep)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->sweeping = sweep != NULL;
	if (sweep != NULL)
		shared->sweep = *sweep;
	LWLockRelease(&lock->lock);
}

int
rtc_relay_get_jobs(RtcJobInfo job[RTC_MAX_JOBS + 1])
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

/* Shares a text; true if that is news. */
static bool
note(char *place, size_t size, const char *text)
{
	if (strcmp(place, text) == 0)
		return false;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	strlcpy(place, text, size);
	LWLockRelease(&lock->lock);
	return true;
}
