/*-------------------------------------------------------------------------
 *
 * stream_state.h
 *		The state of the relay's work on Redis.  See stream_state.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STREAM_STATE_H
#define RTC_STREAM_STATE_H

#include "postgres.h"

#include "op.h"
#include "redis/conn.h"
#include "relay/batch.h"
#include "relay/jobs.h"
#include "relay/lag.h"
#include "relay/position.h"
#include "relay/progress.h"
#include "relay/suspect.h"
#include "relay/tag_sweep.h"
#include "wal/reader.h"

/* The position is stored at least this often, for others to see us alive. */
#define RTC_HEARTBEAT_MS	10000

/*
 * One for the life of the relay.  The rooms store, clear, apply and stream
 * work on it, each of which may call those before it.
 */
typedef struct RtcStream
{
	MemoryContext work;			/* reset with each call */
	MemoryContext replies;		/* reset with each batch: one commit may need
								 * many */
	RtcConn    *conn;
	RtcWalReader *reader;
	RtcBatch   *batch;
	RtcSuspect *suspect;
	RtcJobs    *jobs;
	RtcSweep   *sweep;
	RtcLag	   *lag;

	RtcProgress progress;
	RtcPosition pos;			/* as it was read, or stored last */
	RtcPositionMemory memory;
	RtcWalEvent event;			/* the next one */
	bool		have_event;		/* it waits to be visible */

	/* what holds for this connection */
	bool		same;			/* this Redis is as we left it (jobs.c) */
	bool		full;			/* Redis is out of memory: only delete */
	bool		announced;		/* said that we caught up */
	bool		proven;			/* something was applied, or there was nothing
								 * left to apply */
	uint64		replayed;		/* commits applied before that */
	uint64		evicted;		/* keys that Redis had evicted at the last
								 * look */
	Oid			emptied;		/* database that the last op has cleared, and
								 * in which no lookup has stored since */

	uint64		cleared;		/* horizon of the clear whose deletions this
								 * relay has done in this Redis; 0 = none */
	int64		pruned_ms;		/* when the reader was pruned; monotonic */
	int64		stored_ms;		/* when the position was stored; likewise */
	int64		skipped_ms;		/* when it was told last that a database does
								 * without Redis; likewise */
	char		error[RTC_ERROR_LEN];	/* why the stream is down */
} RtcStream;

/* Makes one in the current memory context; not connected. */
extern RtcStream *rtc_stream_create(void);

/* Closes the connection and the way of lookups to Redis. */
extern void rtc_stream_disconnect(RtcStream *s);

/*
 * Disconnects, and notes why: by a text, or by the error of the connection.
 * Returns false, for brevity.
 */
extern bool rtc_stream_fail(RtcStream *s, const char *text);
extern bool rtc_stream_down(RtcStream *s);

#endif							/* RTC_STREAM_STATE_H */
