/*-------------------------------------------------------------------------
 *
 * clear.c
 *		Clearing Redis: when what it holds cannot be repaired.
 *
 * A clear starts reading at LSN S.  Transactions that are running at S may have
 * written messages before it, which are never seen.  So until all of them are
 * over (the horizon, an xid), SETs are applied as DELs, and lookups stay away:
 * Redis holds nothing of ours that could be stale.
 *
 * The position is taken before anything is deleted, with the horizon in it.  If
 * the relay is cut off, it says that the clear is not over.  If it was another
 * server's, the sessions of that one can fill no more: they could fill behind the
 * deletion what they read there.
 *
 * Model: used by apply.c and stream.c, in the relay.  Redis trouble is a
 * result.
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
#include "relay/clear.h"
#include "relay/prefix.h"
#include "relay/status.h"
#include "relay/store.h"
#include "stats.h"

static bool claim(RtcStream *s);
static bool delete_all(RtcStream *s, uint64 *deleted);

bool
rtc_clear(RtcStream *s, const char *reason)
{
	uint64		deleted = 0;
	XLogRecPtr	start;

	s->cleared = 0;
	s->announced = false;
	s->have_event = false;
	rtc_redis_close();
	rtc_relay_set_state(RTC_RELAY_CLEARING);
	/* who goes on with one has said so */
	ereport(s->same && s->pos.at.horizon != 0 ? DEBUG1 : LOG,
			(errmsg("clearing the cache in Redis: %s", reason)));

	/* all that commits from here on is seen, but maybe not all its messages */
	start = rtc_wal_insert_end();
	pg_memory_barrier();
	rtc_progress_clear(&s->progress,
					   U64FromFullTransactionId(ReadNextFullTransactionId()));
	XLogFlush(start);

	RTC_INJECT("clear_begins");

	rtc_position_claim(&s->pos);
	rtc_progress_tell(&s->progress, true, InvalidXLogRecPtr, &s->pos.at);
	rtc_batch_reset(s->batch);
	if (!claim(s))
		return false;
	RTC_INJECT("clear_claimed");
	if (!delete_all(s, &deleted))
		return false;
	RTC_INJECT("clear_deleted");
	rtc_prefix_adopt(&s->pos, !s->pos.found, false);
	rtc_position_claim(&s->pos);
	s->pos.found = true;
	rtc_progress_cleared(&s->progress, start);
	rtc_wal_reader_seek(s->reader, start);
	if (!rtc_store_position(s))
		return false;

	s->cleared = s->full ? 0 : s->progress.horizon;
	RTC_INJECT("clear_stored");
	rtc_stat_inc(RTC_STAT_CLEARS);
	ereport(LOG,
			(errmsg("cleared the cache in Redis: %llu keys deleted, starting at %X/%X",
					(unsigned long long) deleted, LSN_FORMAT_ARGS(start))));
	rtc_relay_set_state(RTC_RELAY_DRAINING);
	rtc_relay_connected(rtc_conn_peer(s->conn));
	return true;
}

bool
rtc_clear_check_drained(RtcStream *s)
{
	RtcProgress *p = &s->progress;
	FullTransactionId horizon = FullTransactionIdFromU64(p->horizon);

	if (p->horizon == 0)
		return true;
	if (!p->horizon_passed)
	{
		TransactionId oldest = GetOldestActiveTransactionId_compat();
		XLogRecPtr	end;

		if (TransactionIdPrecedes(oldest, XidFromFullTransactionId(horizon)))
			return true;
		end = rtc_wal_insert_end();
		XLogFlush(end);
		rtc_progress_pass_horizon(p, end);
	}
	if (!rtc_progress_is_drained(p))
		return true;
	rtc_progress_drained(p);
	RTC_INJECT("clear_drained");
	if (!rtc_store_position(s))
		return false;
	rtc_jobs_end_clear(s->jobs);
	return true;
}

/*
 * Deletes all that is ours.  That may take long, so the position is stored now
 * and then, for others to see that this server is alive.
 */
static bool
delete_all(RtcStream *s, uint64 *deleted)
{
	RtcJobResult result;

	while ((result = rtc_jobs_clear_all(s->jobs, &s->pos, deleted)) ==
		   RTC_JOB_LATER)
		if (rtc_clock_ms() - s->stored_ms >= RTC_HEARTBEAT_MS && !claim(s))
			return false;
	return result == RTC_JOB_DONE || rtc_stream_down(s);
}

/* Stores the position as one that is not cleared. */
static bool
claim(RtcStream *s)
{
	RtcExecResult result = rtc_batch_execute(s->batch, s->conn, &s->pos);

	s->stored_ms = rtc_clock_ms();
	return result == RTC_EXEC_DONE || result == RTC_EXEC_FULL ||
		rtc_stream_down(s);
}
