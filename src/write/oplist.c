/*-------------------------------------------------------------------------
 *
 * oplist.c
 *		The ops of the current transaction.
 *
 * Ops are kept in wire form in one growing buffer, with a list of where they
 * begin.  A savepoint is an index into that list: rolling back cuts the list
 * there, releasing hands the savepoint to the parent.  While a subtransaction
 * runs its parents add nothing, so the ops of the current level are always the
 * end of the list.
 *
 * When the buffer would exceed rtcache.xact_buffer, the ops of the current
 * level are written to WAL early, with the xid of the current
 * (sub)transaction, so that they count only if the commit record lists it.
 * Older ops of the parents stay.  So each message tells by first_seq where it
 * belongs, and the relay sorts.  The ranges of two messages must not overlap
 * for that.  So a message holds ops of one generation only, and each writing
 * begins a new one: of two ops of one generation, the later one is written
 * with the earlier one or before it, with all that lies between them.
 *
 * Ops are merged before they are written (op_merge.c).
 *
 * What the transaction changes without naming keys is in changed_deps.c.  It
 * becomes TAG ops at the very end, with the stamps pending: only then is it
 * known who depends on what (interest.c).  TAG ops need no place in the order
 * of the others: they delete what was filled from a query, and no fill comes
 * through while stamps are pending.
 *
 * Model: per backend, no locks.  Memory belongs to TopTransactionContext.
 * Adding and writing may raise.  What COMMIT, ABORT and the end of a
 * subtransaction call neither allocates nor raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/inject.h"
#include "dep/stamps.h"
#include "guc.h"
#include "table_stats.h"
#include "wal/message.h"
#include "wal/queue.h"
#include "write/changed_deps.h"
#include "write/op_merge.h"
#include "write/oplist.h"
#include "write/table_counts.h"

/* A message is closed when it has grown to this; one op may exceed it. */
#define RTC_MESSAGE_TARGET	(256 * 1024)

/* Bytes of ops that are worth a message while their level still runs. */
#define RTC_MIN_WRITE_OUT	(32 * 1024)

/* Where the ops of a subtransaction begin. */
typedef struct RtcSavepoint
{
	struct RtcSavepoint *outer; /* NULL = it is the first one */
	int			nestlevel;
	uint32		first;			/* index of its first op */
} RtcSavepoint;

/* The state of the current transaction; all zero when it has no ops. */
typedef struct RtcOpList
{
	bool		active;			/* ops were added in this transaction */
	bool		logged;			/* some of them are in WAL */
	bool		early;			/* some were written before PRE_COMMIT */
	bool		closed;			/* PRE_COMMIT is over: write at once */
	bool		unlogged;		/* ops were dropped: the queue was off */
	bool		cleared;		/* a CLEAR stands for too many changes */
	StringInfoData buf;			/* ops in wire form */
	RtcListedOp *op;			/* where they begin */
	uint32		nops;
	uint32		maxops;
	uint32		generation;		/* of what is added now */
	RtcSavepoint *savepoint;	/* the innermost one with ops, or NULL */
	bool		puts;			/* some were PUTs, rolled back or not */
} RtcOpList;

static RtcOpList list;

static void
check_may_write(void)
{
	PreventCommandDuringRecovery("writing to the cache");
	PreventCommandIfReadOnly("writing to the cache");
	PreventCommandIfParallelMode("writing to the cache");
}

static void
begin_list(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	initStringInfo(&list.buf);
	list.maxops = 64;
	list.op = palloc(list.maxops * sizeof(RtcListedOp));
	list.active = true;
	MemoryContextSwitchTo(old);
}

/* Adds an op behind all others; it is in the list when nothing can raise. */
static void
push(const RtcOp *op)
{
	uint32		offset;

	if (!list.active)
		begin_list();
	if (list.nops == list.maxops)
	{
		list.op = repalloc_huge(list.op,
								2 * (Size) list.maxops * sizeof(RtcListedOp));
		list.maxops *= 2;
	}
	offset = list.buf.len;
	rtc_op_encode(&list.buf, op);
	list.op[list.nops].offset = offset;
	list.op[list.nops].generation = list.generation;
	list.op[list.nops].relid = op->row.relid;
	list.nops++;
}

/* The ops of this nest level begin here. */
static void
begin_savepoint(int nestlevel)
{
	RtcSavepoint *savepoint = MemoryContextAlloc(TopTransactionContext,
												 sizeof(RtcSavepoint));

	savepoint->outer = list.savepoint;
	savepoint->nestlevel = nestlevel;
	savepoint->first = list.nops;
	list.savepoint = savepoint;
}

static void
end_savepoint(void)
{
	RtcSavepoint *ended = list.savepoint;

	list.savepoint = ended->outer;
	pfree(ended);
}

/* What counts towards rtcache.xact_buffer, in bytes. */
static Size
memory_used(void)
{
	return list.buf.len + list.nops * sizeof(RtcListedOp);
}

/* The first op of the current level: those that may have the current xid. */
static uint32
level_start(void)
{
	int			nestlevel = GetCurrentTransactionNestLevel();

	if (nestlevel <= 1)
		return 0;
	return list.savepoint != NULL && list.savepoint->nestlevel == nestlevel ?
		list.savepoint->first : list.nops;
}

/* Where an op begins, or the end of the buffer. */
static uint32
offset_of(uint32 i)
{
	return i < list.nops ? list.op[i].offset : list.buf.len;
}

/* Forgets the ops from an index on. */
static void
cut(uint32 first)
{
	list.buf.len = offset_of(first);
	list.buf.data[list.buf.len] = '\0';
	list.nops = first;
}

/* Appends an op of the list, as one of this kind. */
static void
append_op(StringInfo message, uint32 i, RtcOpKind kind)
{
	const char *encoded = list.buf.data + list.op[i].offset;
	const char *end = list.buf.data + offset_of(i + 1);
	RtcOp		op;

	if (rtc_op_kind(encoded) == kind)
	{
		appendBinaryStringInfo(message, encoded, end - encoded);
		return;
	}
	if (!rtc_op_decode(&encoded, end, &op))
		elog(ERROR, "cache op list is corrupted");
	op.kind = kind;
	rtc_op_encode(message, &op);
}

/* Writes the ops from an index on as messages, each of one generation. */
static void
write_messages(uint32 first)
{
	uint8	   *kind;
	uint32		in_message = 0; /* ops in the current message */
	uint32		begin = first;	/* the first of them */
	bool		has_gone = false;
	StringInfoData message;

	if (!list.closed)
		list.early = true;
	kind = rtc_op_merge(list.buf.data, list.buf.len, &list.op[first],
						list.nops - first, !list.early, list.puts);
	initStringInfo(&message);
	for (uint32 i = first; i <= list.nops; i++)
	{
		if (in_message > 0 &&
			(i == list.nops || message.len >= RTC_MESSAGE_TARGET ||
			 list.op[i].generation != list.op[begin].generation))
		{
			rtc_message_write(message.data, message.len, in_message,
							  (uint64) list.op[begin].generation << 32 | begin,
							  has_gone);
			resetStringInfo(&message);
			in_message = 0;
			has_gone = false;
		}
		if (i == list.nops || kind[i - first] == 0)
			continue;
		if (in_message++ == 0)
			begin = i;
		append_op(&message, i, kind[i - first]);
		if (OidIsValid(list.op[i].relid))
			rtc_table_counts_op(list.op[i].relid,
								RtcOpStores(kind[i - first]));
		has_gone |= kind[i - first] == RTC_OP_GONE;
	}
	pfree(message.data);
	pfree(kind);
}

/*
 * Do ops go to WAL now?  The xid comes first: a relay that turns the queue on
 * waits for all earlier xids.
 */
static bool
queue_is_on(void)
{
	(void) GetTopTransactionId();
	return rtc_queue_is_on();
}

/* Writes the ops from an index on to WAL, forgets them, and begins anew. */
static void
write_out(uint32 first)
{
	if (list.nops > first)
	{
		if (queue_is_on())
		{
			write_messages(first);
			list.logged = true;
		}
		else
			list.unlogged = true;
		RTC_INJECT("ops_written");
	}
	cut(first);
	list.generation++;
}

/* Touches the stamp of an op, rolled back or not: one too many costs a hit. */
static void
touch_bucket(const RtcOp *op)
{
	if (!rtc_preloaded)
		return;
	if (RtcOpHasKey(op->kind))
		rtc_stamp_touch(rtc_stamp_bucket(rtc_dep_key(op->key, op->keylen)));
	else if (op->kind == RTC_OP_TAG)
		rtc_stamp_touch(rtc_stamp_bucket(op->dep));
	else if (op->kind != RTC_OP_ROUND)	/* which is no news to SQL */
		rtc_stamp_touch(rtc_stamp_bucket(rtc_dep_database()));
}

void
rtc_oplist_add(const RtcOp *op)
{
	int			nestlevel = GetCurrentTransactionNestLevel();
	Size		size = op->keylen + (Size) op->vallen + 64;
	uint32		start;

	check_may_write();
	if (!list.active)
		begin_list();
	touch_bucket(op);
	list.puts |= op->kind == RTC_OP_PUT;

	start = level_start();
	if (list.buf.len - offset_of(start) >= RTC_MIN_WRITE_OUT &&
		memory_used() + size > rtc_xact_buffer * (Size) 1024)
		write_out(start);

	if (nestlevel > 1 &&
		(list.savepoint == NULL || list.savepoint->nestlevel < nestlevel))
		begin_savepoint(nestlevel);
	push(op);
	RTC_INJECT("op_added");

	/* another PRE_COMMIT callback has made an op behind ours */
	if (list.closed)
		rtc_oplist_write();
}

bool
rtc_oplist_add_dep(RtcDep dep, Oid relid)
{
	check_may_write();
	if (!rtc_depset_add(dep, relid))
		return false;

	/* another PRE_COMMIT callback has changed something behind ours */
	if (list.closed)
	{
		rtc_oplist_add_tags();
		rtc_oplist_write();
	}
	return true;
}

/* TAG ops lie behind all others, at the outermost level. */
void
rtc_oplist_add_tags(void)
{
	RtcOp		clear = {.kind = RTC_OP_CLEAR};
	RtcOp		tag = {.kind = RTC_OP_TAG};
	uint32		pos = 0;
	Oid			relid;

	if (rtc_depset_overflowed())
	{
		if (!list.cleared)
			push(&clear);
		list.cleared = true;
		return;
	}
	while (rtc_depset_next(&pos, &tag.dep, &relid))
	{
		if (!rtc_depset_is_wanted(tag.dep))
			continue;
		push(&tag);
		if (OidIsValid(relid))
			rtc_table_stats_changed(tag.dep, relid);
	}
}

void
rtc_oplist_write(void)
{
	list.closed = true;
	if (!list.active)
		return;
	list.savepoint = NULL;
	write_out(0);
	RTC_INJECT("messages_written");

	/* a gap tells whoever connects Redis later that ops are missing there */
	if (list.unlogged)
		rtc_queue_gap();
	list.unlogged = false;
}

bool
rtc_oplist_is_active(void)
{
	return list.active;
}

bool
rtc_oplist_is_logged(void)
{
	return list.logged;
}

void
rtc_oplist_reset(void)
{
	/* the memory goes with TopTransactionContext */
	memset(&list, 0, sizeof(list));
	rtc_depset_reset();
}

/*
 * Many small subtransactions never fill the buffer at one level, so the limit
 * is kept here too.
 */
void
rtc_oplist_pre_subcommit(void)
{
	uint32		start = level_start();

	if (list.nops > start && memory_used() > rtc_xact_buffer * (Size) 1024)
		write_out(start);
}

void
rtc_oplist_subcommit(int nestlevel)
{
	RtcSavepoint *top = list.savepoint;

	if (top == NULL || top->nestlevel < nestlevel)
		return;
	top->nestlevel = nestlevel - 1;
	if (top->nestlevel <= 1 ||
		(top->outer != NULL && top->outer->nestlevel == top->nestlevel))
		end_savepoint();
}

void
rtc_oplist_subabort(int nestlevel)
{
	while (list.savepoint != NULL && list.savepoint->nestlevel >= nestlevel)
	{
		cut(list.savepoint->first);
		end_savepoint();
	}
}
