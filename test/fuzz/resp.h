/*-------------------------------------------------------------------------
 *
 * resp.h
 *		Bytes as Redis would send them, through hiredis and reply.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FUZZ_RESP_H
#define RTC_FUZZ_RESP_H

#include "redis/hiredis.h"
#include "redis/reply.h"

/*
 * Reads one reply from the bytes, which arrive in pieces of "step" bytes.
 * False if there is none: malformed, or not complete.
 */
static inline bool
resp_read(redisReader *reader, RtcReplySink *sink, const uint8 *data,
		  size_t size, size_t step, RtcReply *reply)
{
	void	   *object = NULL;

	memset(reply, 0, sizeof(*reply));
	rtc_reply_expect(sink, reply);
	for (size_t at = 0; object == NULL; at += step)
	{
		if (at < size &&
			redisReaderFeed(reader, (const char *) data + at,
							Min(step, size - at)) != REDIS_OK)
			return false;
		if (redisReaderGetReply(reader, &object) != REDIS_OK)
			return false;
		if (object == NULL && at >= size)
			return false;
	}
	return true;
}

static inline redisReader *
resp_reader(RtcReplySink *sink)
{
	redisReader *reader = redisReaderCreate();

	MUST(reader != NULL);
	memset(sink, 0, sizeof(*sink));
	sink->context = CurrentMemoryContext;
	sink->max_bytes = RTC_MAX_REPLY_BYTES;
	rtc_reply_attach(reader, sink);
	return reader;
}

#endif							/* RTC_FUZZ_RESP_H */
