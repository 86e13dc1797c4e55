/*-------------------------------------------------------------------------
 *
 * jobs.h
 *		What the relay deletes in Redis by going through all keys.  See jobs.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JOBS_H
#define RTC_JOBS_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "op.h"
#include "redis/conn.h"
#include "relay/position.h"

typedef enum RtcJobResult
{
	RTC_JOB_DONE,
	RTC_JOB_LATER,				/* goes on between batches; the database is
								 * closed for readers */
	RTC_JOB_DOWN,				/* the connection is closed */
	RTC_JOB_FULL,				/* Redis is out of memory */
	RTC_JOB_SKIPPED,			/* the database does without Redis */
	RTC_JOB_FENCED				/* another server owns the prefix */
} RtcJobResult;

/*
 * Finds out, after a connect, whether this is the Redis that was there before,
 * process and data, so that jobs go on where they are.  Otherwise forgets them: the
 * position tells what has to be done.  False = the connection is closed.
 */
extern bool rtc_jobs_recognize(RtcConn *conn, const RtcPosition *pos,
							   bool *same);

/*
 * Deletes what a PATTERN or CLEAR says, the nth op of the commit that ends at
 * lsn.  May be asked for again, when WAL is read again.
 */
extern RtcJobResult rtc_jobs_delete(RtcConn *conn, Oid dboid,
									const char *prefix, const RtcOp *op,
									XLogRecPtr lsn, uint64 nth);

/*
 * Registers the prefix of a database.  All commits up to lsn have been read.
 * probe: Redis has refused something before.  *error tells why it was skipped,
 * or fenced.
 */
extern RtcJobResult rtc_jobs_register(RtcConn *conn, Oid dboid,
									  const char *dbname,
									  XLogRecPtr named_at, XLogRecPtr lsn,
									  bool probe, const char **error);

/*
 * Does a little of what was left for later.  DONE = there is nothing.
 */
extern RtcJobResult rtc_jobs_step(RtcConn *conn, const char **error);

/* Is there anything for that to do? */
extern bool rtc_jobs_wait(void);

/*
 * Must SETs of a commit be applied as DELs?  A job that deletes what was there
 * at a later moment may have been past their keys, when WAL is read again.
 */
extern bool rtc_jobs_delete_only(Oid dboid, XLogRecPtr lsn);

/*
 * Deletes every key that the position or shared memory says is ours, however
 * often the connection is lost meanwhile, if it is the same Redis.  Stores the
 * position now and then.  Adds the keys to *deleted.
 */
extern RtcJobResult rtc_jobs_clear_all(RtcConn *conn, const RtcPosition *pos,
									   bool (*still_alive) (void),
									   uint64 *deleted);

/*
 * Is such a clear to be gone on with?  Is all deleted, so that it only waits for
 * transactions?  The third function says that it is over.
 */
extern bool rtc_jobs_are_clearing(void);
extern bool rtc_jobs_have_cleared(void);
extern void rtc_jobs_end_clear(void);

#endif							/* RTC_JOBS_H */
