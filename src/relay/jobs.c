/*-------------------------------------------------------------------------
 *
 * jobs.c
 *		What the relay deletes in Redis by going through all keys.
 *
 * A deletion by pattern, the clear of a database, the registration of a prefix,
 * and a clear of everything look at each key that Redis holds, whoever owns it.
 * With many millions of keys that takes minutes.
 *
 * A short one is done at once.  One that is not over within RTC_JOB_PATIENCE
 * goes on between batches.  The position moves past it, so that other databases
 * need not wait.  Its own database is closed for readers, durably (closed.c), but
 * its ops are applied.  A key that such an op sets and the job deletes is just
 * not cached; none is left that was there before.
 *
 * A job outlives the connection, if the next one leads to the same process of
 * Redis (its run id) with the same data (its replication id, and the epoch of
 * the position): then what was deleted is deleted.  WAL is read again, though.
 * What it sets again may be behind the place where the job is; so SETs of
 * commits up to that of the job become DELs.  At another Redis, or if INFO is
 * forbidden, jobs are forgotten: WAL brings them again, or the registration of
 * the closed database clears it.
 *
 * A job that fails again and again at the same place is refused, and its
 * database is given up.
 *
 * Model: the relay alone.  Each job has a memory context of its own.  Redis
 * trouble is a result.  Raises out of memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/work.h"
#include "redis/prefix_table.h"
#include "redis/trust.h"
#include "relay/closed.h"
#include "relay/jobs.h"
#include "relay/prefix.h"
#include "relay/scan.h"
#include "relay/status.h"
#include "stats.h"
#include "wal/queue.h"

/* What others wait for at most, per commit, before it is left for later (us). */
#ifndef RTC_JOB_PATIENCE
#define RTC_JOB_PATIENCE	500000
#endif

/* Length of a slice between batches (us). */
#define RTC_JOB_SLICE		10000

/* How often progress is told at most, and the slice of a CLEAR_ALL (us). */
#define RTC_JOB_TELL		100000

/* Failures at one place before it is given up. */
#define RTC_JOB_TRIES		3

/* Sets of kinds: what ops ask for, and all that one database has. */
#define KIND(kind)	(1 << (kind))
#define DELETIONS	(KIND(RTC_JOB_PATTERN) | KIND(RTC_JOB_CLEAR))
#define OF_DATABASE	(DELETIONS | KIND(RTC_JOB_REGISTER))

typedef struct RtcJob
{
	MemoryContext context;		/* holds the job */
	RtcJobKind	kind;
	Oid			dboid;
	XLogRecPtr	lsn;			/* of its commit; all up to it counts */
	uint64		nth;			/* and which op of it */
	bool		later;			/* it goes on between batches */
	bool		absorbs;		/* CLEAR: all SETs of the database are DELs
								 * until it is over, so deletions that come
								 * meanwhile have nothing to do */
	RtcScan		scan;
	RtcRegistration reg;		/* REGISTER; CLEAR_ALL: the prefix only */
	int			resumed;		/* it went on over another connection so often */
	int			tries;			/* failures at the same place, */
	char		tried_at[RTC_CURSOR_LEN + 16];	/* which was this */
	int64		total;			/* keys in Redis when it was asked; 0 =
								 * unknown, -1 = not asked yet */
	TimestampTz started_at;
} RtcJob;

/* ---------------- the list ---------------- */

/*
 * Tells people what goes on: now, or when it has been long enough.
 */
static void
tell(RtcJobs *jobs, bool now)
{
	RtcJobInfo	infos[RTC_MAX_JOBS] = {0};
	int			n = 0;
	ListCell   *lc;

	if (!now && rtc_clock_us() - jobs->told_us < RTC_JOB_TELL)
		return;
	jobs->told_us = rtc_clock_us();
	foreach(lc, jobs->list)
	{
		const RtcJob *job = lfirst(lc);
		const RtcScan *scan = &job->scan;
		int			current = Min(scan->current, scan->nglobs - 1);
		RtcJobInfo *info;

		if (n == RTC_MAX_JOBS)
			break;
		if (scan->nglobs == 0 ||
			(job->kind == RTC_JOB_CLEAR_ALL && scan->current == scan->nglobs))
			continue;
		info = &infos[n++];
		info->kind = job->kind;
		info->dboid = job->dboid;
		strlcpy(info->pattern, scan->glob[current], sizeof(info->pattern));
		rtc_keep_ascii(info->pattern);
		info->passes = scan->nglobs * RTC_SCAN_PASSES;
		info->pass = Min(scan->current * RTC_SCAN_PASSES + scan->pass + 1,
						 info->passes);
		info->total = Max(job->total, 0);
		info->looked = scan->steps * RTC_SCAN_COUNT;
		if (info->total > 0)
			info->looked = Min(info->looked, info->total);
		info->deleted = scan->deleted;
		info->resumed = job->resumed;
		info->started_at = job->started_at;
	}
	rtc_relay_report_jobs(infos, n);
}

static RtcJob *
make(RtcJobs *jobs, RtcJobKind kind, Oid dboid, XLogRecPtr lsn, uint64 nth)
{
	MemoryContext context = AllocSetContextCreate(jobs->context, "rtcache job",
												  ALLOCSET_SMALL_SIZES);
	RtcJob	   *job = MemoryContextAllocZero(context, sizeof(RtcJob));
	MemoryContext old = MemoryContextSwitchTo(jobs->context);

	job->context = context;
	job->kind = kind;
	job->dboid = dboid;
	job->lsn = lsn;
	job->nth = nth;
	job->total = -1;
	job->started_at = GetCurrentTimestamp();
	jobs->list = lappend(jobs->list, job);
	MemoryContextSwitchTo(old);
	return job;
}

/* What it deletes besides; op as for rtc_scan_add(). */
static void
add_scan(RtcJob *job, const char *prefix, const RtcOp *op)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);

	rtc_scan_add(&job->scan, prefix, op);
	MemoryContextSwitchTo(old);
}

static void
drop(RtcJobs *jobs, RtcJob *job)
{
	jobs->list = list_delete_ptr(jobs->list, job);
	MemoryContextDelete(job->context);
	tell(jobs, true);
}

/* Forgets the jobs of some kinds, of a database; InvalidOid = of all. */
static void
drop_all(RtcJobs *jobs, int kinds, Oid dboid)
{
	ListCell   *lc;

	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		if ((kinds & KIND(job->kind)) == 0 ||
			(OidIsValid(dboid) && job->dboid != dboid))
			continue;
		jobs->list = foreach_delete_current(jobs->list, lc);
		MemoryContextDelete(job->context);
	}
	tell(jobs, true);
}

/*
 * Finds the job that does what a deletion asks for: the op has made it when WAL
 * was read for the first time, or it absorbs others.
 */
static RtcJob *
find_deletion(const RtcJobs *jobs, Oid dboid, XLogRecPtr lsn, uint64 nth)
{
	ListCell   *lc;

	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->dboid == dboid &&
			(KIND(job->kind) & DELETIONS) != 0 &&
			(job->absorbs || (job->lsn == lsn && job->nth == nth)))
			return job;
	}
	return NULL;
}

/* Finds a registration that was cut off. */
static RtcJob *
find_registration(const RtcJobs *jobs, const RtcRegistration *reg)
{
	ListCell   *lc;

	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->kind == RTC_JOB_REGISTER && job->dboid == reg->dboid &&
			strcmp(job->reg.prefix, reg->prefix) == 0 &&
			strcmp(job->reg.old, reg->old) == 0)
			return job;
	}
	return NULL;
}

/*
 * Finds the next job that goes on between batches, of a database or of any, but
 * for one.
 */
static RtcJob *
find_later(const RtcJobs *jobs, Oid dboid, const RtcJob *but)
{
	ListCell   *lc;

	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		if (job == but || !job->later)
			continue;
		if (!OidIsValid(dboid) || job->dboid == dboid)
			return job;
	}
	return NULL;
}

/*
 * The keys of a database were deleted, whatever commits say: those who can may
 * bring them back, when it is open.
 */
static void
note_clear(Oid dboid)
{
	rtc_redis_note_clear();
	(void) rtc_work_put_bare(RTC_WORK_WARM_DATABASE, dboid,
							 RTC_WORK_PRIORITY_WARM);
}

/* ---------------- at work ---------------- */

/*
 * The connection was lost.  If that happens at the same place several times, it
 * is refused.
 */
static RtcJobResult
failed(RtcJobs *jobs, RtcJob *job)
{
	char		place[sizeof(job->tried_at)];
	char		why[RTC_ERROR_LEN];
	Oid			dboid = job->dboid;
	XLogRecPtr	lsn = job->lsn;

	snprintf(place, sizeof(place), "%d/%d/%s", job->scan.current,
			 job->scan.pass, job->scan.cursor);
	if (strcmp(place, job->tried_at) != 0)
		job->tries = 0;
	strlcpy(job->tried_at, place, sizeof(job->tried_at));
	jobs->suspect->learned = true;
	if (++job->tries < RTC_JOB_TRIES)
		return RTC_JOB_DOWN;
	snprintf(why, sizeof(why), "its keys cannot be deleted: %s",
			 rtc_conn_error(jobs->conn));
	job->tries = 0;
	if (job->kind != RTC_JOB_CLEAR_ALL)
	{
		drop_all(jobs, OF_DATABASE, dboid);
		(void) rtc_closed_give_up(dboid, NULL, lsn, why);
	}
	else if (rtc_closed_give_up(dboid, job->reg.prefix, lsn, why))
		job->scan.current = job->scan.nglobs;	/* nothing more to do */
	return RTC_JOB_DOWN;
}

static RtcJobResult
run(RtcJobs *jobs, RtcJob *job, int64 until_us)
{
	uint64		before = job->scan.deleted;
	RtcJobResult result;

	/* what takes no time is nothing to tell about */
	if (job->total < 0 && job->scan.steps > 0)
		job->total = (int64) rtc_redis_keys(jobs->conn);
	result = rtc_scan_run(jobs->conn, &job->scan, until_us);
	rtc_stat_add(RTC_STAT_PATTERN_DELS, job->scan.deleted - before);
	tell(jobs, false);
	return result == RTC_JOB_DOWN ? failed(jobs, job) : result;
}

/*
 * A registration goes on between batches; ops go to the prefix meanwhile.
 */
static RtcJobResult
leave_for_later(RtcJobs *jobs, RtcJob *job)
{
	RtcJobResult result = rtc_prefix_apply_early(jobs->conn, &job->reg,
												 job->lsn);

	if (result != RTC_JOB_DONE)
		return result;
	job->later = true;
	return RTC_JOB_LATER;
}

/*
 * All is deleted: opens the database for readers, if there is nothing else to
 * be deleted.  The job stays until Redis has confirmed it.
 */
static RtcJobResult
complete(RtcJobs *jobs, RtcJob *job)
{
	/* what is not for later is over, or WAL brings it again */
	bool		others = find_later(jobs, job->dboid, job) != NULL;
	RtcJobResult result = RTC_JOB_DONE;

	if (job->kind != RTC_JOB_REGISTER && !others)
		result = rtc_prefix_reopen(jobs->conn, job->dboid);
	else if (job->kind == RTC_JOB_REGISTER && !others)
		result = rtc_prefix_finish(jobs->conn, &job->reg, job->scan.deleted,
								   jobs->error);
	else if (job->kind == RTC_JOB_REGISTER)
		/* the position must not say yet that it is in use */
		return leave_for_later(jobs, job);
	if (result == RTC_JOB_DONE || result == RTC_JOB_SKIPPED)
	{
		if (result == RTC_JOB_DONE && job->kind != RTC_JOB_PATTERN)
			note_clear(job->dboid);
		drop(jobs, job);
		rtc_queue_broadcast();
	}
	return result;
}

/*
 * Until when others may have to wait for jobs of this commit.
 */
static int64
patience(RtcJobs *jobs, XLogRecPtr lsn)
{
	if (jobs->patient_until == 0 || jobs->patient_lsn != lsn)
	{
		jobs->patient_lsn = lsn;
		jobs->patient_until = rtc_clock_us() + RTC_JOB_PATIENCE;
	}
	return jobs->patient_until;
}

static void
make_clear_job(RtcJobs *jobs, Oid dboid, const char *prefix)
{
	RtcJob	   *job;
	ListCell   *lc;

	/* an empty one would be everybody's keys */
	if (prefix[0] == '\0')
		return;
	foreach(lc, jobs->list)
		if (strcmp(((RtcJob *) lfirst(lc))->reg.prefix, prefix) == 0)
		return;
	job = make(jobs, RTC_JOB_CLEAR_ALL, dboid, InvalidXLogRecPtr, 0);
	strlcpy(job->reg.prefix, prefix, sizeof(job->reg.prefix));
	add_scan(job, prefix, NULL);
}

/*
 * Makes a job for each prefix that is ours, by the position or by shared
 * memory.  A database that is closed is cleared before it is used, anyway.
 */
static void
make_clear_jobs(RtcJobs *jobs, const RtcPosition *pos)
{
	for (int i = 0; i < pos->nprefixes; i++)
		if (!pos->prefix_closed[i] &&
			rtc_prefix_state(pos->prefix_dboid[i]) != RTC_PREFIX_CLOSED)
			make_clear_job(jobs, pos->prefix_dboid[i], pos->prefix[i]);
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
	{
		RtcPrefix	entry;

		rtc_prefix_lock(LW_SHARED);
		entry = rtc_prefixes->entry[i];
		rtc_prefix_unlock();
		if (entry.state != RTC_PREFIX_FREE && entry.state != RTC_PREFIX_CLOSED)
			make_clear_job(jobs, entry.dboid, entry.prefix);
	}
}

/* ---------------- what the others ask for ---------------- */

RtcJobs *
rtc_jobs_create(RtcConn *conn, RtcSuspect *suspect)
{
	RtcJobs    *jobs = palloc0(sizeof(RtcJobs));

	jobs->context = CurrentMemoryContext;
	jobs->conn = conn;
	jobs->suspect = suspect;
	return jobs;
}

bool
rtc_jobs_settle(RtcJobs *jobs, const char *id, const RtcPosition *pos)
{
	/* the EXEC that claimed it may have been done without our hearing of it */
	bool		same = id[0] != '\0' && strcmp(id, jobs->server_id) == 0 &&
	pos->epoch != 0 &&
	(pos->epoch == jobs->known_epoch || pos->epoch == rtc_redis_epoch());
	ListCell   *lc;

	strlcpy(jobs->server_id, id, sizeof(jobs->server_id));
	jobs->known_epoch = pos->epoch;

	if (!same)
		rtc_prefix_register_again(RTC_PREFIX_CLEARING);
	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		/*
		 * A clear of everything that is over must not pass for the next one.
		 * And the prefix may have been lost to another server.
		 */
		bool		goes_on = job->kind == RTC_JOB_CLEAR_ALL ?
		pos->at.horizon != 0 :
		!job->later || rtc_prefix_state(job->dboid) == RTC_PREFIX_CLEARING;

		job->resumed++;
		if (same && goes_on)
			continue;
		jobs->list = foreach_delete_current(jobs->list, lc);
		MemoryContextDelete(job->context);
	}
	tell(jobs, true);
	return same;
}

RtcJobResult
rtc_jobs_delete(RtcJobs *jobs, Oid dboid, const char *prefix, const RtcOp *op,
				XLogRecPtr lsn, uint64 nth)
{
	RtcJob	   *job = find_deletion(jobs, dboid, lsn, nth);
	RtcJobResult result;

	if (job == NULL)
	{
		bool		later = rtc_prefix_state(dboid) == RTC_PREFIX_CLEARING;
		bool		absorbs = later && list_length(jobs->list) >= RTC_MAX_JOBS;
		RtcJobKind	kind = op->kind == RTC_OP_PATTERN && !absorbs ?
		RTC_JOB_PATTERN : RTC_JOB_CLEAR;

		/* one clear for all of them, and for those to come */
		if (absorbs)
			drop_all(jobs, DELETIONS, dboid);
		job = make(jobs, kind, dboid, lsn, nth);
		add_scan(job, prefix, kind == RTC_JOB_PATTERN ? op : NULL);
		job->later = later;
		job->absorbs = absorbs;
	}
	job->lsn = Max(job->lsn, lsn);
	if (job->later)
		return RTC_JOB_LATER;

	result = run(jobs, job, patience(jobs, lsn));
	if (result == RTC_JOB_DONE)
	{
		if (job->kind == RTC_JOB_CLEAR)
			note_clear(dboid);
		drop(jobs, job);
	}
	else if (result == RTC_JOB_LATER)
	{
		job->later = true;
		rtc_closed_while_clearing(dboid, lsn);
	}
	return result;
}

RtcJobResult
rtc_jobs_register(RtcJobs *jobs, Oid dboid, const char *dbname,
				  XLogRecPtr named_at, XLogRecPtr lsn, bool probe)
{
	RtcRegistration reg;
	RtcJobResult result;
	RtcJob	   *job;
	bool		usable;

	result = rtc_prefix_begin(jobs->conn, dboid, dbname, named_at, &reg,
							  jobs->error);
	usable = reg.prefix[0] != '\0';
	if (result == RTC_JOB_DONE && probe && usable)
	{
		result = rtc_closed_probe(jobs->conn, reg.prefix, jobs->error);
		if (result != RTC_JOB_DONE)
			(void) rtc_closed_give_up(dboid, NULL, lsn,
									  result == RTC_JOB_SKIPPED ?
									  jobs->error : rtc_conn_error(jobs->conn));
	}
	if (result != RTC_JOB_DONE)
		return result;

	job = find_registration(jobs, &reg);
	if (job == NULL)
	{
		drop_all(jobs, OF_DATABASE, dboid);
		job = make(jobs, RTC_JOB_REGISTER, dboid, lsn, 0);
		if (usable)
			add_scan(job, reg.prefix, NULL);
		if (reg.old[0] != '\0')
			add_scan(job, reg.old, NULL);
	}
	job->reg = reg;
	job->lsn = Max(job->lsn, lsn);
	/* one without a prefix cannot be left for later: ops would find it */
	result = run(jobs, job, usable ? patience(jobs, lsn) : PG_INT64_MAX);
	if (result == RTC_JOB_DONE)
		return complete(jobs, job);
	return result == RTC_JOB_LATER ? leave_for_later(jobs, job) : result;
}

RtcJobResult
rtc_jobs_step(RtcJobs *jobs)
{
	RtcJob	   *job = find_later(jobs, InvalidOid, NULL);
	RtcJobResult result;

	if (job == NULL)
		return RTC_JOB_DONE;

	/* then it is the turn of the others */
	if (list_length(jobs->list) > 1)
		jobs->list = lappend(list_delete_ptr(jobs->list, job), job);
	result = run(jobs, job, rtc_clock_us() + RTC_JOB_SLICE);
	return result == RTC_JOB_DONE ? complete(jobs, job) : result;
}

bool
rtc_jobs_wait(const RtcJobs *jobs)
{
	return find_later(jobs, InvalidOid, NULL) != NULL;
}

bool
rtc_jobs_delete_only(const RtcJobs *jobs, Oid dboid, XLogRecPtr lsn)
{
	ListCell   *lc;

	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->dboid == dboid && (job->absorbs || job->lsn >= lsn))
			return true;
	}
	return false;
}

/*
 * SETs are applied as DELs, and lookups stay away, from before it begins until
 * it is over; so what was deleted stays deleted, and it goes on where it was.
 */
RtcJobResult
rtc_jobs_clear_all(RtcJobs *jobs, const RtcPosition *pos, uint64 *deleted)
{
	ListCell   *lc;

	/* the others are all in this one, or the database is registered anew */
	drop_all(jobs, OF_DATABASE, InvalidOid);
	if (jobs->list == NIL)
		make_clear_jobs(jobs, pos);
	*deleted = 0;
	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		*deleted += job->scan.deleted;
		if (job->scan.current < job->scan.nglobs)
		{
			RtcJobResult result = run(jobs, job, rtc_clock_us() + RTC_JOB_TELL);

			return result == RTC_JOB_DONE ? RTC_JOB_LATER : result;
		}
	}
	tell(jobs, true);
	return RTC_JOB_DONE;
}

void
rtc_jobs_end_clear(RtcJobs *jobs)
{
	drop_all(jobs, KIND(RTC_JOB_CLEAR_ALL), InvalidOid);
}
