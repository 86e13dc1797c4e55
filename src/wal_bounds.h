/*-------------------------------------------------------------------------
 *
 * wal_bounds.h
 *		Where WAL begins and ends.  See wal_bounds.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WAL_BOUNDS_H
#define RTC_WAL_BOUNDS_H

#include "postgres.h"

#include "access/xlogdefs.h"

/* Is the WAL from lsn on still there, as far as one can tell? */
extern bool rtc_wal_available(XLogRecPtr lsn);

/* End of the WAL written so far; may be passed to XLogFlush(). */
extern XLogRecPtr rtc_wal_insert_end(void);

/* End of the WAL that is on disk; also in recovery. */
extern XLogRecPtr rtc_wal_disk_end(void);

#endif							/* RTC_WAL_BOUNDS_H */
