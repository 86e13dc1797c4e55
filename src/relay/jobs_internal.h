/*-------------------------------------------------------------------------
 *
 * jobs_internal.h
 *		What jobs.c and jobs_list.c share.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JOBS_INTERNAL_H
#define RTC_JOBS_INTERNAL_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "nodes/pg_list.h"

#include "op.h"
#include "relay/jobs_report.h"
#include "relay/prefix.h"
#include "relay/scan.h"

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

extern List *rtc_jobs;			/* of RtcJob, in TopMemoryContext */

/* Makes a job at the end of the list, or puts one there. */
extern RtcJob *rtc_job_make(RtcJobKind kind, Oid dboid, XLogRecPtr lsn,
							uint64 nth);
extern void rtc_job_append(RtcJob *job);

/*
 * Adds what it deletes: op is a PATTERN or CLEAR; NULL = all that has the
 * prefix.
 */
extern void rtc_job_add_scan(RtcJob *job, const char *prefix, const RtcOp *op);

/* Forgets a job, or all of a database but that of a clear of everything. */
extern void rtc_job_drop(RtcJob *job);
extern void rtc_jobs_drop_of(Oid dboid);

/*
 * The job that an op has made before, when WAL was read for the first time; a
 * registration that was cut off.  NULL = none.
 */
extern RtcJob *rtc_job_find_deletion(Oid dboid, XLogRecPtr lsn, uint64 nth);
extern RtcJob *rtc_job_find_registration(const RtcRegistration *reg);

/* The job that does what further deletions ask for; NULL = none. */
extern RtcJob *rtc_job_find_absorbing(Oid dboid);

/* Tells people what goes on: now, or when it has been long enough. */
extern void rtc_jobs_tell(bool now);

#endif							/* RTC_JOBS_INTERNAL_H */
