/*-------------------------------------------------------------------------
 *
 * stream.c
 *		The relay's work on one Redis: connect, repair, apply.
 *
 * After connecting, the position found in Redis decides (position.c):
 *
 *		resume	read WAL again from the position's restart_lsn, apply what
 *				committed behind verified_lsn
 *		clear	delete all that is ours, start at the end of WAL
 *
 * How that is done is told in clear.c.  Until it is over, each SET is
 * applied as a DEL, and lookups stay away.
 *
 * A commit is applied when it is flushed (the reader sees to that) and
 * visible (we wait for it): earlier, a reader could miss the new row and
 * fill the old value behind our DEL.
 *
 * Lookups may use Redis (L2 open) when everything that was in WAL at the time
 * of connecting has been applied, and the horizon has passed.
 *
 * A Redis that is out of memory refuses the position, and with it the batch,
 * but it still deletes.  Then all keys of the batch are deleted instead, the
 * position stays where it is, and lookups stay away, until it is accepted
 * again.  Nothing stale remains, and deleting may be what makes room.
 *
 * Model: used by the relay alone, no transaction, no database.  Any trouble
 * with Redis ends in "down"; all state is then rebuilt by the next connect.
 * Batches and replies live in a context that is reset after each batch.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/wal_bounds.h"
#include "base/xid.h"
#include "compat.h"
#include "dep/stamps.h"
#include "guc.h"
#include "redis/session.h"
#include "redis/trust.h"
#include "relay/jobs.h"
#include "relay/lag.h"
#include "relay/policy.h"
#include "relay/prefix.h"
#include "relay/status.h"
#include "relay/stream.h"
#include "relay/stream_internal.h"
#include "relay/suspect.h"
#include "relay/tag_drop.h"
#include "relay/tag_sweep.h"
#include "wal/queue.h"
#include "write/commit_wait.h"

/* And tried again so often when Redis was out of memory. */
#define RTC_RETRY_MS		1000

/*
 * No reply to the relay is larger (bytes); the largest are pages of SCAN, with some
 * hundred keys.
 */
#define RTC_RELAY_MAX_REPLY	((size_t) 64 * 1024 * 1024)

RtcStream	rtc_stream;

static bool start_resume(void);
static bool catch_up(void);
static RtcStreamResult handle_event(bool *done);
static bool is_asked_for(void);
static bool heartbeat(bool *beaten);
static bool sweep(void);
static void published(XLogRecPtr lsn);

void
rtc_stream_init(void)
{
	rtc_stream.work = AllocSetContextCreate(CurrentMemoryContext,
											"rtcache relay work",
											ALLOCSET_DEFAULT_SIZES);
	rtc_stream.replies = AllocSetContextCreate(CurrentMemoryContext,
											   "rtcache relay replies",
											   ALLOCSET_DEFAULT_SIZES);
	rtc_stream.conn = rtc_conn_create("rtcache-relay");
	rtc_conn_limit_replies(rtc_stream.conn, RTC_RELAY_MAX_REPLY);
	rtc_stream.reader = rtc_wal_reader_create();
	rtc_stream.batch = rtc_batch_create();
	rtc_redis_close();
}

bool
rtc_stream_connect(void)
{
	MemoryContext old;
	char		reason[RTC_ERROR_LEN];
	RtcPosition pos;
	RtcDecision decision;
	bool		good = false;

	rtc_stream_disconnect();
	MemoryContextReset(rtc_stream.work);
	old = MemoryContextSwitchTo(rtc_stream.work);
	if (rtc_session_open(rtc_stream.conn, NULL) == RTC_CONN_OK &&
		rtc_position_load(rtc_stream.conn, &pos) == RTC_CONN_OK &&
		rtc_position_succeed(rtc_stream.conn, &pos) == RTC_CONN_OK &&
		rtc_prefix_forget_lost(rtc_stream.conn, &pos) == RTC_CONN_OK &&
		rtc_jobs_recognize(rtc_stream.conn, &pos, &rtc_stream.same) &&
		rtc_tags_load(rtc_stream.conn) == RTC_CONN_OK &&
		rtc_policy_ask(rtc_stream.conn) == RTC_CONN_OK)
	{
		bool		cleared = rtc_stream_has_cleared(&pos);

		rtc_sweep_restart();
		rtc_stream.pos = pos;
		rtc_stream.error[0] = '\0';
		rtc_stream.announced = false;
		rtc_stream.proven = false;
		rtc_stream.replayed = 0;
		rtc_stream.have_event = false;
		rtc_stream.full = false;
		rtc_stream.seen_lsn = InvalidXLogRecPtr;
		rtc_stream.drained_lsn = InvalidXLogRecPtr;
		rtc_batch_reset(rtc_stream.batch);

		decision = rtc_position_decide(&pos, cleared, reason,
									   sizeof(reason));
		if (decision == RTC_DECIDE_RESUME &&
			!XLogRecPtrIsInvalid(pos.mark.lsn) &&
			!rtc_wal_reader_has(rtc_stream.reader, &pos.mark))
		{
			decision = RTC_DECIDE_CLEAR;
			snprintf(reason, sizeof(reason),
					 "WAL at %X/%X is not what it was when Redis got there",
					 LSN_FORMAT_ARGS(pos.mark.lsn));
		}
		switch (decision)
		{
			case RTC_DECIDE_RESUME:
				good = start_resume();
				break;
			case RTC_DECIDE_CLEAR:
				good = rtc_stream_clear(reason);
				break;
			case RTC_DECIDE_FENCED:
				rtc_stream_fail(reason);
				rtc_relay_set_state(RTC_RELAY_FENCED);
				break;
		}
	}
	else
		rtc_stream_down();
	/* the list of prefixes was needed only here */
	rtc_stream.pos.prefix = NULL;
	rtc_stream.pos.prefix_dboid = NULL;
	rtc_stream.pos.prefix_closed = NULL;
	rtc_stream.pos.nprefixes = 0;
	MemoryContextSwitchTo(old);
	return good;
}

bool
rtc_stream_is_connected(void)
{
	return rtc_conn_is_open(rtc_stream.conn);
}

RtcStreamResult
rtc_stream_work(void)
{
	MemoryContext old;
	RtcStreamResult result = RTC_STREAM_MORE;
	bool		done = false;

	MemoryContextReset(rtc_stream.work);
	old = MemoryContextSwitchTo(rtc_stream.work);
	/* when nothing is sent, nobody else notices that Redis hung up */
	if (!rtc_conn_check(rtc_stream.conn))
	{
		rtc_stream_down();
		result = RTC_STREAM_DOWN;
	}
	else if (!rtc_stream_check_drained() || !rtc_stream_register_requested())
		result = RTC_STREAM_DOWN;
	else if (!rtc_stream_step() || !sweep())
		result = RTC_STREAM_DOWN;
	if (rtc_clock_ms() - rtc_stream.pruned_ms >= RTC_HEARTBEAT_MS)
	{
		rtc_wal_reader_prune(rtc_stream.reader);
		rtc_stream.pruned_ms = rtc_clock_ms();
	}
	while (result == RTC_STREAM_MORE && !done)
	{
		CHECK_FOR_INTERRUPTS();
		if (!rtc_stream.have_event)
		{
			rtc_wal_reader_next(rtc_stream.reader, &rtc_stream.event);
			rtc_stream.have_event = true;
			rtc_queue_set_read(rtc_wal_reader_lsn(rtc_stream.reader));
		}
		result = handle_event(&done);
	}
	if ((result == RTC_STREAM_IDLE || result == RTC_STREAM_LINGER) &&
		rtc_jobs_wait() && !rtc_stream.full)
		result = RTC_STREAM_MORE;
	MemoryContextSwitchTo(old);
	return result;
}

void
rtc_stream_disconnect(void)
{
	rtc_redis_close();
	rtc_conn_close(rtc_stream.conn);
}

const char *
rtc_stream_error(void)
{
	return rtc_stream.error;
}

XLogRecPtr
rtc_stream_restart(void)
{
	return rtc_stream_is_connected() ? rtc_stream.pos.restart_lsn
		: InvalidXLogRecPtr;
}

bool
rtc_stream_is_proven(void)
{
	return rtc_stream.proven;
}

void
rtc_stream_prefix_changed(void)
{
	rtc_redis_close();
	rtc_prefix_template_changed();
}

void
rtc_stream_fall_behind(void)
{
	rtc_redis_close();
	rtc_stream.target_lsn = Max(rtc_stream.target_lsn, rtc_wal_insert_end());
	XLogFlush(rtc_stream.target_lsn);
}

bool
rtc_stream_is_draining(void)
{
	return rtc_stream.pos.horizon != 0;
}

pgsocket
rtc_stream_socket(void)
{
	return rtc_conn_socket(rtc_stream.conn);
}

/* ---------------- starting ---------------- */

/*
 * Goes back to where Redis stands.
 */
static bool
start_resume(void)
{
	XLogRecPtr	end = rtc_wal_insert_end();
	XLogRecPtr	stored = rtc_redis_stored();

	/* lookups wait until all of this is applied, which takes its flush */
	XLogFlush(end);

	ereport(rtc_suspect_is_searching() && rtc_stream.same ? DEBUG1 : LOG,
			(errmsg("connected to Redis, which stands at %X/%X on timeline %u",
					LSN_FORMAT_ARGS(rtc_stream.pos.lsn), rtc_stream.pos.timeline),
			 errdetail("Reading WAL again from %X/%X; WAL ends at %X/%X.%s",
					   LSN_FORMAT_ARGS(rtc_stream.pos.restart_lsn),
					   LSN_FORMAT_ARGS(end),
					   rtc_stream.pos.lsn < stored
					   ? " Redis has lost writes, which are applied again."
					   : "")));
	rtc_prefix_adopt(&rtc_stream.pos, false, rtc_stream.same);
	rtc_position_claim(&rtc_stream.pos);

	/* what came behind this may be there, and may be incomplete */
	rtc_stream.pos.commit_lsn = Max(rtc_stream.pos.commit_lsn,
									rtc_stream.pos.lsn);
	rtc_stream.pos.lsn = rtc_stream.pos.verified_lsn;
	RTC_INJECT("resume_begins");
	rtc_stream.skip_lsn = rtc_stream.pos.verified_lsn;
	rtc_stream.done_lsn = rtc_stream.pos.verified_lsn;
	rtc_stream.target_lsn = end;
	rtc_wal_reader_seek(rtc_stream.reader, rtc_stream.pos.restart_lsn);
	rtc_relay_set_state(rtc_stream.pos.horizon != 0 ? RTC_RELAY_DRAINING :
						RTC_RELAY_REPLAYING);
	if (!rtc_stream_store())
		return false;
	rtc_relay_connected(rtc_conn_peer(rtc_stream.conn));
	return true;
}

/*
 * Everything flushed has been applied: opens the way for lookups, unless a
 * clear is not over.  False = the stream is down.
 */
static bool
catch_up(void)
{
	XLogRecPtr	floor_lsn;

	if (rtc_stream.pos.horizon != 0 || rtc_stream.full ||
		rtc_stream.seen_lsn < rtc_stream.target_lsn)
		return true;

	/* from here on lookups ask for a position that has got there */
	floor_lsn = Min(rtc_stream.target_lsn, rtc_wal_reader_lsn(rtc_stream.reader));
	if (rtc_stream.pos.lsn < floor_lsn)
	{
		rtc_stream.done_lsn = Max(rtc_stream.done_lsn, floor_lsn);
		if (!rtc_stream_store())
			return false;
		if (rtc_stream.full)
			return true;
	}
	if (!rtc_stream.announced)
	{
		/* who was verified against a position on the way asks again */
		rtc_redis_new_server();
		ereport(LOG,
				(errmsg("Redis has caught up at %X/%X",
						LSN_FORMAT_ARGS(rtc_stream.seen_lsn)),
				 errdetail("%llu commits were applied on the way.",
						   (unsigned long long) rtc_stream.replayed)));
		rtc_stream.announced = true;
	}
	rtc_redis_set_floor(floor_lsn);
	rtc_stream.proven = true;
	RTC_INJECT("caught_up");
	rtc_redis_open();
	rtc_relay_set_state(RTC_RELAY_STREAMING);
	return true;
}

/* ---------------- working ---------------- */

/*
 * Does what the event at hand asks for.  Sets *done when the caller should
 * look around before the next one.
 */
static RtcStreamResult
handle_event(bool *done)
{
	RtcWalEvent *event = &rtc_stream.event;
	bool		beaten;

	switch (event->kind)
	{
		case RTC_WAL_COMMIT:
		case RTC_WAL_SETTLED:
			if (event->kind == RTC_WAL_COMMIT && event->lsn <= rtc_stream.skip_lsn)
			{
				rtc_wal_reader_done(rtc_stream.reader);
				break;
			}
			if (event->kind == RTC_WAL_COMMIT)
				rtc_lag_commit(event->commit_time);
			RTC_INJECT("commit_read");
			if (rtc_xid_in_progress(event->xid))
			{
				if (!rtc_stream_send() || !heartbeat(&beaten))
					return RTC_STREAM_DOWN;
				return RTC_STREAM_NOT_VISIBLE;
			}
			if (event->kind == RTC_WAL_COMMIT && !rtc_stream_apply_commit())
				return RTC_STREAM_DOWN;
			if (event->kind == RTC_WAL_SETTLED || event->prepared)
			{
				(void) rtc_stamp_settle(event->xid, event->lsn);
				/* lookups ask for a position that is not behind this */
				rtc_stream.done_lsn = Max(rtc_stream.done_lsn, event->lsn);
			}
			RTC_INJECT("settled");
			break;

		case RTC_WAL_GAP:
			if (event->lsn <= rtc_stream.skip_lsn)
				break;
			return rtc_stream_clear("writes were made while no Redis was configured")
				? RTC_STREAM_MORE : RTC_STREAM_DOWN;

		case RTC_WAL_OMITTED:
			/* Redis has been behind it, when its tag sets were known */
			if (event->lsn <= Max(rtc_stream.skip_lsn,
								  rtc_stream.pos.commit_lsn))
				break;
			if (!rtc_sweep_covers(event->lsn))
				return rtc_stream_clear("Redis has tag sets that writers did not know of")
					? RTC_STREAM_MORE : RTC_STREAM_DOWN;
			/* lookups ask for a position that is behind this */
			rtc_stream.done_lsn = event->lsn;
			break;

		case RTC_WAL_GONE:
			return rtc_stream_clear("WAL that was not applied has been removed")
				? RTC_STREAM_MORE : RTC_STREAM_DOWN;

		case RTC_WAL_PAUSE:
			*done = true;
			break;

		case RTC_WAL_END:
			{
				bool		sent = rtc_batch_ops(rtc_stream.batch) > 0;

				rtc_stream.have_event = false;
				rtc_stream.seen_lsn = event->lsn;
				if (!rtc_stream_send() || !rtc_stream_check_drained())
					return RTC_STREAM_DOWN;
				published(rtc_stream.seen_lsn);
				rtc_lag_none();
				if (!catch_up() || !heartbeat(&beaten))
					return RTC_STREAM_DOWN;
				/* a wake-up may have been missed while waiting for Redis */
				if (beaten)
					return RTC_STREAM_MORE;
				return sent ? RTC_STREAM_LINGER : RTC_STREAM_IDLE;
			}
	}
	rtc_stream.have_event = false;
	if (rtc_batch_full(rtc_stream.batch, rtc_suspect_limit()))
	{
		*done = true;
		if (!rtc_stream_send())
			return RTC_STREAM_DOWN;
	}
	return RTC_STREAM_MORE;
}

/*
 * Sends the batch, if there is anything in it.
 */
bool
rtc_stream_send(void)
{
	int			nops = rtc_batch_ops(rtc_stream.batch);
	bool		complete = rtc_stream.done_lsn > rtc_stream.pos.verified_lsn;

	/* a commit that only deleted by pattern moves the position as well */
	if (nops == 0 && !complete)
		return true;
	if (!rtc_stream_store())
		return false;
	rtc_batch_reset(rtc_stream.batch);
	rtc_relay_count(1, 0, 0);
	if (complete)
	{
		published(rtc_stream.done_lsn);
		rtc_lag_applied();
		rtc_stream.seen_lsn = Max(rtc_stream.seen_lsn, rtc_stream.done_lsn);
		if (!catch_up())
			return false;
	}
	ereport(DEBUG1,
			(errmsg_internal("rtcache: applied %d ops up to %X/%X", nops,
							 LSN_FORMAT_ARGS(rtc_stream.done_lsn))));
	return true;
}

/*
 * Does Redis not know that it has been told everything?  Standbys want to
 * know, and they compare with WAL that is not for us, too.
 */
bool
rtc_stream_is_untold(void)
{
	return rtc_stream.announced && !rtc_stream.have_event &&
		rtc_stream.told_lsn < rtc_stream.seen_lsn;
}

/*
 * Does a lookup wait for the position to be stored, and would that help?
 */
static bool
is_asked_for(void)
{
	XLogRecPtr	asked = rtc_redis_asked();

	return rtc_stream.announced && !rtc_stream.have_event &&
		rtc_stream.pos.lsn < asked && asked <= rtc_stream.seen_lsn;
}

/*
 * Stores the position now and then even if nothing is to be applied: it moves
 * on with WAL, and others see that we are alive.
 */
static bool
heartbeat(bool *beaten)
{
	*beaten = is_asked_for() || rtc_clock_ms() - rtc_stream.stored_ms >=
		(rtc_stream.full ? RTC_RETRY_MS :
		 rtc_stream_is_untold() ? RTC_TELL_MS : RTC_HEARTBEAT_MS);
	return !*beaten || rtc_stream_store();
}

/*
 * Tells everybody that all commits up to lsn are in Redis.
 */
static void
published(XLogRecPtr lsn)
{
	if (!rtc_queue_set_applied(lsn))
		return;
	RTC_INJECT("published");
	rtc_queue_broadcast();
	rtc_commit_wait_wake(lsn);
}

/*
 * Does a little of what can wait.
 */
static bool
sweep(void)
{
	if ((rtc_sweep_due() == 0 &&
		 rtc_sweep_step(rtc_stream.conn) != RTC_CONN_OK) ||
		(rtc_clock_ms() - rtc_stream.pruned_ms >= RTC_HEARTBEAT_MS &&
		 rtc_policy_ask(rtc_stream.conn) != RTC_CONN_OK))
		return rtc_stream_down();
	return true;
}

/* ---------------- trouble ---------------- */

/*
 * Notes why the connection failed; returns false for the callers' sake.
 */
bool
rtc_stream_down(void)
{
	return rtc_stream_fail(rtc_conn_error(rtc_stream.conn));
}

bool
rtc_stream_fail(const char *text)
{
	strlcpy(rtc_stream.error, text, sizeof(rtc_stream.error));
	rtc_stream_disconnect();
	return false;
}
