/*-------------------------------------------------------------------------
 *
 * oplist.c
 *		The ops of the current transaction.
 *
 * Ops are kept in wire form, one behind the other, in one growing buffer.
 * A savepoint is an offset into it (a mark): rolling back cuts the buffer
 * there, releasing hands the mark to the parent.  While a subtransaction
 * runs its parents add nothing, so the ops of the current level are always
 * the end of the buffer.
 *
 * When the buffer would grow above rtcache.xact_buffer, the ops of the
 * current level are written to WAL early, with the xid of the current
 * (sub)transaction, so that they count only if the commit record lists it.
 * The ops of the parents stay, although they are older; so each message says
 * with first_seq where it belongs, and the relay sorts.  For that the ranges
 * of two messages must never overlap: the buffer is divided into segments,
 * and a new one begins wherever something was written out in between.
 *
 * Before the ops are written they are merged (op_merge.c).  A row that leaves
 * a key takes back only what was stored of that row, whatever the order in
 * which triggers fire: rows can exchange their keys.
 *
 * What the transaction changes without naming keys is in the set of changed_deps.c.
 * It becomes TAG ops at the very end, behind the barrier that makes the stamps
 * pending: only then can be known who depends on what (interest.c).  They need
 * no place in the order of the other ops, since what they delete is what was
 * filled from a query, and no fill comes through while stamps are pending.
 *
 * Model: per backend, no locks.  Memory belongs to TopTransactionContext.
 * Adding and flushing may raise; what the transaction callbacks use for
 * COMMIT, ABORT and the end of a subtransaction neither allocates nor raises.
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
#include "wal/message.h"
#include "wal/queue.h"
#include "write/changed_deps.h"
#include "write/op_merge.h"
#include "write/oplist.h"

/* A message is closed when it has grown to this; one op may exceed it. */
#define RTC_MESSAGE_TARGET	(256 * 1024)

/*
 * Ops of a level that are worth a message of their own while the level still
 * runs.  When it ends, fewer are written as well.
 */
#define RTC_MIN_WRITE_OUT	(32 * 1024)

/* Where the ops of a subtransaction begin. */
typedef struct RtcMark
{
	int			nestlevel;
	int			offset;
	uint64		seq;			/* next_seq at that time */
} RtcMark;

/* Ops from offset on were added when next_seq was first_seq or later. */
typedef struct RtcSegment
{
	int			offset;
	uint64		first_seq;
} RtcSegment;

/* The state of the current transaction; all zero when it has no ops. */
typedef struct RtcOpList
{
	bool		active;			/* ops were added in this transaction */
	bool		logged;			/* some of them are in WAL */
	bool		early;			/* some were written before PRE_COMMIT */
	bool		flushed;		/* PRE_COMMIT is over: write through */
	bool		unlogged;		/* ops were dropped: the queue was off */
	bool		cleared;		/* a CLEAR stands for too many changes */
	StringInfoData buf;			/* ops in wire form */
	uint64		next_seq;		/* ops added so far; never goes back */
	RtcMark    *mark;			/* by nest level and offset, ascending */
	int			nmarks;
	int			maxmarks;
	RtcSegment *segment;		/* by offset, ascending; [0].offset is 0 */
	int			nsegments;
	int			maxsegments;
	RtcPutKeys	puts;			/* rolled back or not */
} RtcOpList;

static RtcOpList list;

static void begin_list(void);
static int	level_start(uint64 *seq);
static int	find_segment(int offset);
static void write_out(int from, uint64 seq);
static bool queue_is_on(void);
static void write_messages(int from, uint64 seq);
static void append_op(StringInfo message, int begin, int end, RtcOpKind kind);
static void touch_bucket(const RtcOp *op);
static void add_tags(void);
static void add_late(const RtcOp *op);

/*
 * Adds an op; see oplist.h.
 */
void
rtc_oplist_add(const RtcOp *op)
{
	int			nestlevel = GetCurrentTransactionNestLevel();
	Size		size = op->keylen + (Size) op->vallen + 64;
	int			start;
	uint64		seq;

	PreventCommandDuringRecovery("writing to the cache");
	PreventCommandIfReadOnly("writing to the cache");
	PreventCommandIfParallelMode("writing to the cache");

	if (!list.active)
		begin_list();
	touch_bucket(op);
	rtc_op_note_put(&list.puts, op);

	start = level_start(&seq);
	if (list.buf.len - start >= RTC_MIN_WRITE_OUT &&
		list.buf.len + size > rtc_xact_buffer * (Size) 1024)
		write_out(start, seq);

	if (nestlevel > 1 &&
		(list.nmarks == 0 ||
		 list.mark[list.nmarks - 1].nestlevel < nestlevel))
	{
		if (list.nmarks == list.maxmarks)
		{
			list.mark = repalloc(list.mark,
								 2 * list.maxmarks * sizeof(RtcMark));
			list.maxmarks *= 2;
		}
		list.mark[list.nmarks].nestlevel = nestlevel;
		list.mark[list.nmarks].offset = list.buf.len;
		list.mark[list.nmarks].seq = list.next_seq;
		list.nmarks++;
	}
	rtc_op_encode(&list.buf, op);
	list.next_seq++;
	RTC_INJECT("op_added");

	/* another PRE_COMMIT callback has made an op behind ours */
	if (list.flushed)
		rtc_oplist_flush();
}

/*
 * Adds a dependency; see oplist.h.
 */
bool
rtc_oplist_add_dep(RtcDep dep)
{
	PreventCommandDuringRecovery("writing to the cache");
	PreventCommandIfReadOnly("writing to the cache");
	PreventCommandIfParallelMode("writing to the cache");

	if (!rtc_depset_add(dep))
		return false;

	/* another PRE_COMMIT callback has changed something behind ours */
	if (list.flushed)
		rtc_oplist_flush();
	return true;
}

/*
 * Writes what is left, before the transaction commits or is prepared.
 */
void
rtc_oplist_flush(void)
{
	list.flushed = true;
	rtc_stamp_raise();
	RTC_INJECT("stamps_raised");
	add_tags();
	RTC_INJECT("tags_added");
	if (!list.active)
		return;
	list.nmarks = 0;
	write_out(0, list.segment[0].first_seq);
	RTC_INJECT("messages_written");

	/*
	 * Without a queue these ops get lost for Redis.  One gap message in WAL
	 * tells whoever connects it later that it cannot trust what is there.
	 */
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
 * A subtransaction is about to end well.  A loop of many small ones never
 * fills the buffer at any one level, so the limit is kept here as well.
 */
void
rtc_oplist_pre_subcommit(void)
{
	uint64		seq;
	int			start;

	if (!list.active)
		return;
	start = level_start(&seq);
	if (list.buf.len > start &&
		list.buf.len > rtc_xact_buffer * (Size) 1024)
		write_out(start, seq);
}

void
rtc_oplist_subcommit(int nestlevel)
{
	RtcMark    *top;

	if (list.nmarks == 0)
		return;
	top = &list.mark[list.nmarks - 1];
	if (top->nestlevel < nestlevel)
		return;
	top->nestlevel = nestlevel - 1;
	if (top->nestlevel <= 1 ||
		(list.nmarks > 1 && top[-1].nestlevel == top->nestlevel))
		list.nmarks--;
}

void
rtc_oplist_subabort(int nestlevel)
{
	while (list.nmarks > 0 &&
		   list.mark[list.nmarks - 1].nestlevel >= nestlevel)
	{
		int			offset = list.mark[--list.nmarks].offset;

		list.buf.len = offset;
		list.buf.data[offset] = '\0';

		/*
		 * Segments that began behind the mark were begun by this
		 * subtransaction's own early messages, which do not count any more.
		 */
		while (list.nsegments > 1 &&
			   list.segment[list.nsegments - 1].offset > offset)
			list.nsegments--;
	}
}

static void
begin_list(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	initStringInfo(&list.buf);
	list.maxmarks = 8;
	list.mark = palloc(list.maxmarks * sizeof(RtcMark));
	list.maxsegments = 8;
	list.segment = palloc(list.maxsegments * sizeof(RtcSegment));
	list.segment[0].offset = 0;
	list.segment[0].first_seq = 0;
	list.nsegments = 1;
	list.active = true;
	MemoryContextSwitchTo(old);
}

/*
 * Where the ops of the current nest level begin, those that may be written
 * with the current xid, and the number of the first of them.
 */
static int
level_start(uint64 *seq)
{
	int			nestlevel = GetCurrentTransactionNestLevel();
	RtcMark    *top = list.nmarks > 0 ? &list.mark[list.nmarks - 1] : NULL;

	if (top != NULL && top->nestlevel == nestlevel)
	{
		/* a segment begins at the mark if ops were written out from there */
		*seq = Max(top->seq,
				   list.segment[find_segment(top->offset)].first_seq);
		return top->offset;
	}
	if (nestlevel <= 1)
	{
		*seq = list.segment[0].first_seq;
		return 0;
	}
	*seq = list.next_seq;
	return list.buf.len;
}

/*
 * Index of the segment that holds the op at offset.
 */
static int
find_segment(int offset)
{
	int			i = list.nsegments - 1;

	while (list.segment[i].offset > offset)
		i--;
	return i;
}

/*
 * Writes the ops from an offset on to WAL and forgets them.  "seq" is the
 * number of the first of them.
 */
static void
write_out(int from, uint64 seq)
{
	if (list.buf.len > from)
	{
		if (queue_is_on())
		{
			write_messages(from, seq);
			list.logged = true;
		}
		else
			list.unlogged = true;
		RTC_INJECT("ops_written");
	}
	list.buf.len = from;
	list.buf.data[from] = '\0';

	/* What comes now belongs behind what was just written. */
	while (list.nsegments > 1 &&
		   list.segment[list.nsegments - 1].offset >= from)
		list.nsegments--;
	if (list.segment[list.nsegments - 1].offset < from)
	{
		if (list.nsegments == list.maxsegments)
		{
			list.segment = repalloc(list.segment,
									2 * list.maxsegments * sizeof(RtcSegment));
			list.maxsegments *= 2;
		}
		list.nsegments++;
	}
	list.segment[list.nsegments - 1].offset = from;
	list.segment[list.nsegments - 1].first_seq = list.next_seq;
}

/*
 * Do ops go to WAL now?
 *
 * The xid comes first and the question second: a relay that turns the queue
 * on waits for all xids from before.
 */
static bool
queue_is_on(void)
{
	(void) GetTopTransactionId();
	return rtc_queue_is_on();
}

/*
 * Writes the ops from an offset on as messages, each of one segment.
 *
 * An op's number is counted from the start of its segment.  A rollback in
 * between makes that less than its real number, but never less than that of
 * an op before it, nor more than that of one behind it in another message.
 */
static void
write_messages(int from, uint64 seq)
{
	RtcMergedOps ops;
	int			seg = find_segment(from);
	uint64		message_seq = 0;
	uint32		message_nops = 0;
	bool		has_gone = false;
	StringInfoData message;

	if (!list.flushed)
		list.early = true;
	rtc_op_merge(list.buf.data, from, list.buf.len, !list.early, &list.puts,
				 &ops);
	initStringInfo(&message);
	for (uint32 i = 0; i < ops.nops; i++, seq++)
	{
		int			begin = ops.offset[i];
		int			op_seg = find_segment(begin);

		if (op_seg != seg)
			seq = list.segment[op_seg].first_seq;
		if (message_nops > 0 &&
			(op_seg != seg || message.len >= RTC_MESSAGE_TARGET))
		{
			rtc_message_write(message.data, message.len, message_nops,
							  message_seq, has_gone);
			resetStringInfo(&message);
			message_nops = 0;
			has_gone = false;
		}
		seg = op_seg;
		if (ops.kind[i] == 0)
			continue;
		if (message_nops == 0)
			message_seq = seq;
		append_op(&message, begin, ops.offset[i + 1], ops.kind[i]);
		has_gone |= ops.kind[i] == RTC_OP_GONE;
		message_nops++;
	}
	if (message_nops > 0)
		rtc_message_write(message.data, message.len, message_nops,
						  message_seq, has_gone);
	pfree(message.data);
	rtc_op_merge_free(&ops);
}

/*
 * Appends the op between two offsets, as one of this kind.
 */
static void
append_op(StringInfo message, int begin, int end, RtcOpKind kind)
{
	const char *encoded = list.buf.data + begin;
	RtcOp		op;

	if (rtc_op_kind(encoded) == kind)
	{
		appendBinaryStringInfo(message, encoded, end - begin);
		return;
	}
	if (!rtc_op_decode(&encoded, list.buf.data + end, &op))
		elog(ERROR, "cache op list is corrupted");
	op.kind = kind;
	rtc_op_encode(message, &op);
}

/*
 * Remembers which dependency the op moves, rolled back or not: a stamp too
 * many costs a hit.
 */
static void
touch_bucket(const RtcOp *op)
{
	if (!rtc_preloaded)
		return;
	if (RtcOpHasKey(op->kind))
		rtc_stamp_touch(rtc_stamp_bucket(rtc_dep_key(op->key, op->keylen)));
	else if (op->kind == RTC_OP_TAG)
		rtc_stamp_touch(rtc_stamp_bucket(op->dep));
	else
		rtc_stamp_touch(rtc_stamp_bucket(rtc_dep_database()));
}

/*
 * Adds TAG ops for what the transaction has changed and anybody depends on in
 * Redis.  Stamps are pending by now, and there was a barrier behind that; who
 * registers only now sees them.
 */
static void
add_tags(void)
{
	uint32		pos = 0;
	RtcDep		dep;

	if (rtc_depset_overflowed())
	{
		RtcOp		op = {.kind = RTC_OP_CLEAR};

		if (!list.cleared)
			add_late(&op);
		list.cleared = true;
		return;
	}

	while (rtc_depset_next(&pos, &dep))
	{
		RtcOp		op = {.kind = RTC_OP_TAG,.dep = dep};

		if (rtc_depset_is_wanted(dep))
			add_late(&op);
	}
}

/*
 * Adds an op behind all others, at the outermost level.
 */
static void
add_late(const RtcOp *op)
{
	if (!list.active)
		begin_list();
	rtc_op_encode(&list.buf, op);
	list.next_seq++;
}
