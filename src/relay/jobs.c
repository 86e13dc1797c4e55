/*-------------------------------------------------------------------------
 *
 * jobs.c
 *		What the relay deletes in Redis by going through all keys.
 *
 * A deletion by pattern, the clear of a database, the registration of a prefix,
 * and a clear of everything look at each key that Redis holds, whoever owns it.
 * With many millions of keys that takes minutes.
 *
 * A short one is done at once.  If it is not over within RTC_JOB_PATIENCE, its
 * database is closed for readers, durably (closed.c), and it goes on between
 * batches: so the position moves past it, and other databases need not wait.
 * Ops of its own database are applied meanwhile.  A key that such an op sets and
 * the job deletes is just not cached; none is left that was there before.
 *
 * A job outlives the connection, if the next one leads to the same process of
 * Redis (its run id), with the same data (its replication id, and the epoch of
 * the position): then what was deleted is deleted.  WAL is read again, though.
 * What it sets again may be behind the place where the job is; so SETs of
 * commits up to that of the job become DELs.  At another Redis, or if INFO is
 * forbidden, jobs are forgotten: WAL brings them again, or the database is
 * closed and gets cleared by its registration.
 *
 * A job that fails again and again at the same place is refused, and its
 * database is given up.
 *
 * Model: the relay alone.  Each job has a memory context of its own.  Redis
 * trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/condition_variable.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "guc.h"
#include "redis/prefix_table.h"
#include "redis/trust.h"
#include "relay/closed.h"
#include "relay/jobs.h"
#include "relay/prefix.h"
#include "stats.h"
#include "wal/queue.h"

/* What others wait for at most, per commit, before it is left for later (us). */
#ifndef RTC_JOB_PATIENCE
#define RTC_JOB_PATIENCE	500000
#endif

/* Length of a slice between batches (us). */
#define RTC_JOB_SLICE		10000

/* Failures at one place before it is given up. */
#define RTC_JOB_TRIES		3

static RtcScanResult run(RtcJobs *jobs, RtcJob *job, int64 until_us);
static RtcJobResult complete(RtcJobs *jobs, RtcJob *job);
static RtcJobResult leave_for_later(RtcJobs *jobs, RtcJob *job);
static RtcJobResult note_error(RtcJobs *jobs, RtcJobResult result,
							   const RtcRegistration *reg);
static RtcJobResult failed(RtcJobs *jobs, RtcJob *job);
static int64 patience(RtcJobs *jobs, XLogRecPtr lsn);
static void make_clear_jobs(RtcJobs *jobs, const RtcPosition *pos);
static void make_clear_job(RtcJobs *jobs, Oid dboid, const char *prefix);

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
rtc_jobs_recognize(RtcJobs *jobs, const RtcPosition *pos, bool *same)
{
	if (!rtc_redis_id(jobs->conn, jobs->found_id))
		return false;
	/* the EXEC that claimed it may have been done without our hearing of it */
	*same = jobs->found_id[0] != '\0' &&
		strcmp(jobs->found_id, jobs->server_id) == 0 && pos->epoch != 0 &&
		(pos->epoch == jobs->known_epoch || pos->epoch == rtc_redis_epoch());
	return true;
}

void
rtc_jobs_settle(RtcJobs *jobs, const RtcPosition *pos, bool same)
{
	ListCell   *lc;

	strlcpy(jobs->server_id, jobs->found_id, sizeof(jobs->server_id));
	jobs->known_epoch = pos->epoch;

	if (!same)
		rtc_prefix_jobs_lost();
	/* a clear that is over must not pass for the next one */
	if (!same || pos->at.horizon == 0)
		rtc_jobs_drop(jobs, &jobs->clear, InvalidOid);
	foreach(lc, jobs->clear)
		((RtcJob *) lfirst(lc))->resumed++;
	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		job->resumed++;
		/* the prefix may have been lost to another server */
		if (same && (!job->later || rtc_prefix_state(job->dboid) == RTC_PREFIX_CLEARING))
			continue;
		jobs->list = foreach_delete_current(jobs->list, lc);
		MemoryContextDelete(job->context);
	}
	rtc_jobs_tell(jobs, true);
}

RtcJobResult
rtc_jobs_delete(RtcJobs *jobs, Oid dboid, const char *prefix, const RtcOp *op,
				XLogRecPtr lsn, uint64 nth)
{
	RtcJob	   *job = rtc_job_find_deletion(jobs, dboid, lsn, nth);
	RtcOp		all = {.kind = RTC_OP_CLEAR};

	if (job == NULL)
	{
		bool		later = rtc_prefix_state(dboid) == RTC_PREFIX_CLEARING;
		bool		absorbs = later && list_length(jobs->list) >= RTC_MAX_JOBS;

		/* one clear for all of them, and for those to come */
		if (absorbs)
		{
			rtc_jobs_drop(jobs, &jobs->list, dboid);
			op = &all;
		}
		job = rtc_job_make(jobs, op->kind == RTC_OP_PATTERN ? RTC_JOB_PATTERN :
						   RTC_JOB_CLEAR, dboid, lsn, nth);
		rtc_job_add_scan(job, prefix, op);
		job->later = later;
		job->absorbs = absorbs;
	}
	job->lsn = Max(job->lsn, lsn);
	if (job->later)
		return RTC_JOB_LATER;

	switch (run(jobs, job, patience(jobs, lsn)))
	{
		case RTC_SCAN_DONE:
			rtc_job_drop(jobs, job);
			return RTC_JOB_DONE;
		case RTC_SCAN_FAILED:
			return failed(jobs, job);
		case RTC_SCAN_MORE:
			break;
	}
	job->later = true;
	rtc_closed_while_clearing(dboid, lsn);
	return RTC_JOB_LATER;
}

RtcJobResult
rtc_jobs_register(RtcJobs *jobs, Oid dboid, const char *dbname,
				  XLogRecPtr named_at, XLogRecPtr lsn, bool probe)
{
	RtcRegistration reg;
	RtcJobResult result;
	RtcJob	   *job;

	result = rtc_prefix_begin(jobs->conn, dboid, dbname, named_at, &reg);
	if (result == RTC_JOB_DONE && probe && reg.prefix[0] != '\0')
	{
		result = rtc_closed_probe(jobs->conn, reg.prefix, reg.error,
								  sizeof(reg.error));
		if (result != RTC_JOB_DONE)
			(void) rtc_closed_give_up(dboid, NULL, lsn,
									  result == RTC_JOB_SKIPPED ?
									  reg.error : rtc_conn_error(jobs->conn));
	}
	if (result != RTC_JOB_DONE)
		return note_error(jobs, result, &reg);

	job = rtc_job_find_registration(jobs, &reg);
	if (job == NULL)
	{
		rtc_jobs_drop(jobs, &jobs->list, dboid);
		job = rtc_job_make(jobs, RTC_JOB_REGISTER, dboid, lsn, 0);
		if (reg.prefix[0] != '\0')
			rtc_job_add_scan(job, reg.prefix, NULL);
		if (reg.old[0] != '\0')
			rtc_job_add_scan(job, reg.old, NULL);
	}
	job->reg = reg;
	job->lsn = Max(job->lsn, lsn);
	/* one without a prefix cannot be left for later: ops would find it */
	switch (run(jobs, job, reg.prefix[0] != '\0' ? patience(jobs, lsn) :
				PG_INT64_MAX))
	{
		case RTC_SCAN_DONE:
			return complete(jobs, job);
		case RTC_SCAN_FAILED:
			return failed(jobs, job);
		case RTC_SCAN_MORE:
			break;
	}
	return leave_for_later(jobs, job);
}

RtcJobResult
rtc_jobs_step(RtcJobs *jobs)
{
	RtcJob	   *job = rtc_job_find_later(jobs);

	if (job == NULL)
		return RTC_JOB_DONE;

	/* then it is the turn of the others */
	if (list_length(jobs->list) > 1)
		jobs->list = lappend(list_delete_ptr(jobs->list, job), job);
	switch (run(jobs, job, rtc_clock_us() + RTC_JOB_SLICE))
	{
		case RTC_SCAN_DONE:
			return complete(jobs, job);
		case RTC_SCAN_FAILED:
			return failed(jobs, job);
		case RTC_SCAN_MORE:
			break;
	}
	return RTC_JOB_LATER;
}

bool
rtc_jobs_wait(const RtcJobs *jobs)
{
	return rtc_job_find_later(jobs) != NULL;
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

	/* they are all in this one, or the database is registered anew */
	if (jobs->list != NIL)
		rtc_jobs_drop(jobs, &jobs->list, InvalidOid);
	if (jobs->clear == NIL)
		make_clear_jobs(jobs, pos);
	*deleted = 0;
	foreach(lc, jobs->clear)
	{
		RtcJob	   *job = lfirst(lc);

		*deleted += job->scan[0].deleted;
		if (job->done)
			continue;
		switch (run(jobs, job, rtc_clock_us() + RTC_JOB_TELL))
		{
			case RTC_SCAN_DONE:
				job->done = true;
				return RTC_JOB_LATER;
			case RTC_SCAN_FAILED:
				return failed(jobs, job);
			case RTC_SCAN_MORE:
				return RTC_JOB_LATER;
		}
	}
	rtc_jobs_tell(jobs, true);
	return RTC_JOB_DONE;
}

void
rtc_jobs_end_clear(RtcJobs *jobs)
{
	rtc_jobs_drop(jobs, &jobs->clear, InvalidOid);
}

/* ---------------- at work ---------------- */

static RtcScanResult
run(RtcJobs *jobs, RtcJob *job, int64 until_us)
{
	/* what takes no time is nothing to tell about */
	if (!job->counted && job->scan[0].steps > 0)
	{
		job->counted = true;
		job->total = rtc_redis_keys(jobs->conn);
	}
	while (job->current < job->nscans)
	{
		RtcScan    *scan = &job->scan[job->current];
		uint64		before = scan->deleted;
		RtcScanResult result = rtc_scan_run(jobs->conn, scan,
											rtc_command_timeout, until_us);

		rtc_stat_add(RTC_STAT_PATTERN_DELS, scan->deleted - before);
		rtc_jobs_tell(jobs, false);
		if (result != RTC_SCAN_DONE)
			return result;
		job->current++;
	}
	return RTC_SCAN_DONE;
}

/*
 * All is deleted: opens the database for readers, if there is nothing else to
 * be deleted.  The job stays until Redis has confirmed it.
 */
static RtcJobResult
complete(RtcJobs *jobs, RtcJob *job)
{
	RtcJobResult result = RTC_JOB_DONE;
	bool		others = false;
	ListCell   *lc;

	/* what is not for later is over, or WAL brings it again */
	foreach(lc, jobs->list)
	{
		const RtcJob *other = lfirst(lc);

		others = others || (other != job && other->dboid == job->dboid &&
							other->later);
	}
	if (job->kind == RTC_JOB_REGISTER && others)
		/* the position must not say yet that it is in use */
		return leave_for_later(jobs, job);
	if (job->kind == RTC_JOB_REGISTER)
		result = rtc_prefix_finish(jobs->conn, &job->reg,
								   job->scan[0].deleted +
								   job->scan[1].deleted);
	else if (!others)
		result = rtc_prefix_reopen(jobs->conn, job->dboid);
	note_error(jobs, result, &job->reg);
	if (result == RTC_JOB_DONE || result == RTC_JOB_SKIPPED)
	{
		rtc_job_drop(jobs, job);
		rtc_queue_broadcast();
	}
	return result;
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
		return note_error(jobs, result, &job->reg);
	job->later = true;
	return RTC_JOB_LATER;
}

/*
 * Keeps what there is to say about the result of a registration.
 */
static RtcJobResult
note_error(RtcJobs *jobs, RtcJobResult result, const RtcRegistration *reg)
{
	strlcpy(jobs->error, reg->error, sizeof(jobs->error));
	return result;
}

/*
 * The connection was lost.  If that happens at the same place several times, it
 * is refused.
 */
static RtcJobResult
failed(RtcJobs *jobs, RtcJob *job)
{
	const RtcScan *scan = &job->scan[job->current];
	char		place[RTC_CURSOR_LEN + 16];
	char		why[RTC_ERROR_LEN];
	Oid			dboid = job->dboid;
	XLogRecPtr	lsn = job->lsn;

	snprintf(place, sizeof(place), "%d/%d/%s", job->current, scan->pass,
			 scan->cursor);
	if (strcmp(place, job->tried_at) != 0)
		job->tries = 0;
	strlcpy(job->tried_at, place, sizeof(job->tried_at));
	jobs->suspect->learned = true;
	if (++job->tries < RTC_JOB_TRIES)
		return RTC_JOB_DOWN;
	snprintf(why, sizeof(why), "its keys cannot be deleted: %s",
			 rtc_conn_error(jobs->conn));
	job->tries = 0;
	if (job->kind == RTC_JOB_CLEAR_ALL)
		job->done = rtc_closed_give_up(dboid, job->reg.prefix, lsn, why);
	else
	{
		rtc_jobs_drop(jobs, &jobs->list, dboid);
		(void) rtc_closed_give_up(dboid, NULL, lsn, why);
	}
	return RTC_JOB_DOWN;
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

static void
make_clear_job(RtcJobs *jobs, Oid dboid, const char *prefix)
{
	RtcJob	   *job;
	ListCell   *lc;

	/* an empty one would be everybody's keys */
	if (prefix[0] == '\0')
		return;
	foreach(lc, jobs->clear)
		if (strcmp(((RtcJob *) lfirst(lc))->reg.prefix, prefix) == 0)
		return;
	job = rtc_job_make(jobs, RTC_JOB_CLEAR_ALL, dboid, InvalidXLogRecPtr, 0);
	strlcpy(job->reg.prefix, prefix, sizeof(job->reg.prefix));
	rtc_job_add_scan(job, prefix, NULL);
}
