/*-------------------------------------------------------------------------
 *
 * lag.c
 *		The age of the oldest commit that is not applied.
 *
 * The connected relay tells of each commit that it reads.  Between two batches
 * the age is that of the newest commit that was applied: the next one is no older.
 *
 * While Redis is away, the relay looks for the first commit behind what is
 * applied, with a reader of its own.  Shared memory tells where that begins, and
 * after a restart of the server the replication slot.  The slot does not tell
 * where transactions that were prepared before have their ops, so the commit of
 * one counts as if it had some.
 *
 * The moment of the commit is shared on the monotonic clock, so that the age
 * grows evenly when the clock on the wall is set.
 *
 * Model: written by the relay alone; an atomic, no lock.  Raises what reading
 * WAL raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/wal_bounds.h"
#include "relay/lag.h"
#include "relay/status.h"
#include "wal/queue.h"
#include "wal/reader.h"
#include "wal/slot.h"

/* What others see; the relay writes it. */
typedef struct RtcLagShared
{
	pg_atomic_uint64 behind_since;	/* rtc_clock_ms() when the oldest commit
									 * that is not applied was made; 0 = there
									 * is none */
	pg_atomic_uint64 restart_lsn;	/* where to look for it while Redis is
									 * away; 0 = not known */
} RtcLagShared;

static RtcLagShared *shared = NULL;

struct RtcLag
{
	bool		is_applied;		/* is the commit that was published applied,
								 * or none of our business? */
	TimestampTz newest;			/* commit time of the last commit read; 0 =
								 * none since WAL was read to its end */

	/* the search while Redis is away */
	RtcWalReader *reader;
	bool		looking;		/* it has begun */
	bool		by_slot;		/* where the slot says */
	XLogRecPtr	skip_lsn;		/* commits up to here are applied */
};

static void publish(TimestampTz commit_time);
static void begin_look(RtcLag *lag);

static void
init(void)
{
	pg_atomic_init_u64(&shared->behind_since, 0);
	pg_atomic_init_u64(&shared->restart_lsn, InvalidXLogRecPtr);
}

const RtcSharedRoom rtc_lag_room = {
	.name = "rtcache_lag",
	.place = &shared,
	.size = sizeof(RtcLagShared),
	.init = init
};

RtcLag *
rtc_lag_create(void)
{
	RtcLag	   *lag = palloc0(sizeof(RtcLag));

	lag->is_applied = true;
	lag->reader = rtc_wal_reader_create();
	return lag;
}

int64
rtc_lag_ms(void)
{
	int64		since = (int64) pg_atomic_read_u64(&shared->behind_since);

	return since == 0 ? 0 : rtc_clock_ms() - since;
}

void
rtc_lag_commit(RtcLag *lag, TimestampTz commit_time)
{
	lag->newest = commit_time;
	if (lag->is_applied)
		publish(commit_time);
	lag->is_applied = false;
}

void
rtc_lag_applied(RtcLag *lag)
{
	if (!lag->is_applied)
		publish(lag->newest);
	lag->is_applied = true;
}

void
rtc_lag_none(RtcLag *lag)
{
	lag->is_applied = true;
	if (lag->newest != 0)
		rtc_relay_last_commit(lag->newest);
	lag->newest = 0;
	if (pg_atomic_read_u64(&shared->behind_since) != 0)
		pg_atomic_write_u64(&shared->behind_since, 0);
}

void
rtc_lag_keep(XLogRecPtr restart)
{
	pg_atomic_write_u64(&shared->restart_lsn, restart);
}

void
rtc_lag_connected(RtcLag *lag)
{
	lag->is_applied = true;
	lag->looking = false;
}

bool
rtc_lag_look(RtcLag *lag)
{
	RtcWalEvent event;

	if (!lag->is_applied)
		return false;
	if (!lag->looking)
		begin_look(lag);
	rtc_wal_reader_next(lag->reader, &event);
	switch (event.kind)
	{
		case RTC_WAL_COMMIT:
			rtc_wal_reader_done(lag->reader);
			if (event.lsn > lag->skip_lsn)
				rtc_lag_commit(lag, event.commit_time);
			return true;

		case RTC_WAL_SETTLED:
			/* an abort has no time */
			if (lag->by_slot && event.commit_time != 0)
				rtc_lag_commit(lag, event.commit_time);
			return true;

		case RTC_WAL_GAP:
		case RTC_WAL_OMITTED:
		case RTC_WAL_PAUSE:
			return true;

		case RTC_WAL_END:
			pg_atomic_write_u64(&shared->behind_since, 0);
			return false;

		case RTC_WAL_GONE:
			/* go on behind the hole; Redis will be cleared */
			rtc_wal_reader_seek(lag->reader, rtc_wal_insert_end());
			return false;
	}
	return false;
}

/* Goes to where the search begins: to the end of WAL if nothing is known. */
static void
begin_look(RtcLag *lag)
{
	XLogRecPtr	applied = rtc_queue_applied();
	XLogRecPtr	restart = pg_atomic_read_u64(&shared->restart_lsn);

	lag->by_slot = XLogRecPtrIsInvalid(restart);
	if (lag->by_slot)
		restart = rtc_slot_applied();
	if (XLogRecPtrIsInvalid(restart))
		restart = rtc_wal_insert_end();
	lag->skip_lsn = Max(applied, restart);
	rtc_wal_reader_seek(lag->reader, restart);
	lag->looking = true;
}

static void
publish(TimestampTz commit_time)
{
	/* 0 if it is in the future */
	int64		age = TimestampDifferenceMilliseconds(commit_time,
													  GetCurrentTimestamp());

	pg_atomic_write_u64(&shared->behind_since,
						(uint64) (rtc_clock_ms() - age));
}
