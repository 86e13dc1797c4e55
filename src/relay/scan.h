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

#include "op.h"
#include "redis/conn.h"

/* What became of a deletion, or of the registration of a prefix (prefix.h). */
typedef enum RtcJobResult
{
	RTC_JOB_DONE,
	RTC_JOB_LATER,				/* not over: it goes on where it is */
	RTC_JOB_DOWN,				/* the connection is closed */
	RTC_JOB_FULL,				/* Redis is out of memory */
	RTC_JOB_SKIPPED,			/* the database can have no prefix, and does
								 * without Redis; see the error text */
	RTC_JOB_FENCED				/* another server owns the prefix; likewise */
} RtcJobResult;

/* Longest cursor of a SCAN, with its final NUL. */
#define RTC_CURSOR_LEN		32

/* Buckets of Redis that one step of a SCAN looks at. */
#define RTC_SCAN_COUNT		500

/*
 * The keyspace is gone through so often for each glob: for leases and companions
 * under either of their names, for values, for tag sets.
 */
#define RTC_SCAN_PASSES		4

/*
 * A deletion of all keys that match one of a few globs, with their leases and
 * companions.  What is noted here is done.  So it can go on over another
 * connection to the same process of Redis: a cursor is no state of a connection.
 */
typedef struct RtcScan
{
	char	   *glob[2];		/* prefix included */
	size_t		prefixlen[2];	/* of each of them, in bytes */
	int			nglobs;
	size_t		keep;			/* length of the prefix whose tag sets stay,
								 * since what they name is not all deleted; 0
								 * = they go, too */
	int			current;		/* the glob that it is at */
	int			pass;			/* of this glob; RTC_SCAN_PASSES = subscribers
								 * are still to be told */
	char		cursor[RTC_CURSOR_LEN]; /* this pass has deleted all that is
										 * before it */
	uint64		steps;			/* of this pass, confirmed */
	uint64		deleted;		/* keys, without leases and companions */
} RtcScan;

/*
 * Adds keys to a scan, which is all zero at first: those with the prefix that
 * match op, a PATTERN; all of them if op is NULL or a CLEAR.  What is written
 * behind stays in any case.  Copies into the current memory context.
 */
extern void rtc_scan_add(RtcScan *scan, const char *prefix, const RtcOp *op);

/*
 * Goes on until all is deleted (DONE), or until the monotonic clock is at
 * until_us (LATER); at least one step is made.  Or else the connection is DOWN.
 */
extern RtcJobResult rtc_scan_run(RtcConn *conn, RtcScan *scan, int64 until_us);

/* Appends one step of a SCAN; the first has cursor "0". */
extern void rtc_scan_append(RtcConn *conn, const char *cursor,
							const char *glob);

/*
 * Checks its reply, whose elems[1] are the keys, and takes the cursor of the
 * next step from it; "0" = there is none.  False: the connection is closed.
 */
extern bool rtc_scan_read(RtcConn *conn, const RtcReply *reply,
						  char cursor[RTC_CURSOR_LEN]);

#endif							/* RTC_SCAN_H */
