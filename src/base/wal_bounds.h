/*-------------------------------------------------------------------------
 *
 * wal_bounds.h
 *		Where WAL begins and ends, and its pages.  See wal_bounds.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WAL_BOUNDS_H
#define RTC_WAL_BOUNDS_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "access/xlogreader.h"
#include "access/xlogutils.h"
#include "nodes/pg_list.h"

/*
 * Is the WAL from lsn on still there, as far as one can tell, in the files from
 * which it would be read?  Raises what reading the timeline's history does.
 */
extern bool rtc_wal_available(XLogRecPtr lsn);

/* End of the WAL written so far; may be passed to XLogFlush(). */
extern XLogRecPtr rtc_wal_insert_end(void);

/* End of the WAL that is on disk; also in recovery. */
extern XLogRecPtr rtc_wal_disk_end(void);

/* Where a timeline left its parent, by a history; 0/0 for the first one. */
extern XLogRecPtr rtc_timeline_begin(TimeLineID tli, List *history);

/* What the page-read callback tells; first member as the server wants it. */
typedef struct RtcReadPrivate
{
	ReadLocalXLogPageNoWaitPrivate core;
	bool		gone;			/* the segment has been removed */
} RtcReadPrivate;

/*
 * Reads a page of flushed WAL.  Before a segment is opened for the first
 * time, looks whether it is there, since the server's callback would raise.
 */
extern int	rtc_wal_read_page(XLogReaderState *state, XLogRecPtr page_ptr,
							  int req_len, XLogRecPtr target, char *page);

#endif							/* RTC_WAL_BOUNDS_H */
