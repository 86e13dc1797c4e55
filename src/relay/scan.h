/*-------------------------------------------------------------------------
 *
 * scan.h
 *		Deletes whatever matches a pattern.  See scan.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SCAN_H
#define RTC_SCAN_H

#include "postgres.h"

#include "redis/conn.h"

/* Longest cursor of a SCAN, with its final NUL. */
#define RTC_CURSOR_LEN		32

/* Buckets of Redis that one step of a SCAN looks at. */
#define RTC_SCAN_COUNT		500

/*
 * The keyspace is gone through so often: for leases and companions under either
 * of their names, for values, for tag sets.
 */
#define RTC_SCAN_PASSES		4

/*
 * Deletes every key that matches a glob, and every lease and companion of such
 * a key, by SCAN and UNLINK in steps.  What is noted here is done: so it may go
 * on over another connection, if that leads to the same process of Redis, whose
 * cursors say where they are by themselves.
 */
typedef struct RtcScan
{
	char	   *glob;			/* a full glob, prefix included */
	size_t		keep;			/* length of the prefix whose tag sets stay,
								 * since what they name is not all deleted; 0
								 * = they go as well */
	int			pass;			/* 0 .. RTC_SCAN_PASSES; that = all done */
	char		cursor[RTC_CURSOR_LEN]; /* this pass has deleted all that is
										 * before it */
	uint64		steps;			/* of this pass, confirmed */
	uint64		deleted;		/* keys, without leases and companions */
} RtcScan;

typedef enum RtcScanResult
{
	RTC_SCAN_DONE,
	RTC_SCAN_MORE,				/* the time was over: call again */
	RTC_SCAN_FAILED				/* the connection is closed */
} RtcScanResult;

/*
 * Prepares a scan; the glob is copied into the current memory context.  For keep
 * see RtcScan.
 */
extern void rtc_scan_begin(RtcScan *scan, const char *glob, size_t keep);

/*
 * Goes on until all is deleted, or until the monotonic clock is at until_us; at
 * least one step is made.  timeout_ms is for each step.
 */
extern RtcScanResult rtc_scan_run(RtcConn *conn, RtcScan *scan,
								  int timeout_ms, int64 until_us);

/* Appends one step of a SCAN; the first has cursor "0". */
extern void rtc_scan_append(RtcConn *conn, const char *cursor,
							const char *glob);

/*
 * Checks its reply, whose elems[1] are the keys, and takes the cursor of the
 * next step from it; "0" = there is none.  False: the connection is closed.
 */
extern bool rtc_scan_read(RtcConn *conn, const RtcReply *reply, char *cursor,
						  size_t cursorlen);

#endif							/* RTC_SCAN_H */
