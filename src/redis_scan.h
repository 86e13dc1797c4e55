/*-------------------------------------------------------------------------
 *
 * redis_scan.h
 *		Deletes whatever matches a pattern.  See redis_scan.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REDIS_SCAN_H
#define RTC_REDIS_SCAN_H

#include "postgres.h"

#include "redis_conn.h"

/*
 * Deletes every key that matches the glob, and every lease and companion of
 * such a key, by SCAN and UNLINK in chunks.  Adds the keys deleted to *deleted.
 * "glob" is a full glob, prefix included (see rtc_glob_escape in key.h);
 * timeout_ms is for each step.  keep: the length of the prefix whose tag sets
 * stay, since what they name is not all deleted; 0 = they go as well.
 */
extern RtcConnResult rtc_delete_matching(RtcConn *conn, const char *glob,
										 size_t globlen, size_t keep,
										 int timeout_ms, uint64 *deleted);

/* Appends one step of a SCAN; the first has cursor "0". */
extern void rtc_scan_append(RtcConn *conn, const char *cursor,
							const char *glob, size_t globlen);

/*
 * Checks its reply, whose elems[1] are the keys, and takes the cursor of the
 * next step from it; "0" = there is none.  False: the connection is closed.
 */
extern bool rtc_scan_read(RtcConn *conn, const RtcReply *reply, char *cursor,
						  size_t cursorlen);

#endif							/* RTC_REDIS_SCAN_H */
