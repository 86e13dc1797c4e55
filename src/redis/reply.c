/*-------------------------------------------------------------------------
 *
 * reply.c
 *		Builds replies of Redis in palloc'd memory.
 *
 * hiredis' reader does not insist on its own reply objects: it calls back for
 * each element that it has parsed.  With the callbacks here the bytes of a
 * value go from the read buffer straight to where the caller wants them.
 * There is no second copy, and no malloc'd object that an ERROR could leak.
 *
 * Model: called from within redisReaderGetReply(), in the process that owns
 * the connection.  Nothing here raises: an ERROR must not jump across the
 * reader's frames.  A NULL result makes the reader fail with "out of memory",
 * which closes the connection.  How deeply arrays nest is bounded by the
 * reader (7 or 9 levels), how large a reply is by the sink.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "redis/hiredis.h"
#include "redis/reply.h"

/*
 * Finds the place of the element that the task describes.
 */
static RtcReply *
reply_slot(const redisReadTask *task)
{
	RtcReplySink *sink = task->privdata;

	if (task->parent == NULL)
		return sink->root;
	return &((RtcReply *) task->parent->obj)->elems[task->idx];
}

/*
 * Allocates within the bound of a reply; NULL if that is not possible.
 */
static void *
sink_alloc(RtcReplySink *sink, size_t size)
{
	if (size > sink->max_bytes - sink->bytes)
	{
		sink->too_large = true;
		return NULL;
	}
	sink->bytes += size;
	return MemoryContextAllocExtended(sink->context, size,
									  MCXT_ALLOC_NO_OOM);
}

/*
 * Stores a string, a status or an error.
 */
static void *
create_string(const redisReadTask *task, char *str, size_t len)
{
	RtcReplySink *sink = task->privdata;
	RtcReply   *reply = reply_slot(task);
	char	   *copy;

	copy = sink_alloc(sink, len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, str, len);
	copy[len] = '\0';

	reply->type = task->type == REDIS_REPLY_ERROR ? RTC_REPLY_ERROR :
		task->type == REDIS_REPLY_STATUS ? RTC_REPLY_STATUS :
		RTC_REPLY_STRING;
	reply->str = copy;
	reply->len = len;
	return reply;
}

/*
 * Makes room for the elements of an array; they follow.
 */
static void *
create_array(const redisReadTask *task, RtcRedisArrayLen_compat nelems)
{
	RtcReplySink *sink = task->privdata;
	RtcReply   *reply = reply_slot(task);
	size_t		n = nelems;

	if (n > sink->max_bytes / sizeof(RtcReply))
	{
		sink->too_large = true;
		return NULL;
	}
	if (n > 0)
	{
		reply->elems = sink_alloc(sink, n * sizeof(RtcReply));
		if (reply->elems == NULL)
			return NULL;
		memset(reply->elems, 0, n * sizeof(RtcReply));
	}
	reply->type = RTC_REPLY_ARRAY;
	reply->nelems = (int) n;
	return reply;
}

static void *
create_integer(const redisReadTask *task, long long value)
{
	RtcReply   *reply = reply_slot(task);

	reply->type = RTC_REPLY_INTEGER;
	reply->integer = value;
	return reply;
}

static void *
create_nil(const redisReadTask *task)
{
	RtcReply   *reply = reply_slot(task);

	reply->type = RTC_REPLY_NIL;
	return reply;
}

/*
 * The reader gives up on a reply.  Its memory belongs to a memory context.
 */
static void
free_object(void *object)
{
}

/*
 * The types that only RESP3 has are never asked for; should one come, it
 * counts as NIL, which is what an untouched slot holds.
 */
static redisReplyObjectFunctions reply_functions = {
	.createString = create_string,
	.createArray = create_array,
	.createInteger = create_integer,
	.createNil = create_nil,
	.freeObject = free_object
};

void
rtc_reply_attach(redisReader *reader, RtcReplySink *sink)
{
	reader->fn = &reply_functions;
	reader->privdata = sink;
}

bool
rtc_reply_is_error(const RtcReply *reply, const char *code)
{
	return reply->type == RTC_REPLY_ERROR &&
		strncmp(reply->str, code, strlen(code)) == 0;
}

bool
rtc_reply_is_text(const RtcReply *reply, const char *text)
{
	return reply->type == RTC_REPLY_STRING && strcmp(reply->str, text) == 0;
}

bool
rtc_reply_is_array(const RtcReply *reply, int nelems)
{
	return reply->type == RTC_REPLY_ARRAY && reply->nelems == nelems;
}

bool
rtc_reply_is_full(const RtcReply *exec, const RtcReply *replies, int nreplies)
{
	if (exec->type != RTC_REPLY_ERROR)
		return false;
	if (strstr(exec->str, "OOM ") != NULL)
		return true;
	for (int i = 0; i < nreplies; i++)
		if (rtc_reply_is_error(&replies[i], "OOM "))
			return true;
	return false;
}
