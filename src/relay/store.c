/*-------------------------------------------------------------------------
 *
 * store.c
 *		The batch on its way to Redis, and the position with it.
 *
 * The position names the record of WAL that ends where it stands (the mark), by
 * its CRC.  LSNs alone do not tell a data directory that was put back from a
 * snapshot of its storage: it goes on within the same timeline, and its WAL may
 * get beyond the position before the relay looks at Redis again.  With another
 * record in that place Redis is cleared.  WAL is not kept for the mark, which may
 * begin in the segment before the one in which reading goes on.
 *
 * A Redis that is out of memory refuses the position, and with it the batch, but
 * it still deletes.  So all keys of the batch are deleted instead, the position
 * stays where it is, and lookups stay away until it is accepted again.  Nothing
 * stale remains, and deleting may make room.
 *
 * Lookups may use Redis when all that was in WAL at the time of connecting has
 * been applied, and no clear is under way.
 *
 * Model: used by clear.c, apply.c and stream.c.  Redis trouble is a result.
 * Replies live in a context that is reset with each batch.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "base/inject.h"
#include "redis/trust.h"
#include "relay/status.h"
#include "relay/store.h"
#include "wal/queue.h"
#include "write/commit_wait.h"

static bool failed(RtcStream *s);

bool
rtc_store_batch(RtcStream *s)
{
	int			nops = s->batch->nops;
	bool		complete = rtc_progress_is_ahead(&s->progress);

	/* a commit that only deleted by pattern moves the position as well */
	if (nops == 0 && !complete)
		return true;
	if (!rtc_store_position(s))
		return false;
	rtc_batch_reset(s->batch);
	rtc_relay_count(1, 0, 0);
	ereport(DEBUG1,
			(errmsg_internal("rtcache: applied %d ops up to %X/%X", nops,
							 LSN_FORMAT_ARGS(s->progress.done))));
	if (!complete)
		return true;
	rtc_store_publish(s, s->progress.done);
	rtc_lag_applied(s->lag);
	return rtc_store_catch_up(s);
}

bool
rtc_store_position(RtcStream *s)
{
	RtcProgress *p = &s->progress;
	bool		has_ops = s->batch->nops > 0;
	XLogRecPtr	restart;
	MemoryContext old = MemoryContextSwitchTo(s->replies);
	RtcExecResult result;

	MemoryContextReset(s->replies);

	/* an idle position moves on with WAL, over what is not for us */
	if (!has_ops && s->announced && !s->have_event)
		rtc_progress_done(p, rtc_wal_reader_lsn(s->reader));
	if (p->done >= rtc_wal_reader_lsn(s->reader))
		rtc_progress_mark(p, rtc_wal_reader_mark(s->reader));
	restart = rtc_wal_reader_restart(s->reader);
	rtc_progress_tell(p, has_ops, restart, &s->pos.at);
	result = rtc_batch_execute(s->batch, s->conn, &s->pos);
	MemoryContextSwitchTo(old);
	if (result == RTC_EXEC_FULL)
		return rtc_store_deletes(s);
	if (result == RTC_EXEC_FAILED)
		return failed(s);
	if (result == RTC_EXEC_LOST)
		return rtc_stream_down(s);

	s->full = false;
	s->proven = s->proven || has_ops;
	s->stored_ms = rtc_clock_ms();
	rtc_progress_stored(p, &s->pos.at, restart);
	rtc_suspect_applied(s->suspect, s->batch, p->stored);
	RTC_INJECT("applied");
	if (rtc_redis_set_stored(p->stored))
		rtc_queue_broadcast();
	return true;
}

bool
rtc_store_deletes(RtcStream *s)
{
	MemoryContext old = MemoryContextSwitchTo(s->replies);
	RtcConnResult result;

	rtc_redis_close();
	if (!s->full)
		ereport(WARNING,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("Redis is out of memory"),
				 errdetail("Until it accepts writes again, keys are deleted instead of written, and lookups do without it."),
				 errhint("Raise \"maxmemory\" of Redis or choose a \"maxmemory-policy\" of volatile-*.")));
	s->full = true;
	s->announced = false;
	rtc_relay_set_state(RTC_RELAY_FULL);
	result = rtc_batch_unlink(s->batch, s->conn);
	MemoryContextSwitchTo(old);
	if (result != RTC_CONN_OK)
		return failed(s);
	s->stored_ms = rtc_clock_ms();
	return true;
}

/* A batch was not applied; the position alone was, on this connection. */
static bool
failed(RtcStream *s)
{
	if (s->batch->nops > 0)
		rtc_suspect_failed(s->suspect, s->batch, rtc_conn_error(s->conn));
	return rtc_stream_down(s);
}

bool
rtc_store_catch_up(RtcStream *s)
{
	RtcProgress *p = &s->progress;
	XLogRecPtr	floor_lsn;

	if (s->full || !rtc_progress_is_caught_up(p))
		return true;

	/* from here on lookups ask for a position that has got there */
	floor_lsn = rtc_progress_floor(p, rtc_wal_reader_lsn(s->reader));
	if (p->stored < floor_lsn)
	{
		rtc_progress_done(p, floor_lsn);
		if (!rtc_store_position(s))
			return false;
		if (s->full)
			return true;
	}
	if (!s->announced)
	{
		/* sessions that were verified on the way have to ask again */
		rtc_redis_new_server();
		ereport(LOG,
				(errmsg("Redis has caught up at %X/%X",
						LSN_FORMAT_ARGS(p->applied)),
				 errdetail("%llu commits were applied on the way.",
						   (unsigned long long) s->replayed)));
		s->announced = true;
		/* from here on lookups store again */
		s->emptied = InvalidOid;
	}
	rtc_redis_set_floor(floor_lsn);
	s->proven = true;
	RTC_INJECT("caught_up");
	rtc_redis_open();
	rtc_relay_set_state(RTC_RELAY_STREAMING);
	return true;
}

void
rtc_store_publish(RtcStream *s, XLogRecPtr lsn)
{
	rtc_progress_applied(&s->progress, lsn);
	if (!rtc_queue_set_applied(lsn))
		return;
	RTC_INJECT("published");
	rtc_queue_broadcast();
	rtc_commit_wait_wake(lsn);
}
