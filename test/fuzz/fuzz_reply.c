/*-------------------------------------------------------------------------
 *
 * fuzz_reply.c
 *		Replies of Redis: any bytes, in pieces of any size.
 *
 * The pieces must not matter, and whatever comes out must be readable.
 *
 * rooms: redis/reply
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"
#include "resp.h"

static void
walk(const RtcReply *reply, int depth)
{
	MUST(depth < 16);
	if (reply->str != NULL)
		MUST(reply->str[reply->len] == '\0');
	if (reply->type == RTC_REPLY_ARRAY)
	{
		MUST(reply->nelems >= 0 && (reply->nelems == 0) == (reply->elems == NULL));
		for (int i = 0; i < reply->nelems; i++)
			walk(&reply->elems[i], depth + 1);
	}
	else
		MUST(reply->nelems == 0);
	switch (reply->type)
	{
		case RTC_REPLY_STRING:
		case RTC_REPLY_STATUS:
		case RTC_REPLY_ERROR:
			MUST(reply->str != NULL);
			break;
		default:
			MUST(reply->str == NULL);
			break;
	}
}

static bool
same(const RtcReply *a, const RtcReply *b)
{
	if (a->type != b->type || a->len != b->len || a->nelems != b->nelems ||
		a->integer != b->integer)
		return false;
	if (a->str != NULL && memcmp(a->str, b->str, a->len) != 0)
		return false;
	for (int i = 0; i < a->nelems; i++)
		if (!same(&a->elems[i], &b->elems[i]))
			return false;
	return true;
}

void
fuzz_one(const uint8 *data, size_t size)
{
	RtcReplySink sink[2];
	RtcReply	reply[2];
	bool		found[2];

	if (size == 0)
		return;
	for (int i = 0; i < 2; i++)
	{
		redisReader *reader = resp_reader(&sink[i]);

		found[i] = resp_read(reader, &sink[i], data + 1, size - 1,
							 i == 0 ? size : data[0] % 16 + 1, &reply[i]);
		if (found[i])
			walk(&reply[i], 0);
		redisReaderFree(reader);
	}
	MUST(found[0] == found[1]);
	if (found[0])
		MUST(same(&reply[0], &reply[1]));
}
