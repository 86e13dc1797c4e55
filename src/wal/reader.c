/*-------------------------------------------------------------------------
 *
 * reader.c
 *		From WAL to the ops of the next committed transaction.
 *
 * Looks at two resource managers, logical messages and transactions, and
 * skips the rest.  For each open (sub)transaction it remembers where its
 * messages lie, not what is in them, so that memory stays bounded however
 * much a transaction writes; small ones are kept as they come, up to a
 * limit, since most transactions are small and commit soon.  At commit the
 * messages of the transaction and of the subtransactions that its commit
 * record lists are read again, in the order of their first_seq.
 *
 * A commit is reported when its record is flushed.  It may not be visible
 * yet: that is for the caller to wait for.
 *
 * Model: used by the relay alone.  WAL is read with the server's XLogReader,
 * which follows timelines by itself.  Running into the end of flushed WAL,
 * or into WAL that has been removed or is damaged, is an event.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "access/xlogrecord.h"
#include "access/xlogutils.h"
#include "miscadmin.h"
#include "replication/message.h"
#include "storage/procarray.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/wal_bounds.h"
#include "compat.h"
#include "stats.h"
#include "wal/reader.h"

/* Messages up to this size are kept, as long as all kept ones fit below. */
#define RTC_KEEP_MESSAGE	8192
#define RTC_KEEP_TOTAL		(4 * 1024 * 1024)

/* Records read before the caller gets a chance to look around. */
#define RTC_RECORDS_PER_CALL 1000

/* One message of an open transaction. */
typedef struct RtcMessageRef
{
	XLogRecPtr	lsn;			/* start of its record */
	uint64		first_seq;
	uint64		seal;			/* the first bytes of its seal */
	bool		has_gone;		/* there are GONE ops in it */
	char	   *kept;			/* the message, or NULL: read it again */
	uint32		keptlen;
} RtcMessageRef;

/* An open (sub)transaction that has written messages. */
typedef struct RtcOpenXact
{
	TransactionId xid;			/* hash key */
	List	   *refs;			/* of RtcMessageRef *, in the order of WAL */
	XLogRecPtr	dead_from;		/* not running when WAL ended here; 0 = not
								 * looked at */
} RtcOpenXact;

struct RtcWalReader
{
	MemoryContext context;		/* everything below */
	XLogReaderState *scan;		/* goes forward through WAL */
	XLogReaderState *fetch;		/* reads messages again */
	RtcReadPrivate scan_private;
	RtcReadPrivate fetch_private;
	XLogRecPtr	lsn;			/* end of the last record scanned */
	RtcWalMark	last;			/* that record */
	HTAB	   *open;			/* RtcOpenXact by xid */
	Size		kept_total;

	/* the commit just read */
	List	   *refs;			/* of RtcMessageRef *, in the order of its ops */
	int			current;		/* index of the next message to open */
	RtcMessage	msg;			/* the one that is open */
	const char *msg_pos;		/* its next op; NULL = none is open */
};

static XLogReaderState *make_reader(RtcReadPrivate *private);
static void complain(XLogRecPtr lsn, const char *errormsg);
static bool read_record(RtcWalReader *reader, XLogReaderState *state,
						char **errormsg);
static bool fetch_record(RtcWalReader *reader, XLogRecPtr lsn,
						 char **errormsg);
static void note_message(RtcWalReader *reader, RtcWalEvent *event);
static bool note_xact(RtcWalReader *reader, RtcWalEvent *event);
static bool read_message_record(XLogReaderState *state, RtcMessage *msg);
static void collect(RtcWalReader *reader, TransactionId xid);
static void forget(RtcWalReader *reader, TransactionId xid);
static void free_refs(RtcWalReader *reader, List *refs);
static int	compare_refs(const ListCell *a, const ListCell *b);
static bool open_message(RtcWalReader *reader, RtcMessageRef *ref,
						 bool *gone);

RtcWalReader *
rtc_wal_reader_create(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "rtcache WAL reader",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RtcWalReader *reader = palloc0(sizeof(RtcWalReader));
	HASHCTL		ctl;

	reader->context = context;
	reader->scan = make_reader(&reader->scan_private);
	reader->fetch = make_reader(&reader->fetch_private);
	ctl.keysize = sizeof(TransactionId);
	ctl.entrysize = sizeof(RtcOpenXact);
	ctl.hcxt = context;
	reader->open = hash_create("rtcache open transactions", 128, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	MemoryContextSwitchTo(old);
	return reader;
}

void
rtc_wal_reader_seek(RtcWalReader *reader, XLogRecPtr lsn)
{
	HASH_SEQ_STATUS seq;
	RtcOpenXact *xact;

	rtc_wal_reader_done(reader);
	hash_seq_init(&seq, reader->open);
	while ((xact = hash_seq_search(&seq)) != NULL)
		forget(reader, xact->xid);
	reader->lsn = lsn;
	reader->last.lsn = InvalidXLogRecPtr;
}

void
rtc_wal_reader_next(RtcWalReader *reader, RtcWalEvent *event)
{
	XLogRecPtr	flushed = GetFlushRecPtr(NULL);

	memset(event, 0, sizeof(*event));
	reader->scan_private.core.end_of_wal = false;
	reader->scan_private.gone = false;
	XLogBeginRead(reader->scan, reader->lsn);

	for (int i = 0; i < RTC_RECORDS_PER_CALL; i++)
	{
		char	   *errormsg;
		bool		found = false;

		/* to try would make the server's reader forget page and segment */
		if (reader->lsn >= flushed)
		{
			event->kind = RTC_WAL_END;
			event->lsn = reader->lsn;
			return;
		}
		if (!read_record(reader, reader->scan, &errormsg))
		{
			if (reader->scan_private.gone)
				event->kind = RTC_WAL_GONE;
			else if (reader->scan_private.core.end_of_wal)
				event->kind = RTC_WAL_END;
			else
			{
				complain(reader->lsn, errormsg);
				event->kind = RTC_WAL_GONE;
			}
			/* no record that ends before what was flushed is left unread */
			event->lsn = Max(reader->lsn, flushed);
			return;
		}
		reader->lsn = reader->scan->EndRecPtr;
		reader->last.lsn = reader->scan->ReadRecPtr;
		reader->last.crc = reader->scan->record->header.xl_crc;
		event->lsn = reader->lsn;

		if (XLogRecGetRmid(reader->scan) == RM_LOGICALMSG_ID)
		{
			event->kind = RTC_WAL_PAUSE;
			note_message(reader, event);
			found = event->kind != RTC_WAL_PAUSE;
		}
		else if (XLogRecGetRmid(reader->scan) == RM_XACT_ID)
			found = note_xact(reader, event);
		if (found)
			return;
	}
	event->kind = RTC_WAL_PAUSE;
}

bool
rtc_wal_reader_next_op(RtcWalReader *reader, RtcOp *op,
					   const RtcMessage **msg, bool *gone)
{
	const char *end;

	*gone = false;
	for (;;)
	{
		RtcMessageRef *ref;
		RtcMessageRef *last;

		if (reader->msg_pos != NULL)
		{
			*msg = &reader->msg;
			end = reader->msg.ops + reader->msg.opslen;
			if (reader->msg_pos < end)
			{
				if (rtc_op_decode(&reader->msg_pos, end, op))
					return true;
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("sealed WAL message holds no valid op")));
			}
			reader->msg_pos = NULL;
		}
		if (reader->current == list_length(reader->refs))
			return false;

		/* the same message twice: a replay inside the transaction */
		ref = list_nth(reader->refs, reader->current);
		last = reader->current == 0 ? NULL :
			list_nth(reader->refs, reader->current - 1);
		if (last != NULL && ref->first_seq == last->first_seq &&
			ref->seal == last->seal)
			rtc_stat_inc(RTC_STAT_MESSAGES_REFUSED);
		else if (!open_message(reader, ref, gone))
			return false;
		reader->current++;
	}
}

bool
rtc_wal_reader_has_gone(RtcWalReader *reader)
{
	ListCell   *lc;

	foreach(lc, reader->refs)
	{
		if (((RtcMessageRef *) lfirst(lc))->has_gone)
			return true;
	}
	return false;
}

void
rtc_wal_reader_rewind(RtcWalReader *reader)
{
	reader->current = 0;
	reader->msg_pos = NULL;
}

void
rtc_wal_reader_done(RtcWalReader *reader)
{
	free_refs(reader, reader->refs);
	reader->refs = NIL;
	reader->current = 0;
	reader->msg_pos = NULL;
}

XLogRecPtr
rtc_wal_reader_lsn(RtcWalReader *reader)
{
	return reader->lsn;
}

const RtcWalMark *
rtc_wal_reader_mark(RtcWalReader *reader)
{
	return &reader->last;
}

bool
rtc_wal_reader_has(RtcWalReader *reader, const RtcWalMark *mark)
{
	char	   *errormsg;

	if (!fetch_record(reader, mark->lsn, &errormsg))
		return reader->fetch_private.gone;
	return reader->fetch->record->header.xl_crc == mark->crc;
}

XLogRecPtr
rtc_wal_reader_restart(RtcWalReader *reader)
{
	HASH_SEQ_STATUS seq;
	RtcOpenXact *xact;
	XLogRecPtr	oldest = reader->lsn;
	ListCell   *lc;

	hash_seq_init(&seq, reader->open);
	while ((xact = hash_seq_search(&seq)) != NULL)
		oldest = Min(oldest, ((RtcMessageRef *) linitial(xact->refs))->lsn);
	foreach(lc, reader->refs)
		oldest = Min(oldest, ((RtcMessageRef *) lfirst(lc))->lsn);
	return oldest;
}

/*
 * A transaction that was not running when WAL ended at dead_from has its end
 * before that, or none at all.
 *
 * Asking for the oldest running one never looks into pg_subtrans, where the
 * parents of dead subtransactions may be gone.
 */
void
rtc_wal_reader_prune(RtcWalReader *reader)
{
	TransactionId oldest = GetOldestActiveTransactionId_compat();
	HASH_SEQ_STATUS seq;
	RtcOpenXact *xact;

	hash_seq_init(&seq, reader->open);
	while ((xact = hash_seq_search(&seq)) != NULL)
	{
		if (!XLogRecPtrIsInvalid(xact->dead_from))
		{
			if (reader->lsn >= xact->dead_from)
				forget(reader, xact->xid);
		}
		else if (TransactionIdPrecedes(xact->xid, oldest))
			xact->dead_from = rtc_wal_insert_end();
	}
}

/* ---------------- reading ---------------- */

static XLogReaderState *
make_reader(RtcReadPrivate *private)
{
	XLogReaderState *state;

	state = XLogReaderAllocate(wal_segment_size, NULL,
							   XL_ROUTINE(.page_read = rtc_wal_read_page,
										  .segment_open = wal_segment_open,
										  .segment_close = wal_segment_close),
							   private);
	if (state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while allocating a WAL reader.")));
	return state;
}

/*
 * Reports WAL that is there but makes no sense: damaged, or read from where
 * no record begins, since the position was written on other WAL than ours.
 * A clear repairs what follows from it.
 */
static void
complain(XLogRecPtr lsn, const char *errormsg)
{
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not read WAL at %X/%X: %s",
					LSN_FORMAT_ARGS(lsn),
					errormsg ? errormsg : "unknown error")));
}

/*
 * Reads the next record.  The reader keeps buffers that it allocates in the
 * current context.
 */
static bool
read_record(RtcWalReader *reader, XLogReaderState *state, char **errormsg)
{
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	bool		found = XLogReadRecord(state, errormsg) != NULL;

	MemoryContextSwitchTo(old);
	return found;
}

/* Reads one record again; false: it is gone, or there is none. */
static bool
fetch_record(RtcWalReader *reader, XLogRecPtr lsn, char **errormsg)
{
	reader->fetch_private.core.end_of_wal = false;
	reader->fetch_private.gone = false;
	XLogBeginRead(reader->fetch, lsn);
	return read_record(reader, reader->fetch, errormsg);
}

/* ---------------- what the records say ---------------- */

/*
 * Remembers a message of ours, or reports a gap.
 */
static void
note_message(RtcWalReader *reader, RtcWalEvent *event)
{
	TransactionId xid = XLogRecGetXid(reader->scan);
	RtcMessage	msg;
	RtcOpenXact *xact;
	RtcMessageRef *ref;
	xl_logical_message *rec;
	bool		found;
	MemoryContext old;

	rec = (xl_logical_message *) XLogRecGetData(reader->scan);
	if (rec->prefix_size != sizeof(RTC_NAME) ||
		strcmp(rec->message, RTC_NAME) != 0)
		return;
	if (!read_message_record(reader->scan, &msg))
	{
		static int64 last_logged = 0;

		rtc_stat_inc(RTC_STAT_MESSAGES_REFUSED);
		if (rtc_clock_is_due(&last_logged, 60000))
			ereport(WARNING,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("ignoring a WAL message with prefix \"%s\" that carries no valid seal",
							RTC_NAME),
					 errdetail("It was written at %X/%X by transaction %u.",
							   LSN_FORMAT_ARGS(reader->scan->ReadRecPtr),
							   xid),
					 errhint("Somebody may have called pg_logical_emit_message().")));
		return;
	}
	if (msg.kind != RTC_MESSAGE_OPS)
	{
		event->kind = msg.kind == RTC_MESSAGE_GAP ? RTC_WAL_GAP :
			RTC_WAL_OMITTED;
		return;
	}

	old = MemoryContextSwitchTo(reader->context);
	xact = hash_search(reader->open, &xid, HASH_ENTER, &found);
	if (!found)
	{
		xact->refs = NIL;
		xact->dead_from = InvalidXLogRecPtr;
	}
	ref = palloc0(sizeof(RtcMessageRef));
	xact->refs = lappend(xact->refs, ref);
	ref->lsn = reader->scan->ReadRecPtr;
	ref->first_seq = msg.first_seq;
	ref->has_gone = msg.has_gone;
	memcpy(&ref->seal, rec->message + rec->prefix_size, sizeof(ref->seal));
	if (rec->message_size <= RTC_KEEP_MESSAGE &&
		reader->kept_total + rec->message_size <= RTC_KEEP_TOTAL)
	{
		ref->keptlen = rec->message_size;
		ref->kept = palloc(ref->keptlen);
		memcpy(ref->kept, rec->message + rec->prefix_size, ref->keptlen);
		reader->kept_total += ref->keptlen;
	}
	RTC_INJECT("message_noted");
	MemoryContextSwitchTo(old);
}

/*
 * Reads the end of a transaction; true if the caller has to know.
 */
static bool
note_xact(RtcWalReader *reader, RtcWalEvent *event)
{
	uint8		info = XLogRecGetInfo(reader->scan);
	uint8		kind = info & XLOG_XACT_OPMASK;
	TransactionId xid = XLogRecGetXid(reader->scan);

	if (kind == XLOG_XACT_COMMIT || kind == XLOG_XACT_COMMIT_PREPARED)
	{
		xl_xact_commit *rec = (xl_xact_commit *) XLogRecGetData(reader->scan);
		xl_xact_parsed_commit parsed;
		bool		prepared = kind == XLOG_XACT_COMMIT_PREPARED;

		if (!prepared && hash_get_num_entries(reader->open) == 0)
			return false;
		ParseCommitRecord(info, rec, &parsed);
		if (prepared)
			xid = parsed.twophase_xid;
		collect(reader, xid);
		for (int i = 0; i < parsed.nsubxacts; i++)
			collect(reader, parsed.subxacts[i]);
		event->xid = xid;
		event->prepared = prepared;
		event->commit_time = parsed.xact_time;
		if (reader->refs == NIL)
		{
			event->kind = RTC_WAL_SETTLED;
			return prepared;
		}
		list_sort(reader->refs, compare_refs);
		event->kind = RTC_WAL_COMMIT;
		return true;
	}
	if (kind == XLOG_XACT_ABORT || kind == XLOG_XACT_ABORT_PREPARED)
	{
		xl_xact_abort *rec = (xl_xact_abort *) XLogRecGetData(reader->scan);
		xl_xact_parsed_abort parsed;
		bool		prepared = kind == XLOG_XACT_ABORT_PREPARED;

		if (!prepared && hash_get_num_entries(reader->open) == 0)
			return false;
		ParseAbortRecord(info, rec, &parsed);
		if (prepared)
			xid = parsed.twophase_xid;
		forget(reader, xid);
		for (int i = 0; i < parsed.nsubxacts; i++)
			forget(reader, parsed.subxacts[i]);
		event->kind = RTC_WAL_SETTLED;
		event->xid = xid;
		return prepared;
	}
	return false;
}

/*
 * Reads the logical message under the reader as ours.
 */
static bool
read_message_record(XLogReaderState *state, RtcMessage *msg)
{
	xl_logical_message *rec = (xl_logical_message *) XLogRecGetData(state);

	return rtc_message_read(rec->message + rec->prefix_size,
							rec->message_size, XLogRecGetXid(state),
							rec->dbId, rec->transactional, msg);
}

/* ---------------- open transactions ---------------- */

/*
 * Moves the messages of a (sub)transaction to the commit just read.
 */
static void
collect(RtcWalReader *reader, TransactionId xid)
{
	RtcOpenXact *xact = hash_search(reader->open, &xid, HASH_FIND, NULL);
	MemoryContext old = MemoryContextSwitchTo(reader->context);

	if (xact != NULL)
	{
		reader->refs = list_concat(reader->refs, xact->refs);
		list_free(xact->refs);
		hash_search(reader->open, &xid, HASH_REMOVE, NULL);
	}
	MemoryContextSwitchTo(old);
}

static void
forget(RtcWalReader *reader, TransactionId xid)
{
	RtcOpenXact *xact = hash_search(reader->open, &xid, HASH_FIND, NULL);

	if (xact == NULL)
		return;
	free_refs(reader, xact->refs);
	hash_search(reader->open, &xid, HASH_REMOVE, NULL);
}

static void
free_refs(RtcWalReader *reader, List *refs)
{
	ListCell   *lc;

	foreach(lc, refs)
	{
		RtcMessageRef *ref = lfirst(lc);

		if (ref->kept != NULL)
		{
			reader->kept_total -= ref->keptlen;
			pfree(ref->kept);
		}
	}
	list_free_deep(refs);
}

static int
compare_refs(const ListCell *a, const ListCell *b)
{
	const RtcMessageRef *x = lfirst(a);
	const RtcMessageRef *y = lfirst(b);

	if (x->first_seq != y->first_seq)
		return x->first_seq < y->first_seq ? -1 : 1;
	if (x->seal != y->seal)
		return x->seal < y->seal ? -1 : 1;
	return x->lsn < y->lsn ? -1 : x->lsn > y->lsn;
}

/*
 * Opens a message of the commit just read, from memory or from WAL.  Its
 * seal was checked when it was first seen.
 */
static bool
open_message(RtcWalReader *reader, RtcMessageRef *ref, bool *gone)
{
	XLogReaderState *state = reader->fetch;
	bool		valid;

	if (ref->kept != NULL)
		valid = rtc_message_parse(ref->kept, ref->keptlen, &reader->msg);
	else
	{
		char	   *errormsg;
		xl_logical_message *rec;

		if (!fetch_record(reader, ref->lsn, &errormsg))
		{
			if (!reader->fetch_private.gone)
				complain(ref->lsn, errormsg);
			*gone = true;
			return false;
		}
		rec = (xl_logical_message *) XLogRecGetData(state);
		valid = XLogRecGetRmid(state) == RM_LOGICALMSG_ID &&
			rtc_message_parse(rec->message + rec->prefix_size,
							  rec->message_size, &reader->msg);
	}
	if (!valid)
		elog(ERROR, "WAL message at %X/%X changed", LSN_FORMAT_ARGS(ref->lsn));
	reader->msg_pos = reader->msg.ops;
	return true;
}
