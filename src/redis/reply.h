/*-------------------------------------------------------------------------
 *
 * reply.h
 *		Replies of Redis.  See reply.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REPLY_H
#define RTC_REPLY_H

#include "postgres.h"

struct redisReader;

/* Type of a reply, independent of the client library. */
typedef enum RtcReplyType
{
	RTC_REPLY_NIL,
	RTC_REPLY_STATUS,			/* +OK */
	RTC_REPLY_ERROR,			/* -ERR ... */
	RTC_REPLY_STRING,
	RTC_REPLY_INTEGER,
	RTC_REPLY_ARRAY
} RtcReplyType;

/* A reply, in the memory context that was current when it was asked for. */
typedef struct RtcReply
{
	RtcReplyType type;
	int64		integer;		/* INTEGER */
	char	   *str;			/* STATUS, ERROR, STRING: with a final NUL */
	size_t		len;			/* its length in bytes, without the NUL */
	int			nelems;			/* ARRAY */
	struct RtcReply *elems;		/* ARRAY: contiguous */
} RtcReply;

/* Is the reply an error that begins with this word ("WRONGTYPE")? */
extern bool rtc_reply_is_error(const RtcReply *reply, const char *code);

/* Is it this text? */
extern bool rtc_reply_is_text(const RtcReply *reply, const char *text);

/* Is it an array of so many elements? */
extern bool rtc_reply_is_array(const RtcReply *reply, int nelems);

/*
 * Has Redis refused a transaction because it has no memory left?  It says so
 * of the command that was to be queued, or of EXEC itself: "EXECABORT
 * Transaction discarded because of: OOM ...".
 */
extern bool rtc_reply_is_full(const RtcReply *exec, const RtcReply *replies,
							  int nreplies);

/* ---- for conn.c, which reads them ---- */

/*
 * The largest reply that is taken, in bytes of palloc'd memory, unless the
 * connection has a limit of its own.
 */
#ifndef RTC_MAX_REPLY_BYTES
#define RTC_MAX_REPLY_BYTES		((size_t) 512 * 1024 * 1024)
#endif

/* Where the reader of hiredis puts what it parses. */
typedef struct RtcReplySink
{
	MemoryContext context;		/* replies are allocated here */
	RtcReply   *root;			/* the reply that is being read; zeroed */
	size_t		bytes;			/* allocated for it */
	size_t		max_bytes;		/* that may be allocated for it */
	bool		too_large;		/* it needs more than that, and was refused */
} RtcReplySink;

/* Makes the reader build its replies in the sink, which must outlive it. */
extern void rtc_reply_attach(struct redisReader *reader, RtcReplySink *sink);

/* Prepares the sink for the next reply. */
static inline void
rtc_reply_expect(RtcReplySink *sink, RtcReply *root)
{
	sink->root = root;
	sink->bytes = 0;
}

#endif							/* RTC_REPLY_H */
