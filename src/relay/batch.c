/*-------------------------------------------------------------------------
 *
 * batch.c
 *		Ops of committed transactions on their way to Redis.
 *
 * A batch is one MULTI ... EXEC: the last op on each key wins, SETs, then one
 * UNLINK of all deleted keys and of the leases and companions of every touched
 * key, the rows of keys that are written behind, a PUBLISH of each key if that
 * is asked for, and the new position.  Without its lease, a reader that computed
 * its value before the write cannot fill.
 *
 * A script deletes what depends on a tag, before the MULTI is sent.  So a Redis
 * that has the position, be it a replica that is promoted, has the drops behind
 * it, and none can meet a key that the batch has just set.  It costs batches with
 * tags a round trip.
 *
 * The position is watched between two batches, so the EXEC of a relay that was
 * replaced does nothing.  The WATCH for the next batch and the EXEC travel
 * together: fencing costs no round trip.
 *
 * Every reply is checked, those inside EXEC too: out of memory, READONLY,
 * MOVED, LOADING, NOAUTH, NOPERM all mean that the batch was not applied.  See
 * store.c for a Redis that is out of memory.
 *
 * Model: the relay alone.  Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "base/inject.h"
#include "guc.h"
#include "redis/names.h"
#include "redis/script.h"
#include "relay/batch.h"
#include "relay/closed.h"
#include "relay/publish.h"
#include "relay/tag_drop.h"
#include "stats.h"

/* A batch with this many bytes is full, whatever rtcache.batch_size says. */
#define RTC_BATCH_BYTES		(4 * 1024 * 1024)

/* A batch may take the command timeout once more for each of these. */
#define RTC_BYTES_PER_TIMEOUT (64 * 1024)

/* Keys in one UNLINK. */
#define RTC_UNLINK_CHUNK	1000

/* Entry of the table that finds the op on a key. */
typedef struct RtcBatchSlot
{
	RtcBatchOp *op;
	uint32		hash;
	char		status;			/* for simplehash */
} RtcBatchSlot;

#define SH_PREFIX		batch
#define SH_ELEMENT_TYPE RtcBatchSlot
#define SH_KEY_TYPE		RtcBatchOp *
#define SH_KEY			op
#define SH_HASH_KEY(tb, k) \
	hash_bytes((const unsigned char *) (k)->key, (k)->keylen)
#define SH_EQUAL(tb, a, b) \
	((a)->keylen == (b)->keylen && \
	 memcmp((a)->key, (b)->key, (a)->keylen) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static bool drop_tags(RtcBatch *batch, RtcConn *conn);
static void append_sets(RtcBatch *batch, RtcConn *conn);
static int	batch_timeout(RtcBatch *batch);
static void append_unlinks(RtcBatch *batch, RtcConn *conn, bool all);
static void append_folds(RtcBatch *batch, RtcConn *conn);
static void append_publish(RtcBatch *batch, RtcConn *conn);
static void count(RtcBatch *batch);

RtcBatch *
rtc_batch_create(void)
{
	RtcBatch   *batch = palloc0(sizeof(RtcBatch));

	batch->context = AllocSetContextCreate(CurrentMemoryContext,
										   "rtcache batch",
										   ALLOCSET_DEFAULT_SIZES);
	rtc_batch_reset(batch);
	return batch;
}

void
rtc_batch_reset(RtcBatch *batch)
{
	MemoryContextReset(batch->context);
	batch->by_key = batch_create(batch->context, 128, NULL);
	batch->ops = NIL;
	batch->nops = 0;
	batch->ntags = 0;
	batch->nfolds = 0;
	batch->bytes = 0;
	batch->lsn = InvalidXLogRecPtr;
	batch->progressed = false;
}

void
rtc_batch_add(RtcBatch *batch, Oid dboid, const char *prefix,
			  const RtcOp *op, XLogRecPtr lsn, bool delete_only)
{
	MemoryContext old;
	size_t		prefixlen = strlen(prefix);
	RtcBatchOp *mine;
	RtcBatchSlot *slot;
	bool		found;

	old = MemoryContextSwitchTo(batch->context);
	mine = palloc0(sizeof(RtcBatchOp));

	mine->dboid = dboid;
	mine->prefixlen = prefixlen;
	mine->is_tag = op->kind == RTC_OP_TAG;
	if (mine->is_tag)
	{
		/* no key of a user has such a name */
		StringInfoData name;

		initStringInfo(&name);
		rtc_tag_name(&name, prefix, prefixlen, op->dep);
		mine->key = name.data;
		mine->keylen = name.len;
	}
	else
	{
		mine->keylen = prefixlen + op->keylen;
		mine->key = palloc(mine->keylen);
		memcpy(mine->key, prefix, prefixlen);
		memcpy(mine->key + prefixlen, op->key, op->keylen);
	}
	mine->is_set = RtcOpHasValue(op->kind) && !delete_only;
	mine->is_put = op->kind == RTC_OP_PUT && !delete_only;
	mine->is_fold = (op->kind == RTC_OP_FOLD ||
					 (op->kind == RTC_OP_ROW && op->row.behind)) && !delete_only;
	if (mine->is_fold)
		batch->nfolds++;
	if (mine->is_set)
	{
		mine->vallen = op->vallen;
		mine->value = palloc(op->vallen);
		memcpy(mine->value, op->value, op->vallen);
		mine->ttl_ms = op->ttl_ms;
	}
	batch->lsn = lsn;
	batch->bytes += sizeof(RtcBatchOp) + mine->keylen + mine->vallen;

	slot = batch_insert(batch->by_key, mine, &found);
	if (found)
	{
		/* the last one wins */
		if (slot->op->value != NULL)
			pfree(slot->op->value);
		pfree(mine->key);
		mine->key = slot->op->key;
		*slot->op = *mine;
		pfree(mine);
	}
	else
	{
		batch->ops = lappend(batch->ops, mine);
		batch->nops++;
		if (mine->is_tag)
			batch->ntags++;
	}
	MemoryContextSwitchTo(old);
}

bool
rtc_batch_full(const RtcBatch *batch, int limit)
{
	return batch->nops >= limit || batch->bytes >= RTC_BATCH_BYTES;
}

RtcExecResult
rtc_batch_execute(RtcBatch *batch, RtcConn *conn, RtcPosition *pos)
{
	RtcExecResult result;
	bool		closed;

	RTC_INJECT("batch_built");
	if (!drop_tags(batch, conn))
		return RTC_EXEC_FAILED;
	RTC_INJECT("tags_dropped");

	rtc_conn_append_strings(conn, "MULTI", NULL);
	append_sets(batch, conn);
	append_unlinks(batch, conn, false);
	append_folds(batch, conn);
	append_publish(batch, conn);
	rtc_position_append(conn, pos);
	closed = rtc_closed_append(conn);
	result = rtc_position_exec(conn, batch_timeout(batch), pos->held_by,
							   pos->owner);
	RTC_INJECT("batch_executed");
	if (result != RTC_EXEC_DONE)
		return result;
	RTC_INJECT("batch_checked");
	strlcpy(pos->held_by, pos->owner, sizeof(pos->held_by));
	if (closed)
		rtc_closed_noted();
	count(batch);
	return RTC_EXEC_DONE;
}

RtcConnResult
rtc_batch_unlink(RtcBatch *batch, RtcConn *conn)
{
	RtcReply   *replies;
	int			nreplies;

	if (batch->nops == 0)
		return RTC_CONN_OK;
	/* the tags were dropped when it was tried */
	append_unlinks(batch, conn, true);
	append_publish(batch, conn);
	replies = rtc_conn_exchange(conn, batch_timeout(batch), &nreplies);
	if (replies == NULL)
		return RTC_CONN_FAILED;
	if (rtc_conn_judge(conn, replies, nreplies) != RTC_CONN_OK)
	{
		rtc_stat_inc(RTC_STAT_ERRORS);
		return RTC_CONN_FAILED;
	}
	rtc_stat_add(RTC_STAT_DELS, batch->nops - batch->ntags);
	return RTC_CONN_OK;
}

/* Drops all that is in the tag sets. */
static bool
drop_tags(RtcBatch *batch, RtcConn *conn)
{
	const char **tags;
	uint64		dropped = 0;
	int			n = 0;
	RtcConnResult result;
	ListCell   *lc;

	if (batch->ntags == 0)
		return true;
	tags = palloc(batch->ntags * sizeof(char *));
	foreach(lc, batch->ops)
	{
		const RtcBatchOp *op = lfirst(lc);

		if (op->is_tag)
			tags[n++] = op->key;
	}
	result = rtc_tags_drop(conn, tags, n, &dropped);
	rtc_stat_add(RTC_STAT_TAG_DROPS, dropped);
	batch->progressed = dropped > 0;
	return result == RTC_CONN_OK;
}

static int
batch_timeout(RtcBatch *batch)
{
	double		timeouts = 1 + batch->bytes / RTC_BYTES_PER_TIMEOUT;

	return (int) Min(timeouts * rtc_command_timeout, INT_MAX);
}

/* Completes a SET, to which the key was added, and appends it. */
static void
append_set(RtcConn *conn, RtcArgs *args, const char *value, size_t len,
		   int64 ttl_ms)
{
	rtc_args_bytes(args, value, len);
	if (ttl_ms > 0)
	{
		rtc_args_text(args, "PX");
		rtc_args_number(args, ttl_ms);
	}
	rtc_conn_append(conn, args);
}

static void
append_sets(RtcBatch *batch, RtcConn *conn)
{
	RtcArgs		args = {0};
	ListCell   *lc;

	foreach(lc, batch->ops)
	{
		const RtcBatchOp *op = lfirst(lc);

		if (!op->is_set || op->is_fold)
			continue;
		rtc_args_begin(&args, "SET");
		rtc_args_bytes(&args, op->key, op->keylen);
		append_set(conn, &args, op->value, op->vallen, op->ttl_ms);
		if (!op->is_put)
			continue;
		rtc_args_begin(&args, "SET");
		rtc_query_name(rtc_args_next(&args), op->key, op->keylen);
		append_set(conn, &args, RTC_USERS_COMPANION,
				   strlen(RTC_USERS_COMPANION), op->ttl_ms);
	}
	rtc_args_free(&args);
}

/*
 * Leases and companions of all touched keys, and deleted keys; all: those that
 * are set as well.
 */
static void
append_unlinks(RtcBatch *batch, RtcConn *conn, bool all)
{
	RtcArgs		args = {0};
	ListCell   *lc;

	rtc_args_begin(&args, "UNLINK");
	foreach(lc, batch->ops)
	{
		const RtcBatchOp *op = lfirst(lc);

		if (op->is_tag)
			continue;
		rtc_lease_name(rtc_args_next(&args), op->key, op->keylen);
		if (all || !op->is_put)
			rtc_query_name(rtc_args_next(&args), op->key, op->keylen);
		if (all || !op->is_set)
			rtc_args_bytes(&args, op->key, op->keylen);

		if (args.n >= RTC_UNLINK_CHUNK)
		{
			rtc_conn_append(conn, &args);
			rtc_args_begin(&args, "UNLINK");
		}
	}
	if (args.n > 1)
		rtc_conn_append(conn, &args);
	rtc_args_free(&args);
}

/*
 * Stores the rows of keys that are written behind.  They come behind the SETs and
 * the UNLINKs: the id of what has come round, which tells what a row contains,
 * is one of those.  The first one brings the text of the script, lest the EXEC
 * fail for want of it.
 */
static void
append_folds(RtcBatch *batch, RtcConn *conn)
{
	RtcArgs		args = {0};
	bool		by_text = true;
	ListCell   *lc;

	if (batch->nfolds == 0)
		return;
	foreach(lc, batch->ops)
	{
		const RtcBatchOp *op = lfirst(lc);
		StringInfo	inbox;

		if (!op->is_fold)
			continue;
		rtc_args_begin(&args, by_text ? "EVAL" : "EVALSHA");
		rtc_args_text(&args, by_text ? rtc_script_behind.text :
					  rtc_script_behind.sha);
		by_text = false;
		rtc_args_number(&args, 2);
		rtc_args_bytes(&args, op->key, op->keylen);
		inbox = rtc_args_next(&args);
		appendBinaryStringInfo(inbox, op->key, op->prefixlen);
		appendStringInfoString(inbox, RTC_INBOX_SUFFIX);
		rtc_args_text(&args, "row");
		rtc_args_bytes(&args, op->value, op->vallen);
		rtc_args_number(&args, op->ttl_ms);
		rtc_conn_append(conn, &args);
	}
	rtc_args_free(&args);
}

static void
append_publish(RtcBatch *batch, RtcConn *conn)
{
	ListCell   *lc;

	foreach(lc, batch->ops)
	{
		const RtcBatchOp *op = lfirst(lc);

		if (!op->is_tag && !rtc_publish_key(conn, op->key, op->keylen))
			break;
	}
}

static void
count(RtcBatch *batch)
{
	uint64		sets = 0;
	uint64		bytes = 0;
	ListCell   *lc;

	foreach(lc, batch->ops)
	{
		const RtcBatchOp *op = lfirst(lc);

		if (op->is_set)
			sets++;
		bytes += op->vallen;
	}
	rtc_stat_add(RTC_STAT_SETS, sets);
	rtc_stat_add(RTC_STAT_DELS, batch->nops - batch->ntags - sets);
	rtc_stat_add(RTC_STAT_BYTES_WRITTEN, bytes);
}
