/*-------------------------------------------------------------------------
 *
 * wal_bounds.c
 *		Where WAL begins and ends, and its pages.
 *
 * Model: any process of a server that is not in recovery, or that is where
 * that is said.  What reads pages, or looks for them, raises what I/O does.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/timeline.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "replication/walreceiver.h"

#include "base/wal_bounds.h"

/*
 * The server remembers which segment it removed last only since it started,
 * so look for the file, too.
 *
 * A segment is read from the file of one timeline: the one in our history to
 * which the end of the segment belongs, as XLogReadDetermineTimeline() has it.
 * Files of other timelines may lie beside it, and are another history.
 */
bool
rtc_wal_available(XLogRecPtr lsn)
{
	List	   *history = readTimeLineHistory(GetWALInsertionTimeLine());
	char		path[MAXPGPATH];
	XLogRecPtr	end;
	XLogSegNo	segno;

	XLByteToSeg(lsn, segno, wal_segment_size);
	XLogSegNoOffsetToRecPtr(segno, wal_segment_size - 1, wal_segment_size, end);
	XLogFilePath(path, tliOfPointInHistory(end, history), segno,
				 wal_segment_size);
	list_free_deep(history);
	return segno > XLogGetLastRemovedSegno() && access(path, F_OK) == 0;
}

/*
 * The insert position stands behind the header of the next page when the
 * last one is full; XLogFlush() wants the end of what there is.
 */
XLogRecPtr
rtc_wal_insert_end(void)
{
	XLogRecPtr	lsn = GetXLogInsertRecPtr();

	if (XLogSegmentOffset(lsn, wal_segment_size) == SizeOfXLogLongPHD)
		lsn -= SizeOfXLogLongPHD;
	else if (lsn % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		lsn -= SizeOfXLogShortPHD;
	return lsn;
}

/*
 * In recovery it may have been streamed, and not be replayed yet; or have been
 * replayed from an archive, and never been streamed.
 */
XLogRecPtr
rtc_wal_disk_end(void)
{
	if (!RecoveryInProgress())
		return GetFlushRecPtr(NULL);
	return Max(GetWalRcvFlushRecPtr(NULL, NULL), GetXLogReplayRecPtr(NULL));
}

XLogRecPtr
rtc_timeline_begin(TimeLineID tli, List *history)
{
	ListCell   *lc;

	foreach(lc, history)
	{
		TimeLineHistoryEntry *entry = lfirst(lc);

		if (entry->tli == tli)
			return entry->begin;
	}
	return InvalidXLogRecPtr;
}

int
rtc_wal_read_page(XLogReaderState *state, XLogRecPtr page_ptr, int req_len,
				  XLogRecPtr target, char *page)
{
	RtcReadPrivate *private = state->private_data;
	XLogSegNo	segno;

	XLByteToSeg(page_ptr, segno, wal_segment_size);
	if ((state->seg.ws_file < 0 || segno != state->seg.ws_segno) &&
		page_ptr + req_len <= GetFlushRecPtr(NULL) &&
		!rtc_wal_available(page_ptr))
	{
		private->gone = true;
		return -1;
	}
	return read_local_xlog_page_no_wait(state, page_ptr, req_len, target,
										page);
}
