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

#include "nodes/pg_list.h"

#include "relay/prefix.h"
#include "relay/redis_info.h"
#include "relay/suspect.h"

/* All jobs, of this relay. */
typedef struct RtcJobs
{
	MemoryContext context;		/* holds all of it */
	RtcConn    *conn;			/* the relay's */
	RtcSuspect *suspect;		/* to be told of what has been learned */
	List	   *list;			/* of jobs, see jobs.c */
	char		server_id[RTC_REDIS_ID_LEN];	/* of the Redis they are about */
	uint64		known_epoch;	/* of the position there, when it was read */
	XLogRecPtr	patient_lsn;	/* jobs of the commit that ends here */
	int64		patient_until;	/* may keep others waiting so long (us) */
	int64		told_us;		/* when people were told last; monotonic */
	char		error[RTC_ERROR_LEN];	/* why the last one was SKIPPED, or
										 * FENCED */
} RtcJobs;

/* Makes an empty list in the current memory context, for this connection. */
extern RtcJobs *rtc_jobs_create(RtcConn *conn, RtcSuspect *suspect);

/*
 * A connect goes on with the Redis of this id (rtc_redis_id()) and position.
 * Returns whether it is the one that was there before, process and data: then
 * jobs go on where they are.  Otherwise forgets them: the position tells what has
 * to be done.
 */
extern bool rtc_jobs_settle(RtcJobs *jobs, const char *id,
							const RtcPosition *pos);

/*
 * Deletes what a PATTERN or CLEAR says, the nth op of the commit that ends at
 * lsn.  May be asked for again, when WAL is read again.
 */
extern RtcJobResult rtc_jobs_delete(RtcJobs *jobs, Oid dboid,
									const char *prefix, const RtcOp *op,
									XLogRecPtr lsn, uint64 nth);

/*
 * Registers the prefix of a database.  All commits up to lsn have been read.
 * probe: Redis has refused something before.
 */
extern RtcJobResult rtc_jobs_register(RtcJobs *jobs, Oid dboid,
									  const char *dbname,
									  XLogRecPtr named_at, XLogRecPtr lsn,
									  bool probe);

/* Does a little of what was left for later.  DONE = there is nothing. */
extern RtcJobResult rtc_jobs_step(RtcJobs *jobs);

/* Is there anything for that to do? */
extern bool rtc_jobs_wait(const RtcJobs *jobs);

/*
 * Must SETs of a commit be applied as DELs?  A job that deletes what was there
 * at a later moment may have been past their keys, when WAL is read again.
 */
extern bool rtc_jobs_delete_only(const RtcJobs *jobs, Oid dboid,
								 XLogRecPtr lsn);

/*
 * Deletes every key that the position or shared memory says is ours, however
 * often the connection is lost meanwhile, if it is the same Redis.  LATER = call
 * again.  Sets *deleted when it is over.
 */
extern RtcJobResult rtc_jobs_clear_all(RtcJobs *jobs, const RtcPosition *pos,
									   uint64 *deleted);

/* Such a clear is over. */
extern void rtc_jobs_end_clear(RtcJobs *jobs);

#endif							/* RTC_JOBS_H */
