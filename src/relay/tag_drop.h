/*-------------------------------------------------------------------------
 *
 * tag_drop.h
 *		Tag sets in Redis, as the relay sees them: dropped, or trimmed.
 *		See tag_drop.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TAG_DROP_H
#define RTC_TAG_DROP_H

#include "postgres.h"

#include "redis/conn.h"

/*
 * Deletes all keys in the sets of these names, and the sets.  Shuffles the array.
 * Adds the number of values deleted to *dropped.
 */
extern RtcConnResult rtc_tags_drop(RtcConn *conn, const char **tags, int n,
								   uint64 *dropped);

/*
 * Appends a command that takes up to RTC_TRIM_LIMIT members whose time is over
 * out of a tag set; its reply tells how many.  by_text: Redis may not know the
 * script.
 */
#define RTC_TRIM_LIMIT 250
extern void rtc_tags_append_trim(RtcConn *conn, const char *tag, bool by_text);

#endif							/* RTC_TAG_DROP_H */
