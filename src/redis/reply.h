/*-------------------------------------------------------------------------
 *
 * reply.h
 *		Replies of Redis as they are parsed.  See reply.c.
 *
 * Private to conn.c; what others need of a reply is in conn.h.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REPLY_H
#define RTC_REPLY_H

#include "postgres.h"

#include "redis/conn.h"

struct redisReader;

/*
 * Largest reply that is taken, in bytes of palloc'd memory, unless the connection
 * has a limit of its own.
 */
#ifndef RTC_MAX_REPLY_BYTES
#define RTC_MAX_REPLY_BYTES		((size_t) 512 * 1024 * 1024)
#endif

/* Where the reader puts what it parses. */
typedef struct RtcReplySink
{
	MemoryContext context;		/* replies are allocated here */
	RtcReply   *root;			/* the reply that is being read; zeroed */
	size_t		bytes;			/* allocated for it */
	size_t		max_bytes;		/* that may be allocated for it */
	bool		too_large;		/* refused: above that */
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
