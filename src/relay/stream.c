/*-------------------------------------------------------------------------
 *
 * stream.c
 *		The relay's work on one Redis: connect, repair, apply.
 *
 * After connecting, the position found in Redis decides (decision.c):
 *
 *		resume	read WAL again from the position's restart_lsn, apply what
 *				committed behind verified_lsn
 *		clear	delete all that is ours, start at the end of WAL (clear.c)
 *		fenced	leave it alone
 *
 * Until a clear is finished, SETs are applied as DELs, and lookups do not use
 * Redis.
 *
 * A commit is applied when it is flushed (the reader sees to that) and visible
 * (the stream waits for that).  Earlier, a reader could miss the new row, and fill
 * the old value behind the DEL.
 *
 * Model: the relay alone, without transaction or database.  Any trouble with
 * Redis ends in "down".  Damaged WAL and termination raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/wal_bounds.h"
#include "base/xid.h"
#include "dep/stamps.h"
#include "redis/connect.h"
#include "redis/trust.h"
#include "relay/apply.h"
#include "relay/clear.h"
#include "relay/prefix.h"
#include "relay/inbox_watch.h"
#include "relay/redis_info.h"
#include "relay/status.h"
#include "relay/store.h"
#include "relay/stream.h"
#include "relay/decision.h"
#include "wal/queue.h"

/* How soon a position that Redis had no memory for is tried again. */
#define RETRY_MS		1000

static bool look(RtcStream *s, char *id, RtcPosition *pos);
static RtcDecision decide(RtcStream *s, char *reason, size_t size);
static bool start_resume(RtcStream *s);
static bool chores(RtcStream *s);
static RtcStreamResult handle_event(RtcStream *s, bool *done);
static RtcStreamResult handle_commit(RtcStream *s);
static RtcStreamResult handle_end(RtcStream *s);
static RtcStreamResult clear(RtcStream *s, const char *reason);
static bool heartbeat(RtcStream *s, bool *beaten);
static bool look_for_evictions(RtcStream *s);

bool
rtc_stream_connect(RtcStream *s)
{
	MemoryContext old;
	char		reason[RTC_ERROR_LEN];
	char		id[RTC_REDIS_ID_LEN];
	RtcPosition pos;
	bool		good = false;

	rtc_stream_disconnect(s);
	MemoryContextReset(s->work);
	old = MemoryContextSwitchTo(s->work);
	if (look(s, id, &pos))
	{
		/* only now: a look that fails must not be all that tells of a change */
		s->same = rtc_jobs_settle(s->jobs, id, &pos);
		if (!s->same)
			s->cleared = 0;
		rtc_sweep_restart(s->sweep);
		rtc_batch_reset(s->batch);
		rtc_progress_resume(&s->progress, &pos.at, rtc_wal_insert_end());
		s->pos = pos;
		s->have_event = false;
		s->full = false;
		s->announced = false;
		s->proven = false;
		s->replayed = 0;
		s->emptied = InvalidOid;
		s->error[0] = '\0';
		switch (decide(s, reason, sizeof(reason)))
		{
			case RTC_DECIDE_RESUME:
				good = start_resume(s);
				break;
			case RTC_DECIDE_CLEAR:
				good = rtc_clear(s, reason);
				break;
			case RTC_DECIDE_FENCED:
				rtc_stream_fail(s, reason);
				rtc_relay_set_state(RTC_RELAY_FENCED);
				break;
		}
	}
	else
		rtc_stream_down(s);
	/* before lookups are let in: it may not be the Redis that they knew */
	if (good)
		rtc_redis_note_loss();
	/* the list of prefixes was needed only here */
	s->pos.prefix = NULL;
	s->pos.prefix_dboid = NULL;
	s->pos.prefix_closed = NULL;
	s->pos.nprefixes = 0;
	MemoryContextSwitchTo(old);
	return good;
}

bool
rtc_stream_is_connected(const RtcStream *s)
{
	return rtc_conn_is_open(s->conn);
}

RtcStreamResult
rtc_stream_work(RtcStream *s)
{
	MemoryContext old;
	RtcStreamResult result = RTC_STREAM_MORE;
	bool		done = false;

	MemoryContextReset(s->work);
	old = MemoryContextSwitchTo(s->work);
	if (!chores(s))
		result = RTC_STREAM_DOWN;
	while (result == RTC_STREAM_MORE && !done)
	{
		CHECK_FOR_INTERRUPTS();
		if (!s->have_event)
		{
			rtc_wal_reader_next(s->reader, &s->event);
			s->have_event = true;
			rtc_queue_set_read(rtc_wal_reader_lsn(s->reader));
		}
		result = handle_event(s, &done);
	}
	if ((result == RTC_STREAM_IDLE || result == RTC_STREAM_LINGER) &&
		rtc_jobs_wait(s->jobs) && !s->full)
		result = RTC_STREAM_MORE;
	MemoryContextSwitchTo(old);
	return result;
}

/* Standbys compare the position with WAL that is not for Redis, too. */
bool
rtc_stream_is_untold(const RtcStream *s)
{
	return s->announced && !s->have_event &&
		rtc_progress_is_untold(&s->progress);
}

XLogRecPtr
rtc_stream_restart(const RtcStream *s)
{
	return rtc_stream_is_connected(s) ? s->progress.restart : InvalidXLogRecPtr;
}

void
rtc_stream_fall_behind(RtcStream *s)
{
	rtc_redis_close();
	rtc_progress_aim(&s->progress, rtc_wal_insert_end());
	XLogFlush(s->progress.target);
}

/* ---------------- starting ---------------- */

/* Connects, and finds out which Redis it is and where it stands. */
static bool
look(RtcStream *s, char *id, RtcPosition *pos)
{
	return rtc_conn_open(s->conn, NULL) == RTC_CONN_OK &&
		rtc_position_load(s->conn, &s->memory, pos) == RTC_CONN_OK &&
		rtc_position_succeed(s->conn, &s->memory, pos) == RTC_CONN_OK &&
		rtc_prefix_forget_lost(s->conn, pos) == RTC_CONN_OK &&
		rtc_redis_id(s->conn, id) &&
		rtc_redis_ask_evicted(s->conn, &s->evicted) == RTC_CONN_OK &&
		rtc_redis_ask_policy(s->conn) == RTC_CONN_OK;
}

/*
 * Decides what to do with Redis; the reason is a clause for the log.  WAL is looked
 * at only if nothing else decides.
 */
static RtcDecision
decide(RtcStream *s, char *reason, size_t size)
{
	const RtcPosition *pos = &s->pos;
	RtcOurs		ours;
	int			facts;
	RtcDecision decision;

	ours.timeline = GetWALInsertionTimeLine();
	rtc_position_history(pos, &ours.begin, &ours.end);
	ours.owner = rtc_position_owner();
	ours.key_id = rtc_seal_key_id();
	ours.alive = rtc_position_is_alive(&s->memory, pos);
	ours.cleared = s->cleared != 0 && pos->at.horizon == s->cleared;
	facts = rtc_decision_facts(pos, &ours);
	decision = rtc_decide(facts, pos, reason, size);
	if (decision != RTC_DECIDE_RESUME)
		return decision;

	if (!rtc_wal_available(pos->at.restart_lsn))
		facts |= RTC_FACT_WAL_GONE;
	else if (!XLogRecPtrIsInvalid(pos->at.mark.lsn) &&
			 !rtc_wal_reader_has(s->reader, &pos->at.mark))
		facts |= RTC_FACT_WAL_OTHER;
	return rtc_decide(facts, pos, reason, size);
}

/* Goes back to where Redis stands. */
static bool
start_resume(RtcStream *s)
{
	XLogRecPtr	end = s->progress.target;

	/* lookups wait until all of this is applied, which takes its flush */
	XLogFlush(end);

	ereport(s->suspect->searching && s->same ? DEBUG1 : LOG,
			(errmsg("connected to Redis, which stands at %X/%X on timeline %u",
					LSN_FORMAT_ARGS(s->pos.at.lsn), s->pos.timeline),
			 errdetail("Reading WAL again from %X/%X; WAL ends at %X/%X.%s",
					   LSN_FORMAT_ARGS(s->progress.restart),
					   LSN_FORMAT_ARGS(end),
					   s->pos.at.lsn < rtc_redis_stored()
					   ? " Redis has lost writes, which are applied again."
					   : "")));
	rtc_prefix_adopt(&s->pos, false, s->same);
	rtc_position_claim(&s->pos);
	RTC_INJECT("resume_begins");
	rtc_wal_reader_seek(s->reader, s->progress.restart);
	rtc_relay_set_state(s->progress.horizon != 0 ? RTC_RELAY_DRAINING :
						RTC_RELAY_REPLAYING);
	if (!rtc_store_position(s))
		return false;
	rtc_relay_connected(rtc_conn_peer(s->conn));
	return true;
}

/* ---------------- working ---------------- */

/* Does what has to be done between two batches.  False = the stream is down. */
static bool
chores(RtcStream *s)
{
	bool		prunes = rtc_clock_ms() - s->pruned_ms >= RTC_HEARTBEAT_MS;

	/* as long as nothing is sent, nothing else tells that Redis hung up */
	if (!rtc_conn_check(s->conn))
		return rtc_stream_down(s);
	if (!rtc_clear_check_drained(s) || !rtc_apply_requests(s) ||
		!rtc_apply_jobs(s))
		return false;
	if (prunes)
	{
		rtc_wal_reader_prune(s->reader);
		s->pruned_ms = rtc_clock_ms();
	}
	if ((rtc_sweep_due(s->sweep) == 0 &&
		 rtc_sweep_step(s->sweep) != RTC_CONN_OK) ||
		(prunes && (rtc_redis_ask_policy(s->conn) != RTC_CONN_OK ||
					!look_for_evictions(s))) ||
		rtc_inbox_watch(s->conn) != RTC_CONN_OK)
		return rtc_stream_down(s);
	return true;
}

/* Notes if Redis has evicted keys.  False = the connection is lost. */
static bool
look_for_evictions(RtcStream *s)
{
	uint64		evicted;

	if (rtc_redis_ask_evicted(s->conn, &evicted) != RTC_CONN_OK)
		return false;
	if (evicted != s->evicted)
		rtc_redis_note_loss();
	s->evicted = evicted;
	return true;
}

/*
 * Does what the event at hand asks for.  Sets *done when the caller should
 * look around before the next one.
 */
static RtcStreamResult
handle_event(RtcStream *s, bool *done)
{
	RtcWalEvent *event = &s->event;
	RtcProgress *p = &s->progress;
	RtcStreamResult result;

	switch (event->kind)
	{
		case RTC_WAL_COMMIT:
		case RTC_WAL_SETTLED:
			result = handle_commit(s);
			if (result != RTC_STREAM_MORE)
				return result;
			break;

		case RTC_WAL_GAP:
			if (rtc_progress_is_new(p, event->lsn))
				return clear(s, "writes were made while no Redis was configured");
			break;

		case RTC_WAL_OMITTED:
			/* Redis has been behind it, when its tag sets were known */
			if (!rtc_progress_is_new(p, event->lsn) || event->lsn <= p->commit)
				break;
			if (!rtc_sweep_covers(s->sweep, event->lsn))
				return clear(s, "Redis has tag sets that writers did not know of");
			/* lookups ask for a position that is behind this */
			rtc_progress_done(p, event->lsn);
			break;

		case RTC_WAL_GONE:
			return clear(s, "WAL that was not applied has been removed");

		case RTC_WAL_PAUSE:
			*done = true;
			break;

		case RTC_WAL_END:
			return handle_end(s);
	}
	s->have_event = false;
	if (rtc_batch_full(s->batch, rtc_suspect_limit(s->suspect)))
	{
		*done = true;
		if (!rtc_store_batch(s))
			return RTC_STREAM_DOWN;
	}
	return RTC_STREAM_MORE;
}

/* Applies a commit when it is visible; settles a prepared transaction. */
static RtcStreamResult
handle_commit(RtcStream *s)
{
	RtcWalEvent *event = &s->event;
	bool		has_ops = event->kind == RTC_WAL_COMMIT;
	bool		beaten;

	if (has_ops && !rtc_progress_is_new(&s->progress, event->lsn))
	{
		rtc_wal_reader_done(s->reader);
		return RTC_STREAM_MORE;
	}
	if (has_ops)
		rtc_lag_commit(s->lag, event->commit_time);
	RTC_INJECT("commit_read");
	if (rtc_xid_in_progress(event->xid))
	{
		if (!rtc_store_batch(s) || !heartbeat(s, &beaten))
			return RTC_STREAM_DOWN;
		return RTC_STREAM_NOT_VISIBLE;
	}
	if (has_ops && !rtc_apply_commit(s))
		return RTC_STREAM_DOWN;
	if (!has_ops || event->prepared)
	{
		(void) rtc_stamp_settle(event->xid, event->lsn);
		/* lookups ask for a position that is not behind this */
		rtc_progress_done(&s->progress, event->lsn);
	}
	RTC_INJECT("settled");
	return RTC_STREAM_MORE;
}

/* All flushed WAL has been read. */
static RtcStreamResult
handle_end(RtcStream *s)
{
	bool		sent = s->batch->nops > 0;
	bool		beaten;

	s->have_event = false;
	if (!rtc_store_batch(s))
		return RTC_STREAM_DOWN;
	rtc_store_publish(s, s->event.lsn);
	rtc_lag_none(s->lag);
	if (!rtc_clear_check_drained(s) || !rtc_store_catch_up(s) ||
		!heartbeat(s, &beaten))
		return RTC_STREAM_DOWN;
	/* a wake-up may have been missed while waiting for Redis */
	if (beaten)
		return RTC_STREAM_MORE;
	return sent ? RTC_STREAM_LINGER : RTC_STREAM_IDLE;
}

static RtcStreamResult
clear(RtcStream *s, const char *reason)
{
	return rtc_clear(s, reason) ? RTC_STREAM_MORE : RTC_STREAM_DOWN;
}

/*
 * Stores the position now and then, if nothing is to be applied, too: it moves on
 * with WAL, others see that this server is alive, and a lookup may wait for it.
 */
static bool
heartbeat(RtcStream *s, bool *beaten)
{
	bool		asked = s->announced && !s->have_event &&
	rtc_progress_can_tell(&s->progress, rtc_redis_asked());

	*beaten = asked || rtc_clock_ms() - s->stored_ms >=
		(s->full ? RETRY_MS :
		 rtc_stream_is_untold(s) ? RTC_TELL_MS : RTC_HEARTBEAT_MS);
	return !*beaten || rtc_store_position(s);
}
