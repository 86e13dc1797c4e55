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

#include "redis_conn.h"

/* The name of a tag set; points to memory of whoever has it. */
typedef struct RtcTagName
{
	const char *name;
	size_t		len;
} RtcTagName;

/* Gives Redis the scripts, after connecting. */
extern RtcConnResult rtc_tags_load(RtcConn *conn);

/*
 * Appends one command per tag set, each of which deletes some of the keys in
 * it; the replies are for rtc_tags_finish().
 */
extern void rtc_tags_append(RtcConn *conn, const RtcTagName *tags, int n);

/*
 * Goes on until all keys that were in the sets are deleted, and the sets with
 * them.  replies: what the commands of rtc_tags_append() returned; NULL = they
 * have not been sent.  Adds the number of values deleted to *dropped.
 */
extern RtcConnResult rtc_tags_finish(RtcConn *conn, RtcTagName *tags, int n,
									 const RtcReply *replies,
									 uint64 *dropped);

/* How much longer Redis may take for so many tag sets, in command timeouts. */
extern int	rtc_tags_timeouts(int n);

/*
 * Appends a command that takes members whose time is over out of a tag set, a
 * limited number.  Its reply tells how many.
 */
#define RTC_TRIM_LIMIT 250
extern void rtc_tags_append_trim(RtcConn *conn, const RtcTagName *tag);

#endif							/* RTC_TAG_DROP_H */
