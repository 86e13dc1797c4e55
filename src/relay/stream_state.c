/*-------------------------------------------------------------------------
 *
 * stream_state.c
 *		The state of the relay's work on Redis, and how it ends.
 *
 * Model: the relay alone.  Any trouble with Redis ends in "down".
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "redis/trust.h"
#include "relay/stream_state.h"

/* No reply is larger (bytes); the largest are pages of SCAN, some hundred keys. */
#define MAX_REPLY	((size_t) 64 * 1024 * 1024)

RtcStream *
rtc_stream_create(void)
{
	RtcStream  *s = palloc0(sizeof(RtcStream));

	s->work = AllocSetContextCreate(CurrentMemoryContext, "rtcache relay work",
									ALLOCSET_DEFAULT_SIZES);
	s->replies = AllocSetContextCreate(CurrentMemoryContext,
									   "rtcache relay replies",
									   ALLOCSET_DEFAULT_SIZES);
	s->conn = rtc_conn_create("rtcache-relay");
	rtc_conn_limit_replies(s->conn, MAX_REPLY);
	s->reader = rtc_wal_reader_create();
	s->batch = rtc_batch_create();
	s->suspect = rtc_suspect_create();
	s->jobs = rtc_jobs_create(s->conn, s->suspect);
	s->sweep = rtc_sweep_create(s->conn);
	s->lag = rtc_lag_create();
	rtc_redis_close();
	return s;
}

void
rtc_stream_disconnect(RtcStream *s)
{
	rtc_redis_close();
	rtc_conn_close(s->conn);
}

bool
rtc_stream_fail(RtcStream *s, const char *text)
{
	strlcpy(s->error, text, sizeof(s->error));
	rtc_stream_disconnect(s);
	return false;
}

bool
rtc_stream_down(RtcStream *s)
{
	return rtc_stream_fail(s, rtc_conn_error(s->conn));
}
