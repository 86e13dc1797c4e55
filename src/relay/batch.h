/*-------------------------------------------------------------------------
 *
 * batch.h
 *		Ops of committed transactions on their way to Redis.  See batch.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_BATCH_H
#define RTC_BATCH_H

#include "postgres.h"

#include "op.h"
#include "redis/conn.h"
#include "relay/position.h"

typedef struct RtcBatch RtcBatch;

/* Makes an empty batch in the current memory context. */
extern RtcBatch *rtc_batch_create(void);

/* Empties it. */
extern void rtc_batch_reset(RtcBatch *batch);

/*
 * Adds a SET, DEL or TAG of a database, by a commit that ends at lsn, replacing
 * what the batch has on the same key.  Copies.  delete_only: SET becomes DEL.
 */
extern void rtc_batch_add(RtcBatch *batch, Oid dboid, const char *prefix,
						  const RtcOp *op, XLogRecPtr lsn, bool delete_only);

/* Ops in the batch, each key once; and, at so many, is it time to send it? */
extern int	rtc_batch_ops(RtcBatch *batch);
extern bool rtc_batch_full(RtcBatch *batch, int limit);

/* End of the newest commit in it; invalid if it is empty. */
extern XLogRecPtr rtc_batch_lsn(RtcBatch *batch);

/* The op of a batch that has only one.  Points into it. */
typedef struct RtcCulprit
{
	Oid			dboid;
	XLogRecPtr	lsn;			/* end of its commit */
	const char *key;			/* in Redis, prefix included */
	size_t		keylen;
	size_t		prefixlen;
	size_t		vallen;
	bool		is_set;
	bool		is_tag;
	bool		progressed;		/* a part of it was done when it failed */
} RtcCulprit;

extern void rtc_batch_culprit(RtcBatch *batch, RtcCulprit *culprit);

/* Does it have a SET of that database? */
extern bool rtc_batch_sets_of(RtcBatch *batch, Oid dboid);

/*
 * Applies the batch and the position in one MULTI/EXEC on a watched position,
 * and watches it again.  The batch stays as it is; an empty one just stores
 * the position.
 */
extern RtcExecResult rtc_batch_execute(RtcBatch *batch, RtcConn *conn,
									   RtcPosition *pos);

/*
 * Deletes all keys of the batch and their leases, and drops tags, without the
 * position, which a Redis that is out of memory still allows.
 */
extern RtcConnResult rtc_batch_unlink(RtcBatch *batch, RtcConn *conn);

#endif							/* RTC_BATCH_H */
