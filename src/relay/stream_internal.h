/*-------------------------------------------------------------------------
 *
 * stream_internal.h
 *		What stream.c and apply.c share.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STREAM_INTERNAL_H
#define RTC_STREAM_INTERNAL_H

#include "postgres.h"

#include "relay/batch.h"
#include "relay/position.h"
#include "wal/reader.h"

/* The position is stored at least this often, for others to see us alive. */
#define RTC_HEARTBEAT_MS	10000

/* The relay's way to one Redis. */
typedef struct RtcStream
{
	MemoryContext work;			/* reset with each call */
	MemoryContext replies;		/* reset with each batch: one commit may need
								 * many */
	RtcConn    *conn;
	RtcWalReader *reader;
	RtcBatch   *batch;
	RtcPosition pos;			/* as last stored */
	XLogRecPtr	skip_lsn;		/* commits up to here are in Redis */
	XLogRecPtr	seen_lsn;		/* there is nothing more up to here */
	XLogRecPtr	done_lsn;		/* commits up to here are in Redis or batch */
	XLogRecPtr	batch_lsn;		/* newest commit with ops in the batch */
	XLogRecPtr	target_lsn;		/* L2 opens when this is applied */
	XLogRecPtr	told_lsn;		/* verified_lsn as Redis has it */
	XLogRecPtr	drained_lsn;	/* the horizon passed here; 0 = not yet */
	bool		full;			/* Redis is out of memory: only delete */
	bool		announced;		/* said that we caught up */
	bool		same;			/* this Redis is as we left it (jobs.c) */
	bool		proven;			/* something was applied, or there was nothing
								 * left to apply, since we connected */
	uint64		replayed;		/* commits applied before that */
	RtcWalEvent event;			/* the next one */
	bool		have_event;		/* it waits to be visible */
	int64		pruned_ms;		/* when the reader was pruned; monotonic */
	int64		stored_ms;		/* when the position was stored; likewise */
	char		error[RTC_ERROR_LEN];
} RtcStream;

extern RtcStream rtc_stream;

/* ---- stream.c ---- */

/* Sends the batch, if there is anything in it; false = the stream is down. */
extern bool rtc_stream_send(void);

/* Applies the batch, empty or not, and stores the position; false = down. */
extern bool rtc_stream_store(void);

/*
 * Notes the record just read in the position, which is about to move to its
 * end.
 */
extern void rtc_stream_mark(void);

/*
 * Redis is out of memory: says so, and deletes the keys of the batch; false =
 * down.
 */
extern bool rtc_stream_delete_instead(void);

/*
 * Notes why the stream is down: what the connection says, or a text.  False,
 * for the callers' sake.
 */
extern bool rtc_stream_down(void);
extern bool rtc_stream_fail(const char *text);

/* ---- clear.c ---- */

/* Deletes all that is ours in Redis and starts at the end of WAL. */
extern bool rtc_stream_clear(const char *reason);

/*
 * Has this relay deleted all that is ours in this Redis, so that an unfinished
 * clear need not begin anew, and only waits for transactions?
 */
extern bool rtc_stream_has_cleared(const RtcPosition *pos);

/* After a clear: is it over?  Drops the horizon then.  False = down. */
extern bool rtc_stream_check_drained(void);

/* ---- apply.c ---- */

/* Puts the ops of the commit at hand into batches; false = down. */
extern bool rtc_stream_apply_commit(void);

/*
 * Registers the prefixes that backends have asked for, and those of databases
 * that are to be tried again; goes on with what takes long (jobs.c).  False =
 * down.
 */
extern bool rtc_stream_register_requested(void);
extern bool rtc_stream_step(void);

#endif							/* RTC_STREAM_INTERNAL_H */
