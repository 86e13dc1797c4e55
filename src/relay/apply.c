/*-------------------------------------------------------------------------
 *
 * apply.c
 *		From the ops of a commit to Redis.
 *
 * Finds the prefix of the database that a message comes from, registering it
 * first if need be, and puts the ops into the batch.  What cannot go into an
 * EXEC, deletion by pattern, is done between two batches.  A transaction that
 * is larger than a batch goes out in several; the position stays in front of
 * it until the last one, so that all of it is done again if we are cut off.
 *
 * Model: used by stream.c alone, in the relay.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/inject.h"
#include "redis/trust.h"
#include "relay/closed.h"
#include "relay/jobs.h"
#include "relay/prefix.h"
#include "relay/status.h"
#include "relay/stream.h"
#include "relay/stream_internal.h"
#include "relay/suspect.h"
#include "write/gone_rows.h"

/* How to use one database's messages. */
typedef enum RtcTarget
{
	RTC_TARGET_OK,
	RTC_TARGET_NONE,			/* the database cannot use Redis: skip */
	RTC_TARGET_DOWN				/* the connection is gone */
} RtcTarget;

/* Where an op comes from, and goes to. */
typedef struct RtcPlace
{
	Oid			dboid;
	uint64		nth;			/* of the ops of its commit, all databases */
	char		prefix[RTC_MAX_PREFIX_LEN];
} RtcPlace;

static bool apply_ops(bool (*apply) (const RtcPlace *place, const RtcOp *op,
									 RtcGoneRows *rows),
					  RtcGoneRows *rows, bool *gone);
static bool take_back(const RtcPlace *place, const RtcOp *op, RtcGoneRows *rows);
static bool apply_op(const RtcPlace *place, const RtcOp *op, RtcGoneRows *rows);
static void add_to_batch(const RtcPlace *place, const RtcOp *op, RtcOpKind kind);
static RtcTarget find_prefix(const RtcMessage *msg, char *prefix);
static bool is_delete_only(Oid dboid, const RtcOp *op);
static RtcTarget register_prefix(Oid dboid, const char *dbname,
								 XLogRecPtr named_at, bool probe);
static RtcTarget after_job(RtcJobResult result, const char *error);
static void skip_database(const char *why);
static bool delete_matching(const RtcPlace *place, const RtcOp *op);

/*
 * Puts the ops of a commit into the batch.  One that is larger than a batch
 * goes out in several; the position stays in front of it until the last.
 */
bool
rtc_stream_apply_commit(void)
{
	RtcGoneRows *rows = NULL;
	bool		gone = false;
	bool		ok = true;

	/* before any of it is sent */
	rtc_stream.pos.commit_lsn = Max(rtc_stream.pos.commit_lsn,
									rtc_stream.event.lsn);
	rtc_stream.batch_lsn = rtc_stream.event.lsn;
	rtc_stream_mark();
	if (rtc_wal_reader_has_gone(rtc_stream.reader))
	{
		rows = rtc_gone_rows_create(rtc_stream.work);
		ok = apply_ops(take_back, rows, &gone);
		rtc_wal_reader_rewind(rtc_stream.reader);
	}
	if (ok && !gone)
		ok = apply_ops(apply_op, rows, &gone);
	if (rows != NULL)
		rtc_gone_rows_destroy(rows);
	if (!ok)
		return false;
	if (gone)
		return rtc_stream_clear("WAL that was not applied has been removed");

	rtc_wal_reader_done(rtc_stream.reader);
	rtc_stream.done_lsn = rtc_stream.event.lsn;
	rtc_stream.replayed++;
	rtc_relay_count(0, 1, 0);
	return true;
}

/*
 * Goes through the ops of the commit.  False = down; *gone: or up to WAL that
 * has been removed.
 */
static bool
apply_ops(bool (*apply) (const RtcPlace *place, const RtcOp *op,
						 RtcGoneRows *rows),
		  RtcGoneRows *rows, bool *gone)
{
	RtcOp		op;
	const RtcMessage *msg;
	RtcPlace	place = {InvalidOid};
	uint64		seq = 0;
	RtcTarget	target = RTC_TARGET_NONE;

	while (rtc_wal_reader_next_op(rtc_stream.reader, &op, &msg, gone))
	{
		CHECK_FOR_INTERRUPTS();
		place.nth++;
		if (msg->dboid != place.dboid || msg->first_seq != seq)
		{
			place.dboid = msg->dboid;
			seq = msg->first_seq;
			target = find_prefix(msg, place.prefix);
			if (target == RTC_TARGET_DOWN)
				return false;
		}
		if (target == RTC_TARGET_NONE)
			continue;
		if (!apply(&place, &op, rows))
			return false;
		if (rtc_batch_full(rtc_stream.batch, rtc_suspect_limit()) &&
			!rtc_stream_send())
			return false;
	}
	return true;
}

/*
 * First time through a transaction that has written early and in which rows
 * have left keys.  Its messages cannot tell which of its ROWs count in the end
 * (op_merge.c): a GONE may come in a later one.  So all keys of its rows are
 * deleted before anything is stored, and the versions that have gone are noted.
 */
static bool
take_back(const RtcPlace *place, const RtcOp *op, RtcGoneRows *rows)
{
	if (RtcOpHasRow(op->kind))
	{
		rtc_gone_rows_add(rows, op, RTC_GONE_BY_UNKNOWN);
		add_to_batch(place, op, RTC_OP_DEL);
	}
	return true;
}

/*
 * Applies an op.  Of rows that have gone nothing is stored.
 */
static bool
apply_op(const RtcPlace *place, const RtcOp *op, RtcGoneRows *rows)
{
	uint32		by;

	rtc_relay_count(0, 0, 1);
	if (op->kind == RTC_OP_GONE ||
		(rows != NULL && rtc_gone_rows_has(rows, op, &by)))
		return true;
	if (RtcOpHasKey(op->kind) || op->kind == RTC_OP_TAG)
		add_to_batch(place, op, op->kind);
	else if (!rtc_stream_send() || !delete_matching(place, op))
		return false;
	RTC_INJECT("op_batched");
	return true;
}

/*
 * Puts an op into the batch, as one of this kind.
 */
static void
add_to_batch(const RtcPlace *place, const RtcOp *op, RtcOpKind kind)
{
	RtcOp		as = *op;

	as.kind = kind;
	rtc_batch_add(rtc_stream.batch, place->dboid, place->prefix, &as,
				  rtc_stream.pos.horizon != 0 || rtc_stream.full ||
				  is_delete_only(place->dboid, op));
}

/*
 * Finds the prefix for a message, registering it if need be.
 */
static RtcTarget
find_prefix(const RtcMessage *msg, char *prefix)
{
	XLogRecPtr	lsn = rtc_stream.event.lsn;
	RtcTarget	target;

	if (rtc_prefix_find(msg->dboid, msg->dbname, lsn, prefix))
		return RTC_TARGET_OK;
	if (rtc_prefix_is_unusable(msg->dboid, msg->dbname) ||
		rtc_closed_is_given_up(msg->dboid))
		return RTC_TARGET_NONE;

	/* what is in the batch must not come behind the clearing */
	if (!rtc_stream.full && !rtc_stream_send())
		return RTC_TARGET_DOWN;
	if (rtc_stream.full)
	{
		/* it is registered when there is memory, and cleared then */
		rtc_closed_left_out(msg->dboid);
		return RTC_TARGET_NONE;
	}
	target = register_prefix(msg->dboid, msg->dbname, lsn, false);
	/* it may have been renamed meanwhile */
	if (target == RTC_TARGET_OK &&
		!rtc_prefix_find(msg->dboid, msg->dbname, lsn, prefix))
		target = RTC_TARGET_NONE;
	if (target == RTC_TARGET_NONE)
		rtc_closed_left_out(msg->dboid);
	return target;
}

/*
 * Registers one prefix while lookups stay away from all of Redis, so that no
 * lease from before survives.
 */
static RtcTarget
register_prefix(Oid dboid, const char *dbname, XLogRecPtr named_at, bool probe)
{
	const char *error = "";
	RtcJobResult result;

	rtc_redis_close();
	result = rtc_jobs_register(rtc_stream.conn, dboid, dbname, named_at,
							   rtc_stream.done_lsn, probe, &error);
	if (result == RTC_JOB_SKIPPED && rtc_closed_is_given_up(dboid))
		return RTC_TARGET_NONE;
	return after_job(result, error);
}

/*
 * Does what the result of a job asks for.
 */
static RtcTarget
after_job(RtcJobResult result, const char *error)
{
	switch (result)
	{
		case RTC_JOB_DONE:
		case RTC_JOB_LATER:
			return RTC_TARGET_OK;
		case RTC_JOB_DOWN:
			rtc_stream_down();
			return RTC_TARGET_DOWN;
		case RTC_JOB_SKIPPED:
			skip_database(error);
			return RTC_TARGET_NONE;
		case RTC_JOB_FULL:
			return rtc_stream_delete_instead() ? RTC_TARGET_NONE :
				RTC_TARGET_DOWN;
		case RTC_JOB_FENCED:
			break;
	}
	rtc_stream_fail(error);
	rtc_relay_set_state(RTC_RELAY_FENCED);
	return RTC_TARGET_DOWN;
}

/*
 * Is a SET of the commit at hand to be applied as a DEL?
 */
static bool
is_delete_only(Oid dboid, const RtcOp *op)
{
	return rtc_jobs_delete_only(dboid, rtc_stream.event.lsn) ||
		rtc_suspect_is_refused(dboid, op, rtc_stream.event.lsn);
}

/*
 * Says, now and then, that a database does without Redis.
 */
static void
skip_database(const char *why)
{
	static int64 last_said = 0;

	if (!rtc_clock_is_due(&last_said, 60000))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("a database does without Redis: %s", why)));
}

/*
 * Registers what backends have asked for, and what is to be tried again.
 */
bool
rtc_stream_register_requested(void)
{
	Oid			dboid;
	char		dbname[NAMEDATALEN];
	XLogRecPtr	named_at;

	while (!rtc_stream.full)
	{
		bool		closed = !rtc_prefix_requested(&dboid, dbname, &named_at);

		if (closed && !rtc_closed_due(&dboid, dbname, &named_at))
			break;
		CHECK_FOR_INTERRUPTS();
		if (!rtc_stream_send())
			return false;
		if (!rtc_stream.full &&
			register_prefix(dboid, dbname, named_at, closed) == RTC_TARGET_DOWN)
			return false;
	}
	return true;
}

bool
rtc_stream_step(void)
{
	const char *error = "";

	if (rtc_stream.full || !rtc_jobs_wait())
		return true;
	return after_job(rtc_jobs_step(rtc_stream.conn, &error), error) !=
		RTC_TARGET_DOWN;
}

/*
 * Applies a PATTERN or CLEAR, which cannot go into an EXEC, or leaves it for
 * later.
 */
static bool
delete_matching(const RtcPlace *place, const RtcOp *op)
{
	MemoryContext old = MemoryContextSwitchTo(rtc_stream.replies);
	RtcJobResult result;

	MemoryContextReset(rtc_stream.replies);
	result = rtc_jobs_delete(rtc_stream.conn, place->dboid, place->prefix, op,
							 rtc_stream.event.lsn, place->nth);
	MemoryContextSwitchTo(old);
	return result != RTC_JOB_DOWN || rtc_stream_down();
}
