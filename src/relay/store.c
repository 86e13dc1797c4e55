/*-------------------------------------------------------------------------
 *
 * store.c
 *		The batch on its way to Redis, and the position with it.
 *
 * The position names the record of WAL that ends where it stands (the mark), by
 * its CRC.  LSNs alone do not tell a data directory that was put back from a
 * snapshot of its storage: it goes on within the same timeline, and its WAL may
 * have got beyond the position before Redis is looked at again.  With another
 * record in that place what Redis holds is cleared.  WAL is not kept for the mark:
 * it may begin in the segment before that in which reading goes on.
 *
 * Model: used by stream.c, apply.c and clear.c, in the relay.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/condition_variable.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/inject.h"
#include "redis/conn.h"
#include "redis/trust.h"
#include "relay/status.h"
#include "relay/stream.h"
#include "relay/stream_internal.h"
#include "relay/suspect.h"
#include "wal/queue.h"

static void suspect(void);

void
rtc_stream_mark(void)
{
	RtcWalMark	mark = {InvalidXLogRecPtr};

	/* a replay has to get to where the last one was first */
	rtc_wal_reader_mark(rtc_stream.reader, &mark);
	if (mark.lsn > rtc_stream.pos.mark.lsn)
		rtc_stream.pos.mark = mark;
}

/*
 * Applies the batch, empty or not, and the position behind it.
 *
 * What the position says of itself is true of the last one that was checked:
 * its restart_lsn goes with its verified_lsn.
 */
bool
rtc_stream_store(void)
{
	MemoryContext old = MemoryContextSwitchTo(rtc_stream.replies);
	RtcPosition next;
	RtcBatchResult result;

	MemoryContextReset(rtc_stream.replies);

	/* an idle position moves on with WAL, over what is not for us */
	if (rtc_batch_ops(rtc_stream.batch) == 0 && rtc_stream.announced &&
		!rtc_stream.have_event)
		rtc_stream.done_lsn = Max(rtc_stream.done_lsn,
								  rtc_wal_reader_lsn(rtc_stream.reader));
	if (rtc_stream.done_lsn >= rtc_wal_reader_lsn(rtc_stream.reader))
		rtc_stream_mark();
	next = rtc_stream.pos;
	next.lsn = Max(rtc_stream.done_lsn, rtc_stream.pos.lsn);

	/* there is no reply to wait for if nothing is sent */
	if (rtc_batch_ops(rtc_stream.batch) == 0 &&
		rtc_stream.done_lsn > next.verified_lsn)
	{
		next.verified_lsn = rtc_stream.done_lsn;
		next.restart_lsn = rtc_wal_reader_restart(rtc_stream.reader);
	}

	result = rtc_batch_execute(rtc_stream.batch, rtc_stream.conn, &next);
	MemoryContextSwitchTo(old);
	if (result == RTC_BATCH_FULL)
		return rtc_stream_delete_instead();
	if (result == RTC_BATCH_FAILED)
		suspect();
	if (result != RTC_BATCH_APPLIED)
		return rtc_stream_down();
	rtc_stream.full = false;

	strlcpy(rtc_stream.pos.held_by, rtc_stream.pos.owner,
			sizeof(rtc_stream.pos.held_by));
	rtc_stream.pos.lsn = next.lsn;
	if (rtc_stream.done_lsn > rtc_stream.pos.verified_lsn)
	{
		rtc_stream.pos.verified_lsn = rtc_stream.done_lsn;
		rtc_stream.pos.restart_lsn = rtc_wal_reader_restart(rtc_stream.reader);
	}
	rtc_suspect_applied(rtc_stream.batch, rtc_stream.pos.verified_lsn);
	if (rtc_batch_ops(rtc_stream.batch) > 0)
		rtc_stream.proven = true;
	RTC_INJECT("applied");
	rtc_stream.stored_ms = rtc_clock_ms();
	rtc_stream.told_lsn = next.verified_lsn;
	if (rtc_redis_set_stored(rtc_stream.pos.lsn))
		rtc_queue_broadcast();
	return true;
}

/*
 * Redis is out of memory: deletes the keys of the batch.
 */
bool
rtc_stream_delete_instead(void)
{
	MemoryContext old = MemoryContextSwitchTo(rtc_stream.replies);
	RtcConnResult result;

	rtc_redis_close();
	if (!rtc_stream.full)
		ereport(WARNING,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("Redis is out of memory"),
				 errdetail("Until it accepts writes again, keys are deleted instead of written, and lookups do without it."),
				 errhint("Raise \"maxmemory\" of Redis or choose a \"maxmemory-policy\" of volatile-*.")));
	rtc_stream.full = true;
	rtc_stream.announced = false;
	rtc_relay_set_state(RTC_RELAY_FULL);
	result = rtc_batch_unlink(rtc_stream.batch, rtc_stream.conn);
	MemoryContextSwitchTo(old);
	if (result != RTC_CONN_OK)
	{
		suspect();
		return rtc_stream_down();
	}
	rtc_stream.stored_ms = rtc_clock_ms();
	return true;
}

/*
 * A batch was not applied.  The connection was good: each begins by storing the
 * position.
 */
static void
suspect(void)
{
	if (rtc_batch_ops(rtc_stream.batch) > 0)
		rtc_suspect_failed(rtc_stream.batch, rtc_stream.batch_lsn,
						   rtc_conn_error(rtc_stream.conn));
}
