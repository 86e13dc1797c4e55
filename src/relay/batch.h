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

#include "nodes/pg_list.h"

#include "op.h"
#include "redis/conn.h"
#include "relay/position.h"

/* One key of a batch, with what becomes of it. */
typedef struct RtcBatchOp
{
	Oid			dboid;			/* whose it is */
	char	   *key;			/* prefix included */
	size_t		keylen;
	size_t		prefixlen;
	bool		is_tag;			/* it names a tag set: drop what is in it */
	bool		is_set;
	bool		is_put;			/* likewise, and the value is a user's own */
	bool		is_fold;		/* likewise, and what is written behind is
								 * applied to it (redis/lua/behind.lua) */
	char	   *value;			/* SET */
	size_t		vallen;
	int64		ttl_ms;			/* SET: 0 = does not expire */
} RtcBatchOp;

/* Others read it; batch.c alone writes. */
typedef struct RtcBatch
{
	MemoryContext context;		/* holds the ops; emptied by reset */
	struct batch_hash *by_key;	/* finds the op on a key */
	List	   *ops;			/* of RtcBatchOp, each key once */
	int			nops;
	int			ntags;			/* of these are tag sets */
	int			nfolds;			/* and at most so many are FOLDs */
	Size		bytes;			/* of all ops added, replaced ones too */
	XLogRecPtr	lsn;			/* end of the newest commit that any is of */
	bool		progressed;		/* tags were dropped, if only in part */
} RtcBatch;

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

/* Is it time to send it, if it may have so many ops? */
extern bool rtc_batch_full(const RtcBatch *batch, int limit);

/*
 * Applies the batch and the position in one MULTI/EXEC on a watched position,
 * and watches it again.  The batch stays as it is; an empty one just stores
 * the position.
 */
extern RtcExecResult rtc_batch_execute(RtcBatch *batch, RtcConn *conn,
									   RtcPosition *pos);

/*
 * Deletes all keys of the batch and their leases, without the position, which a
 * Redis that is out of memory still allows.
 */
extern RtcConnResult rtc_batch_unlink(RtcBatch *batch, RtcConn *conn);

#endif							/* RTC_BATCH_H */
