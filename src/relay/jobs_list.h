/*-------------------------------------------------------------------------
 *
 * jobs_list.h
 *		The list of jobs, and what people see of it.  See jobs_list.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JOBS_LIST_H
#define RTC_JOBS_LIST_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "op.h"
#include "relay/prefix.h"
#include "relay/redis_info.h"
#include "relay/scan.h"
#include "relay/status.h"
#include "relay/suspect.h"

/* How often progress is told at most (us). */
#define RTC_JOB_TELL		100000

typedef struct RtcJob
{
	MemoryContext context;		/* holds the job */
	RtcJobKind	kind;
	Oid			dboid;
	XLogRecPtr	lsn;			/* of its commit; all up to it counts */
	uint64		nth;			/* and which op of it */
	bool		later;			/* it goes on between batches */
	bool		done;			/* CLEAR_ALL: it waits for the others */
	bool		absorbs;		/* CLEAR: all SETs of the database are DELs
								 * until it is over, so deletions that come
								 * meanwhile have nothing to do */
	RtcScan		scan[2];		/* the second: the prefix from before */
	int			nscans;
	int			current;		/* the one that goes on */
	RtcRegistration reg;		/* REGISTER; CLEAR_ALL: the prefix only */
	int			resumed;		/* it went on over another connection so often */
	int			tries;			/* failures at the same place */
	char		tried_at[RTC_CURSOR_LEN + 16];	/* which was this */
	bool		counted;		/* "total" was asked for */
	uint64		total;			/* keys in Redis then; 0 = unknown */
	TimestampTz started_at;
} RtcJob;

/* All jobs, of this relay. */
typedef struct RtcJobs
{
	MemoryContext context;		/* holds all of it */
	RtcConn    *conn;			/* the relay's */
	RtcSuspect *suspect;		/* to be told of what has been learned */
	List	   *list;			/* of RtcJob */
	List	   *clear;			/* likewise: a clear of everything goes on */
	char		server_id[RTC_REDIS_ID_LEN];	/* of the Redis they are about */
	char		found_id[RTC_REDIS_ID_LEN]; /* of the one at hand */
	uint64		known_epoch;	/* of the position there, when it was read */
	XLogRecPtr	patient_lsn;	/* jobs of the commit that ends here */
	int64		patient_until;	/* may keep others waiting so long (us) */
	int64		told_us;		/* when people were told last; monotonic */
	char		error[RTC_ERROR_LEN];	/* why the last one was SKIPPED, or
										 * FENCED */
} RtcJobs;

/* Makes a job at the end of its list. */
extern RtcJob *rtc_job_make(RtcJobs *jobs, RtcJobKind kind, Oid dboid,
							XLogRecPtr lsn, uint64 nth);

/*
 * Adds what it deletes: op is a PATTERN or CLEAR; NULL = all that has the
 * prefix.
 */
extern void rtc_job_add_scan(RtcJob *job, const char *prefix, const RtcOp *op);

/* Forgets a job; or, in a list, those of a database, InvalidOid = all. */
extern void rtc_job_drop(RtcJobs *jobs, RtcJob *job);
extern void rtc_jobs_drop(RtcJobs *jobs, List **list, Oid dboid);

/*
 * Find the job that does what a deletion asks for: since the op has made it when
 * WAL was read for the first time, or since it absorbs others; a registration
 * that was cut off; the next one that goes on between batches.  NULL = none.
 */
extern RtcJob *rtc_job_find_deletion(const RtcJobs *jobs, Oid dboid,
									 XLogRecPtr lsn, uint64 nth);
extern RtcJob *rtc_job_find_registration(const RtcJobs *jobs,
										 const RtcRegistration *reg);
extern RtcJob *rtc_job_find_later(const RtcJobs *jobs);

/* Tells people what goes on: now, or when it has been long enough. */
extern void rtc_jobs_tell(RtcJobs *jobs, bool now);

#endif							/* RTC_JOBS_LIST_H */
