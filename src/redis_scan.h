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
 * Deletes every key that matches the glob and every lease of such a key, by
 * SCAN and UNLINK in chunks.  Adds the keys deleted to *deleted.  "glob" is a
 * full glob, prefix included (see rtc_glob_escape in key.h); timeout_ms is
 * for each step.
 */
extern RtcConnResult rtc_delete_matching(RtcConn *conn, const char *glob,
										 size_t globlen, int timeout_ms,
										 uint64 *deleted);

#endif							/* RTC_REDIS_SCAN_H */
