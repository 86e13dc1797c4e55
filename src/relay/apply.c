/*-------------------------------------------------------------------------
 *
 * apply.c
 *		From the ops of a commit to Redis.
 *
 * Ops go into the batch, under the prefix of the database that a message comes
 * from, which is registered first if need be.  A deletion by pattern cannot go
 * into an EXEC; it is done between two batches.  A transaction that is larger
 * than a batch goes out in several.  The position stays in front of it until the
 * last one, so that all of it is done again if the relay is cut off.
 *
 * Model: used by stream.c alone, in the relay.  Redis trouble is a result.
 * Damaged WAL and termination raise.
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
#include "relay/apply.h"
#include "relay/clear.h"
#include "relay/closed.h"
#include "relay/prefix.h"
#include "relay/status.h"
#include "relay/store.h"
#include "write/gone_rows.h"

/* Where the messages of a database go. */
typedef enum RtcTarget
{
	RTC_TARGET_OK,
	RTC_TARGET_NONE,			/* nowhere: the database cannot use Redis */
	RTC_TARGET_DOWN				/* the connection is gone */
} RtcTarget;

/* Where an op comes from, and goes to. */
typedef struct RtcPlace
{
	Oid			dboid;
	uint64		nth;			/* of the ops of its commit, all databases */
	char		prefix[RTC_MAX_PREFIX_LEN];
} RtcPlace;

/* What is done with each op of a commit; false = down. */
typedef bool (*ApplyFunction) (RtcStream *s, const RtcPlace *place,
							   const RtcOp *op, RtcGoneRows *rows);

static bool apply_ops(RtcStream *s, ApplyFunction apply, RtcGoneRows *rows,
					  bool *gone);
static bool take_back(RtcStream *s, const RtcPlace *place, const RtcOp *op,
					  RtcGoneRows *rows);
static bool apply_op(RtcStream *s, const RtcPlace *place, const RtcOp *op,
					 RtcGoneRows *rows);
static void add_to_batch(RtcStream *s, const RtcPlace *place, const RtcOp *op,
						 RtcOpKind kind);
static bool delete_matching(RtcStream *s, const RtcPlace *place,
							const RtcOp *op);
static RtcTarget find_prefix(RtcStream *s, const RtcMessage *msg,
							 char *prefix);
static RtcTarget register_prefix(RtcStream *s, Oid dboid, const char *dbname,
								 XLogRecPtr named_at, bool probe);
static RtcTarget after_job(RtcStream *s, RtcJobResult result);
static void skip_database(RtcStream *s);

bool
rtc_apply_commit(RtcStream *s)
{
	RtcGoneRows *rows = NULL;
	bool		gone = false;
	bool		ok = true;

	/* before any of it is sent */
	rtc_progress_begin(&s->progress, s->event.lsn);
	rtc_progress_mark(&s->progress, rtc_wal_reader_mark(s->reader));
	if (rtc_wal_reader_has_gone(s->reader))
	{
		rows = rtc_gone_rows_create(s->work);
		ok = apply_ops(s, take_back, rows, &gone);
		rtc_wal_reader_rewind(s->reader);
	}
	if (ok && !gone)
		ok = apply_ops(s, apply_op, rows, &gone);
	if (rows != NULL)
		rtc_gone_rows_destroy(rows);
	if (!ok)
		return false;
	if (gone)
		return rtc_clear(s, "WAL that was not applied has been removed");

	rtc_wal_reader_done(s->reader);
	rtc_progress_done(&s->progress, s->event.lsn);
	s->replayed++;
	rtc_relay_count(0, 1, 0);
	return true;
}

/*
 * Goes through the ops of the commit.  False = down; *gone: or up to WAL that
 * has been removed.
 */
static bool
apply_ops(RtcStream *s, ApplyFunction apply, RtcGoneRows *rows, bool *gone)
{
	RtcOp		op;
	const RtcMessage *msg;
	RtcPlace	place = {InvalidOid};
	uint64		seq = 0;
	RtcTarget	target = RTC_TARGET_NONE;

	while (rtc_wal_reader_next_op(s->reader, &op, &msg, gone))
	{
		CHECK_FOR_INTERRUPTS();
		place.nth++;
		if (msg->dboid != place.dboid || msg->first_seq != seq)
		{
			place.dboid = msg->dboid;
			seq = msg->first_seq;
			target = find_prefix(s, msg, place.prefix);
			if (target == RTC_TARGET_DOWN)
				return false;
		}
		if (target == RTC_TARGET_NONE)
			continue;
		if (!apply(s, &place, &op, rows))
			return false;
		if (rtc_batch_full(s->batch, rtc_suspect_limit(s->suspect)) &&
			!rtc_store_batch(s))
			return false;
	}
	return true;
}

/*
 * First time through a transaction in which rows have left keys.  If it has
 * written early, a message cannot tell which of its ROWs count in the end
 * (op_merge.c): a GONE may come in a later one.  So all keys of its rows are
 * deleted before anything is stored, and the versions that have gone are noted.
 */
static bool
take_back(RtcStream *s, const RtcPlace *place, const RtcOp *op,
		  RtcGoneRows *rows)
{
	if (RtcOpHasRow(op->kind))
	{
		rtc_gone_rows_add(rows, op, RTC_GONE_BY_UNKNOWN);
		add_to_batch(s, place, op, RTC_OP_DEL);
	}
	return true;
}

/* Applies an op.  Rows that have gone are not stored. */
static bool
apply_op(RtcStream *s, const RtcPlace *place, const RtcOp *op,
		 RtcGoneRows *rows)
{
	uint32		by;

	rtc_relay_count(0, 0, 1);

	/*
	 * A second clear in a row finds nothing: lookups, which could have stored
	 * something, have stayed away.  So many commits of 1.0 cost one.
	 */
	if (op->kind == RTC_OP_CLEAR && s->emptied == place->dboid)
		return true;
	s->emptied = InvalidOid;

	if (op->kind == RTC_OP_GONE ||
		(rows != NULL && rtc_gone_rows_has(rows, op, &by)))
		return true;

	/*
	 * Rows from before do not contain what comes round here.  Those that do
	 * may go out in a later batch.
	 */
	if (op->kind == RTC_OP_ROUND && s->batch->nfolds > 0 && !rtc_store_batch(s))
		return false;
	if (RtcOpHasKey(op->kind) || op->kind == RTC_OP_TAG ||
		op->kind == RTC_OP_ROUND)
		add_to_batch(s, place, op, op->kind);
	else if (!rtc_store_batch(s) || !delete_matching(s, place, op))
		return false;
	RTC_INJECT("op_batched");
	return true;
}

static void
add_to_batch(RtcStream *s, const RtcPlace *place, const RtcOp *op,
			 RtcOpKind kind)
{
	XLogRecPtr	lsn = s->event.lsn;
	RtcOp		as = *op;

	as.kind = kind;
	rtc_batch_add(s->batch, place->dboid, place->prefix, &as, lsn,
				  s->progress.horizon != 0 || s->full ||
				  rtc_jobs_delete_only(s->jobs, place->dboid, lsn) ||
				  rtc_suspect_is_refused(s->suspect, place->dboid, op, lsn));
}

/* Applies a PATTERN or CLEAR, or leaves it for later. */
static bool
delete_matching(RtcStream *s, const RtcPlace *place, const RtcOp *op)
{
	MemoryContext old = MemoryContextSwitchTo(s->replies);
	RtcJobResult result;

	MemoryContextReset(s->replies);
	result = rtc_jobs_delete(s->jobs, place->dboid, place->prefix, op,
							 s->event.lsn, place->nth);
	MemoryContextSwitchTo(old);
	if (result == RTC_JOB_DONE && op->kind == RTC_OP_CLEAR && !s->announced)
		s->emptied = place->dboid;
	return result != RTC_JOB_DOWN || rtc_stream_down(s);
}

/* ---------------- prefixes ---------------- */

static RtcTarget
find_prefix(RtcStream *s, const RtcMessage *msg, char *prefix)
{
	XLogRecPtr	lsn = s->event.lsn;
	RtcTarget	target = RTC_TARGET_NONE;
	RtcPrefix	entry;

	if (rtc_prefix_find(msg->dboid, msg->dbname, lsn, prefix))
		return RTC_TARGET_OK;
	if (rtc_prefix_copy(msg->dboid, &entry) &&
		(entry.state == RTC_PREFIX_CLOSED ||
		 (entry.state == RTC_PREFIX_UNUSABLE &&
		  strcmp(entry.dbname, msg->dbname) == 0)))
		return RTC_TARGET_NONE;

	/* the batch must not come behind the clearing */
	if (!s->full && !rtc_store_batch(s))
		return RTC_TARGET_DOWN;
	/* without memory in Redis, it is registered later, and cleared then */
	if (!s->full)
		target = register_prefix(s, msg->dboid, msg->dbname, lsn, false);
	/* it may have been renamed meanwhile */
	if (target == RTC_TARGET_OK &&
		!rtc_prefix_find(msg->dboid, msg->dbname, lsn, prefix))
		target = RTC_TARGET_NONE;
	if (target == RTC_TARGET_NONE)
		rtc_closed_left_out(msg->dboid);
	return target;
}

/*
 * Registers a prefix while lookups stay away from all of Redis, so that no
 * lease from before survives.
 */
static RtcTarget
register_prefix(RtcStream *s, Oid dboid, const char *dbname,
				XLogRecPtr named_at, bool probe)
{
	RtcJobResult result;

	rtc_redis_close();
	result = rtc_jobs_register(s->jobs, dboid, dbname, named_at,
							   s->progress.done, probe);
	if (result == RTC_JOB_SKIPPED && rtc_prefix_state(dboid) == RTC_PREFIX_CLOSED)
		return RTC_TARGET_NONE;
	return after_job(s, result);
}

static RtcTarget
after_job(RtcStream *s, RtcJobResult result)
{
	switch (result)
	{
		case RTC_JOB_DONE:
		case RTC_JOB_LATER:
			return RTC_TARGET_OK;
		case RTC_JOB_DOWN:
			rtc_stream_down(s);
			return RTC_TARGET_DOWN;
		case RTC_JOB_SKIPPED:
			skip_database(s);
			return RTC_TARGET_NONE;
		case RTC_JOB_FULL:
			return rtc_store_deletes(s) ? RTC_TARGET_NONE : RTC_TARGET_DOWN;
		case RTC_JOB_FENCED:
			break;
	}
	rtc_stream_fail(s, s->jobs->error);
	rtc_relay_set_state(RTC_RELAY_FENCED);
	return RTC_TARGET_DOWN;
}

/* Says so, now and then. */
static void
skip_database(RtcStream *s)
{
	if (!rtc_clock_is_due(&s->skipped_ms, 60000))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("a database does without Redis: %s",
					s->jobs->error)));
}

bool
rtc_apply_requests(RtcStream *s)
{
	RtcPrefix	next;

	while (!s->full && (rtc_prefix_requested(&next) || rtc_closed_due(&next)))
	{
		CHECK_FOR_INTERRUPTS();
		if (!rtc_store_batch(s))
			return false;
		if (!s->full &&
			register_prefix(s, next.dboid, next.dbname, next.named_at,
							next.state == RTC_PREFIX_CLOSED) == RTC_TARGET_DOWN)
			return false;
	}
	return true;
}

bool
rtc_apply_jobs(RtcStream *s)
{
	return s->full ||
		after_job(s, rtc_jobs_step(s->jobs)) != RTC_TARGET_DOWN;
}
