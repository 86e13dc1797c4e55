/*-------------------------------------------------------------------------
 *
 * inbox_id.h
 *		Ids of entries in streams of Redis.
 *
 * An id is two numbers of 64 bits: milliseconds of Redis' clock, and a sequence
 * number among those of one millisecond.  Redis gives each new entry a higher one.
 *
 * Model: pure functions.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_ID_H
#define RTC_INBOX_ID_H

#include "postgres.h"

#include "relay/inbox_watch.h"

typedef struct RtcInboxId
{
	uint64		ms;				/* Unix time */
	uint64		seq;
} RtcInboxId;

static inline bool
rtc_inbox_id_parse(const char *text, RtcInboxId *id)
{
	char	   *end;

	errno = 0;
	if (*text < '0' || *text > '9')
		return false;
	id->ms = strtou64(text, &end, 10);
	if (*end != '-' || end[1] < '0' || end[1] > '9')
		return false;
	id->seq = strtou64(end + 1, &end, 10);
	return *end == '\0' && errno == 0;
}

static inline void
rtc_inbox_id_text(RtcInboxId id, char text[RTC_INBOX_ID_LEN])
{
	snprintf(text, RTC_INBOX_ID_LEN, UINT64_FORMAT "-" UINT64_FORMAT,
			 id.ms, id.seq);
}

static inline bool
rtc_inbox_id_less(RtcInboxId a, RtcInboxId b)
{
	return a.ms < b.ms || (a.ms == b.ms && a.seq < b.seq);
}

/* The lowest id that is higher; the same if there is none. */
static inline RtcInboxId
rtc_inbox_id_next(RtcInboxId id)
{
	if (id.seq < PG_UINT64_MAX)
		id.seq++;
	else if (id.ms < PG_UINT64_MAX)
	{
		id.ms++;
		id.seq = 0;
	}
	return id;
}

#endif							/* RTC_INBOX_ID_H */
