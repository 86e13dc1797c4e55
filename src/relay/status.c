/*-------------------------------------------------------------------------
 *
 * status.c
 *		What the relay tells about itself.
 *
 * Others see it in the view rtcache_relay; backends need the address and the
 * URL to connect to the same Redis.
 *
 * Model: written by the relay alone, under the lock of RtcShared, and only
 * when something changes.  Raises nothing.
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
#include "redis/session.h"
#include "relay/status.h"

/* What was told last. */
static RtcRelayState state = RTC_RELAY_STOPPED;
static int64 waits_since = 0;

static void note_down(void);

void
rtc_relay_started(void)
{
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	rtc_shared->relay.pid = MyProcPid;
	rtc_shared->relay.timeline = RecoveryInProgress() ? 0 :
		GetWALInsertionTimeLine();
	rtc_shared->relay.waits_since = 0;
	LWLockRelease(rtc_shared->lock);
}

void
rtc_relay_stopped(void)
{
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	rtc_shared->relay.pid = 0;
	rtc_shared->relay.state = RTC_RELAY_STOPPED;
	rtc_shared->relay.connected_at = 0;
	rtc_shared->relay.waits_since = 0;
	LWLockRelease(rtc_shared->lock);
	note_down();
}

RtcRelayState
rtc_relay_get_state(void)
{
	return state;
}

void
rtc_relay_set_state(RtcRelayState new_state)
{
	if (state == new_state)
		return;
	state = new_state;
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	rtc_shared->relay.state = new_state;
	if (new_state == RTC_RELAY_CONNECTING || new_state == RTC_RELAY_OFF ||
		new_state == RTC_RELAY_FENCED)
		rtc_shared->relay.connected_at = 0;
	LWLockRelease(rtc_shared->lock);

	/*
	 * On the way back, while it is still replaying or clearing, the relay
	 * counts as down: it may lose Redis again before it has applied anything.
	 */
	switch (new_state)
	{
		case RTC_RELAY_STOPPED:
		case RTC_RELAY_STANDBY:
		case RTC_RELAY_OFF:
		case RTC_RELAY_CONNECTING:
		case RTC_RELAY_FENCED:
			note_down();
			break;
		case RTC_RELAY_REPLAYING:
		case RTC_RELAY_CLEARING:
			break;
		case RTC_RELAY_DRAINING:
		case RTC_RELAY_FULL:
		case RTC_RELAY_STREAMING:
			pg_atomic_write_u64(&rtc_shared->down_since, 0);
			break;
	}
}

/*
 * Notes since when there is no work done on Redis.
 */
static void
note_down(void)
{
	if (pg_atomic_read_u64(&rtc_shared->down_since) == 0)
		pg_atomic_write_u64(&rtc_shared->down_since,
							(uint64) rtc_clock_ms());
}

/*
 * Tells where Redis is, and that every connection to it has to be verified
 * anew.
 */
void
rtc_relay_connected(const char *address)
{
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	strlcpy(rtc_shared->relay.address, address,
			sizeof(rtc_shared->relay.address));
	rtc_shared->relay.url_hash = rtc_redis_url_hash();
	rtc_shared->relay.connected_at = GetCurrentTimestamp();
	rtc_shared->relay.timeline = RecoveryInProgress() ? 0 :
		GetWALInsertionTimeLine();
	LWLockRelease(rtc_shared->lock);
	pg_atomic_fetch_add_u64(&rtc_shared->server_generation, 1);
}

void
rtc_relay_lost(void)
{
	if (rtc_shared->relay.connected_at == 0)
		return;
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	rtc_shared->relay.connected_at = 0;
	LWLockRelease(rtc_shared->lock);
}

void
rtc_relay_last_commit(TimestampTz commit_time)
{
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	rtc_shared->relay.last_commit_at = commit_time;
	LWLockRelease(rtc_shared->lock);
}

void
rtc_relay_waits(int64 ms)
{
	if ((waits_since == 0) == (ms == 0))
		return;
	waits_since = ms == 0 ? 0 : rtc_clock_ms() - ms;
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	rtc_shared->relay.waits_since = waits_since;
	LWLockRelease(rtc_shared->lock);
}

void
rtc_relay_note_error(const char *text)
{
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	strlcpy(rtc_shared->relay.last_error, text, RTC_ERROR_LEN);
	rtc_shared->relay.last_error_at = GetCurrentTimestamp();
	LWLockRelease(rtc_shared->lock);
}

/*
 * Notes what is wrong with the slot; true if that is news.
 */
bool
rtc_relay_note_slot(const char *problem)
{
	if (strcmp(rtc_shared->relay.slot_problem, problem) == 0)
		return false;
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	strlcpy(rtc_shared->relay.slot_problem, problem, RTC_ERROR_LEN);
	LWLockRelease(rtc_shared->lock);
	return true;
}

bool
rtc_relay_note_policy(const char *policy)
{
	if (strcmp(rtc_shared->relay.policy, policy) == 0)
		return false;
	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	strlcpy(rtc_shared->relay.policy, policy, RTC_POLICY_LEN);
	LWLockRelease(rtc_shared->lock);
	return true;
}
