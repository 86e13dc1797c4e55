/*-------------------------------------------------------------------------
 *
 * queue.c
 *		The queue from those who write to the relay: what both share of it.
 *
 * The queue itself is WAL (message.c writes, reader.c reads).  Here is what
 * each end has to know of the other, with both ends of it on one page:
 *
 *		on			Do ops go to WAL?  A writer gets its xid first and asks
 *					second; the relay turns the queue on first and reads the
 *					next xid second.  So a transaction that found it off is
 *					older than the horizon of whoever clears.
 *		gap_logged	A gap message is in WAL: ops were not queued.  A writer
 *					sets it behind the message, so that who sees it set has
 *					the message in front of his own commit record.  The relay
 *					takes it down before it turns the queue off.
 *		omitted_lsn	End of the message since which TAG ops may be missing that
 *					nobody was interested in; 0 = none is.
 *		wake_lsn	Newest LSN that Redis is to know of.  The relay polls for
 *					its flush.  A writer raises it first and wakes second.
 *		lingers		The relay lets commits collect.  It sets the flag first
 *					and looks at WAL second; a writer has written WAL first
 *					and asks second.
 *		read_lsn	WAL is read up to here.  The relay's.
 *		applied_lsn	Redis has every commit up to here.  The relay's.
 *		down_since	Monotonic ms since when the relay has not been at work on
 *					Redis; 0 = it is.  The relay's.
 *
 * Model: atomics in shared memory, no lock.  What is called at COMMIT
 * allocates nothing and raises nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/relay_latch.h"
#include "compat.h"
#include "guc.h"
#include "wal/message.h"
#include "wal/queue.h"

/* See above for who writes what. */
typedef struct RtcQueue
{
	pg_atomic_uint32 on;
	pg_atomic_uint32 gap_logged;
	pg_atomic_uint32 lingers;
	pg_atomic_uint64 omitted_lsn;
	pg_atomic_uint64 wake_lsn;
	pg_atomic_uint64 read_lsn;
	pg_atomic_uint64 applied_lsn;
	pg_atomic_uint64 down_since;
	ConditionVariable moved;
} RtcQueue;

static RtcQueue *shared = NULL;

static void
init(void)
{
	/* from the first write on, ops are logged if there is a Redis */
	pg_atomic_init_u32(&shared->on, RtcRedisConfigured() ? 1 : 0);
	pg_atomic_init_u32(&shared->gap_logged, 0);
	pg_atomic_init_u32(&shared->lingers, 0);
	pg_atomic_init_u64(&shared->omitted_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&shared->wake_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&shared->read_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&shared->applied_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&shared->down_since, (uint64) rtc_clock_ms());
	ConditionVariableInit(&shared->moved);
}

const RtcSharedRoom rtc_queue_room = {
	.name = "rtcache_queue",
	.place = &shared,
	.size = sizeof(RtcQueue),
	.init = init
};

/* ---------------- writers ---------------- */

bool
rtc_queue_is_on(void)
{
	if (!rtc_preloaded)
		return RtcRedisConfigured();
	/* the caller's xid comes first and the question second */
	pg_memory_barrier();
	return pg_atomic_read_u32(&shared->on) != 0;
}

void
rtc_queue_gap(void)
{
	static bool logged = false; /* when not preloaded */

	if (rtc_preloaded ? pg_atomic_read_u32(&shared->gap_logged) != 0 : logged)
		return;
	rtc_message_write_gap();
	if (rtc_preloaded)
		pg_atomic_write_u32(&shared->gap_logged, 1);
	logged = true;
}

void
rtc_queue_omit(void)
{
	XLogRecPtr	end;

	if (pg_atomic_read_u64(&shared->omitted_lsn) == InvalidXLogRecPtr)
	{
		RTC_INJECT("mark_begins");
		end = rtc_message_write_omitted();
		pg_atomic_write_u64(&shared->omitted_lsn, end);
		rtc_queue_wake(end);
	}
	/* before the caller checks again */
	pg_memory_barrier();
}

XLogRecPtr
rtc_queue_omitted(void)
{
	return pg_atomic_read_u64(&shared->omitted_lsn);
}

void
rtc_queue_wake(XLogRecPtr lsn)
{
	rtc_raise_lsn(&shared->wake_lsn, lsn);
	pg_memory_barrier();
	rtc_wake_relay();
}

void
rtc_queue_commit(XLogRecPtr lsn)
{
	if (!rtc_preloaded)
		return;
	rtc_raise_lsn(&shared->wake_lsn, lsn);
	pg_memory_barrier();
	if (pg_atomic_read_u32(&shared->lingers) == 0)
		rtc_wake_relay();
}

/* ---------------- those who wait ---------------- */

bool
rtc_queue_is_applied(XLogRecPtr lsn)
{
	return pg_atomic_read_u64(&shared->applied_lsn) >= lsn;
}

XLogRecPtr
rtc_queue_applied(void)
{
	return pg_atomic_read_u64(&shared->applied_lsn);
}

XLogRecPtr
rtc_queue_read(void)
{
	return pg_atomic_read_u64(&shared->read_lsn);
}

ConditionVariable *
rtc_queue_moved(void)
{
	return &shared->moved;
}

int64
rtc_queue_down_since(void)
{
	return (int64) pg_atomic_read_u64(&shared->down_since);
}

/* ---------------- the relay ---------------- */

void
rtc_queue_turn_on(void)
{
	pg_atomic_write_u32(&shared->on, 1);
	/* before the caller reads the next xid */
	pg_memory_barrier();
}

bool
rtc_queue_turn_off(void)
{
	if (pg_atomic_read_u32(&shared->on) == 0)
		return false;
	/* so that the first write that finds it off leaves a gap message */
	pg_atomic_write_u32(&shared->gap_logged, 0);
	pg_memory_barrier();
	pg_atomic_write_u32(&shared->on, 0);
	rtc_queue_broadcast();
	return true;
}

void
rtc_queue_set_read(XLogRecPtr lsn)
{
	pg_atomic_write_u64(&shared->read_lsn, lsn);
}

bool
rtc_queue_set_applied(XLogRecPtr lsn)
{
	if (lsn <= pg_atomic_read_u64(&shared->applied_lsn))
		return false;
	pg_atomic_write_u64(&shared->applied_lsn, lsn);
	return true;
}

void
rtc_queue_broadcast(void)
{
	/* who sleeps on it has prepared to, and then looked */
	pg_memory_barrier();
	ConditionVariableBroadcast(&shared->moved);
}

bool
rtc_queue_is_unflushed(void)
{
	return pg_atomic_read_u64(&shared->wake_lsn) > GetFlushRecPtr(NULL);
}

void
rtc_queue_linger(bool lingers)
{
	pg_atomic_write_u32(&shared->lingers, lingers ? 1 : 0);
	pg_memory_barrier();
}

void
rtc_queue_set_down(bool down)
{
	if (!down)
		pg_atomic_write_u64(&shared->down_since, 0);
	else if (pg_atomic_read_u64(&shared->down_since) == 0)
		pg_atomic_write_u64(&shared->down_since, (uint64) rtc_clock_ms());
}
