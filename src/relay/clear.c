/*-------------------------------------------------------------------------
 *
 * clear.c
 *		Clearing Redis: when what it holds cannot be repaired.
 *
 * A clear starts reading at LSN S, but transactions that are running at S may
 * have written messages before it, which are never seen.  So until all of
 * them are over (the horizon, an xid), each SET is applied as a DEL, and
 * lookups stay away: Redis holds nothing of ours that could be stale.
 *
 * The position is taken before anything is deleted, with the horizon in it.
 * It says that the clear is not over, should we be cut off; and if it was
 * another server's, the sessions of that one can fill no more.
 *
 * Model: used by stream.c and apply.c, in the relay.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "storage/procarray.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/wal_bounds.h"
#include "compat.h"
#include "redis/trust.h"
#include "relay/jobs.h"
#include "relay/prefix.h"
#include "relay/status.h"
#include "relay/stream.h"
#include "relay/stream_internal.h"
#include "stats.h"

/* The position in Redis is the one from which reading began after a clear. */
static bool begun_at_end = false;

static bool tell_alive(void);

/*
 * Deletes all that is ours and starts at the end of WAL.
 */
bool
rtc_stream_clear(const char *reason)
{
	uint64		deleted = 0;
	XLogRecPtr	start;
	RtcBatchResult result;

	begun_at_end = false;
	rtc_redis_close();
	rtc_relay_set_state(RTC_RELAY_CLEARING);
	ereport(rtc_jobs_are_clearing() ? DEBUG1 : LOG,
			(errmsg("clearing the cache in Redis: %s", reason)));

	/* all that commits from here on is seen, but maybe not all its messages */
	start = rtc_wal_insert_end();
	pg_memory_barrier();
	rtc_stream.pos.horizon = U64FromFullTransactionId(ReadNextFullTransactionId());
	XLogFlush(start);

	RTC_INJECT("clear_begins");

	/*
	 * Take the position first, as one that is not cleared: if it was another
	 * server's, its sessions could fill behind us what they read there.
	 */
	rtc_position_claim(&rtc_stream.pos);
	rtc_batch_reset(rtc_stream.batch);
	result = rtc_batch_execute(rtc_stream.batch, rtc_stream.conn,
							   &rtc_stream.pos);
	if (result != RTC_BATCH_APPLIED && result != RTC_BATCH_FULL)
		return rtc_stream_down();
	if (result == RTC_BATCH_APPLIED)
		strlcpy(rtc_stream.pos.held_by, rtc_stream.pos.owner,
				sizeof(rtc_stream.pos.held_by));

	RTC_INJECT("clear_claimed");
	rtc_stream.stored_ms = rtc_clock_ms();
	if (rtc_jobs_clear_all(rtc_stream.conn, &rtc_stream.pos, tell_alive,
						   &deleted) != RTC_JOB_DONE)
		return rtc_stream_down();
	RTC_INJECT("clear_deleted");
	rtc_prefix_adopt(&rtc_stream.pos, !rtc_stream.pos.found, false);
	rtc_position_claim(&rtc_stream.pos);
	rtc_stream.pos.found = true;
	rtc_stream.pos.lsn = start;
	rtc_stream.pos.verified_lsn = start;
	rtc_stream.pos.restart_lsn = start;
	rtc_stream.pos.commit_lsn = start;
	rtc_stream.pos.mark.lsn = InvalidXLogRecPtr;
	rtc_stream.skip_lsn = start;
	rtc_stream.done_lsn = start;
	rtc_stream.target_lsn = start;
	rtc_stream.seen_lsn = InvalidXLogRecPtr;
	rtc_stream.drained_lsn = InvalidXLogRecPtr;
	rtc_stream.have_event = false;
	rtc_batch_reset(rtc_stream.batch);
	rtc_wal_reader_seek(rtc_stream.reader, start);
	if (!rtc_stream_store())
		return false;

	begun_at_end = !rtc_stream.full;
	RTC_INJECT("clear_stored");
	rtc_stat_inc(RTC_STAT_CLEARS);
	ereport(LOG,
			(errmsg("cleared the cache in Redis: %llu keys deleted, starting at %X/%X",
					(unsigned long long) deleted, LSN_FORMAT_ARGS(start))));
	rtc_stream.announced = false;
	rtc_relay_set_state(RTC_RELAY_DRAINING);
	rtc_relay_connected(rtc_conn_peer(rtc_stream.conn));
	return true;
}

bool
rtc_stream_has_cleared(const RtcPosition *pos)
{
	return begun_at_end && rtc_stream.same && pos->horizon != 0 &&
		pos->horizon == rtc_stream.pos.horizon && rtc_jobs_have_cleared();
}

/*
 * A clear may take long: others should see that we are at it.
 */
static bool
tell_alive(void)
{
	if (rtc_clock_ms() - rtc_stream.stored_ms < RTC_HEARTBEAT_MS)
		return true;
	rtc_stream.stored_ms = rtc_clock_ms();
	switch (rtc_batch_execute(rtc_stream.batch, rtc_stream.conn,
							  &rtc_stream.pos))
	{
		case RTC_BATCH_APPLIED:
		case RTC_BATCH_FULL:
			return true;
		case RTC_BATCH_FAILED:
		case RTC_BATCH_LOST:
			break;
	}
	return false;
}

/*
 * After a clear: are all transactions from before it over, and has all that
 * they wrote been read?  Then SETs may be applied again.
 */
bool
rtc_stream_check_drained(void)
{
	FullTransactionId horizon = FullTransactionIdFromU64(rtc_stream.pos.horizon);

	if (rtc_stream.pos.horizon == 0)
		return true;
	if (XLogRecPtrIsInvalid(rtc_stream.drained_lsn))
	{
		TransactionId oldest = GetOldestActiveTransactionId_compat();

		if (TransactionIdPrecedes(oldest, XidFromFullTransactionId(horizon)))
			return true;
		rtc_stream.drained_lsn = rtc_wal_insert_end();
		XLogFlush(rtc_stream.drained_lsn);
	}
	if (rtc_stream.seen_lsn < rtc_stream.drained_lsn)
		return true;
	rtc_stream.pos.horizon = 0;
	RTC_INJECT("clear_drained");
	if (!rtc_stream_store())
		return false;
	rtc_jobs_end_clear();
	return true;
}
