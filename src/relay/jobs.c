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
#include "relay/jobs_internal.h"
#include "relay/prefix.h"
#include "relay/redis_id.h"
#include "relay/scan.h"
#include "relay/suspect.h"
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

static char server_id[RTC_REDIS_ID_LEN];	/* of the Redis they are about */
static uint64 known_epoch;		/* of the position there, when it was read */

static bool has_clear_jobs(void);
static void make_clear_jobs(const RtcPosition *pos);
static bool prefix_to_clear(const RtcPosition *pos, int n, Oid *dboid,
							char prefix[RTC_MAX_PREFIX_LEN]);
static RtcScanResult run(RtcConn *conn, RtcJob *job, int64 until_us);
static RtcJobResult complete(RtcConn *conn, RtcJob *job, const char **error);
static RtcJobResult as_result(RtcPrefixResult result);
static void failed(RtcConn *conn, RtcJob *job);
static int64 patience(XLogRecPtr lsn);

bool
rtc_jobs_recognize(RtcConn *conn, const RtcPosition *pos, bool *same)
{
	char		id[RTC_REDIS_ID_LEN];
	ListCell   *lc;

	if (!rtc_redis_id(conn, id))
		return false;
	/* the EXEC that claimed it may have been done without our hearing of it */
	*same = id[0] != '\0' && strcmp(id, server_id) == 0 && pos->epoch != 0 &&
		(pos->epoch == known_epoch ||
		 pos->epoch == rtc_redis_epoch());
	strlcpy(server_id, id, sizeof(server_id));
	known_epoch = pos->epoch;
	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);
		bool		dropped = !*same;

		/* one that is over must not pass for the next one */
		if (job->kind == RTC_JOB_CLEAR_ALL)
			dropped = dropped || pos->horizon == 0;
		/* the prefix may have been lost to another server */
		else if (job->later)
			dropped = dropped || !rtc_closed_is_clearing(job->dboid);
		job->resumed++;
		if (!dropped)
			continue;
		rtc_jobs = foreach_delete_current(rtc_jobs, lc);
		MemoryContextDelete(job->context);
	}
	rtc_jobs_tell(true);
	return true;
}

RtcJobResult
rtc_jobs_delete(RtcConn *conn, Oid dboid, const char *prefix,
				const RtcOp *op, XLogRecPtr lsn, uint64 nth)
{
	RtcJob	   *job = rtc_job_find_deletion(dboid, lsn, nth);
	RtcOp		all = {.kind = RTC_OP_CLEAR};
	bool		absorbs = false;

	if (job == NULL && rtc_closed_is_clearing(dboid))
	{
		job = rtc_job_find_absorbing(dboid);
		if (job != NULL)
			job->lsn = Max(job->lsn, lsn);
	}
	if (job == NULL && list_length(rtc_jobs) >= RTC_MAX_JOBS &&
		rtc_closed_is_clearing(dboid))
	{
		/* one clear for all of them, and for those to come */
		rtc_jobs_drop_of(dboid);
		op = &all;
		absorbs = true;
	}
	if (job == NULL)
	{
		job = rtc_job_make(op->kind == RTC_OP_PATTERN ? RTC_JOB_PATTERN :
						   RTC_JOB_CLEAR, dboid, lsn, nth);
		rtc_job_add_scan(job, prefix, op);
		job->later = rtc_closed_is_clearing(dboid);
		job->absorbs = absorbs;
	}
	if (job->later)
		return RTC_JOB_LATER;

	switch (run(conn, job, patience(lsn)))
	{
		case RTC_SCAN_DONE:
			rtc_job_drop(job);
			return RTC_JOB_DONE;
		case RTC_SCAN_FAILED:
			failed(conn, job);
			return RTC_JOB_DOWN;
		case RTC_SCAN_MORE:
			break;
	}
	job->later = true;
	rtc_closed_while_clearing(dboid, lsn);
	return RTC_JOB_LATER;
}

RtcJobResult
rtc_jobs_register(RtcConn *conn, Oid dboid, const char *dbname,
				  XLogRecPtr named_at, XLogRecPtr lsn, bool probe,
				  const char **error)
{
	static RtcRegistration reg;
	RtcPrefixResult result;
	RtcJob	   *job;

	*error = reg.error;
	result = rtc_prefix_begin(conn, dboid, dbname, named_at, &reg);
	if (result != RTC_PREFIX_OK)
		return as_result(result);
	if (probe && reg.prefix[0] != '\0')
	{
		result = rtc_closed_probe(conn, reg.prefix, reg.error,
								  sizeof(reg.error));
		if (result != RTC_PREFIX_OK)
			(void) rtc_closed_give_up(dboid, NULL, lsn,
									  result == RTC_PREFIX_SKIP ?
									  reg.error : rtc_conn_error(conn));
		if (result != RTC_PREFIX_OK)
			return as_result(result);
	}

	job = rtc_job_find_registration(&reg);
	if (job == NULL)
	{
		rtc_jobs_drop_of(dboid);
		job = rtc_job_make(RTC_JOB_REGISTER, dboid, lsn, 0);
		if (reg.prefix[0] != '\0')
			rtc_job_add_scan(job, reg.prefix, NULL);
		if (reg.old[0] != '\0')
			rtc_job_add_scan(job, reg.old, NULL);
	}
	job->reg = reg;
	job->lsn = Max(job->lsn, lsn);
	/* one without a prefix cannot be left for later: ops would find it */
	switch (run(conn, job, reg.prefix[0] != '\0' ? patience(lsn) : PG_INT64_MAX))
	{
		case RTC_SCAN_DONE:
			return complete(conn, job, error);
		case RTC_SCAN_FAILED:
			failed(conn, job);
			return RTC_JOB_DOWN;
		case RTC_SCAN_MORE:
			break;
	}
	result = rtc_prefix_apply_early(conn, &reg, lsn);
	if (result != RTC_PREFIX_OK)
		return as_result(result);
	job->later = true;
	return RTC_JOB_LATER;
}

RtcJobResult
rtc_jobs_step(RtcConn *conn, const char **error)
{
	RtcJob	   *job = NULL;
	ListCell   *lc;

	foreach(lc, rtc_jobs)
		if (job == NULL && ((RtcJob *) lfirst(lc))->later)
		job = lfirst(lc);
	if (job == NULL)
		return RTC_JOB_DONE;

	/* then it is the turn of the others */
	rtc_jobs = list_delete_ptr(rtc_jobs, job);
	rtc_job_append(job);
	switch (run(conn, job, rtc_clock_us() + RTC_JOB_SLICE))
	{
		case RTC_SCAN_DONE:
			return complete(conn, job, error);
		case RTC_SCAN_FAILED:
			failed(conn, job);
			return RTC_JOB_DOWN;
		case RTC_SCAN_MORE:
			break;
	}
	return RTC_JOB_LATER;
}

bool
rtc_jobs_wait(void)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
		if (((RtcJob *) lfirst(lc))->later)
		return true;
	return false;
}

bool
rtc_jobs_delete_only(Oid dboid, XLogRecPtr lsn)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->dboid == dboid && job->kind != RTC_JOB_CLEAR_ALL &&
			(job->absorbs || job->lsn >= lsn))
			return true;
	}
	return false;
}

/*
 * SETs are applied as DELs, and lookups stay away, from before it begins until
 * it is over; so what was deleted stays deleted, and it goes on where it was.
 */
RtcJobResult
rtc_jobs_clear_all(RtcConn *conn, const RtcPosition *pos,
				   bool (*still_alive) (void), uint64 *deleted)
{
	ListCell   *lc;

	/* they are all in this one, or the database is registered anew */
	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->kind == RTC_JOB_CLEAR_ALL)
			continue;
		rtc_jobs = foreach_delete_current(rtc_jobs, lc);
		MemoryContextDelete(job->context);
	}
	if (rtc_jobs == NIL)
		make_clear_jobs(pos);
	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		while (!job->done)
		{
			switch (run(conn, job, rtc_clock_us() + RTC_JOB_TELL))
			{
				case RTC_SCAN_DONE:
					job->done = true;
					break;
				case RTC_SCAN_FAILED:
					failed(conn, job);
					return RTC_JOB_DOWN;
				case RTC_SCAN_MORE:
					if (!still_alive())
						return RTC_JOB_DOWN;
					break;
			}
		}
		*deleted += job->scan[0].deleted;
	}
	rtc_jobs_tell(true);
	return RTC_JOB_DONE;
}

bool
rtc_jobs_are_clearing(void)
{
	return has_clear_jobs();
}

bool
rtc_jobs_have_cleared(void)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->kind == RTC_JOB_CLEAR_ALL && !job->done)
			return false;
	}
	return has_clear_jobs();
}

void
rtc_jobs_end_clear(void)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->kind != RTC_JOB_CLEAR_ALL)
			continue;
		rtc_jobs = foreach_delete_current(rtc_jobs, lc);
		MemoryContextDelete(job->context);
	}
	rtc_jobs_tell(true);
}

/* ---------------- at work ---------------- */

static RtcScanResult
run(RtcConn *conn, RtcJob *job, int64 until_us)
{
	/* what takes no time is nothing to tell about */
	if (!job->counted && job->scan[0].steps > 0)
	{
		job->counted = true;
		job->total = rtc_redis_keys(conn);
	}
	while (job->current < job->nscans)
	{
		RtcScan    *scan = &job->scan[job->current];
		uint64		before = scan->deleted;
		RtcScanResult result = rtc_scan_run(conn, scan, rtc_command_timeout,
											until_us);

		rtc_stat_add(RTC_STAT_PATTERN_DELS, scan->deleted - before);
		rtc_jobs_tell(false);
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
complete(RtcConn *conn, RtcJob *job, const char **error)
{
	static char text[RTC_ERROR_LEN];
	RtcPrefixResult result = RTC_PREFIX_OK;
	bool		others = false;
	ListCell   *lc;

	/* what is not for later is over, or WAL brings it again */
	foreach(lc, rtc_jobs)
	{
		const RtcJob *other = lfirst(lc);

		others = others || (other != job && other->dboid == job->dboid &&
							other->later);
	}
	if (job->kind == RTC_JOB_REGISTER && others)
	{
		/* the position must not say yet that it is in use */
		result = rtc_prefix_apply_early(conn, &job->reg, job->lsn);
		job->later = job->later || result == RTC_PREFIX_OK;
		return result == RTC_PREFIX_OK ? RTC_JOB_LATER : as_result(result);
	}
	if (job->kind == RTC_JOB_REGISTER)
		result = rtc_prefix_finish(conn, &job->reg, job->scan[0].deleted +
								   job->scan[1].deleted);
	else if (!others)
		result = rtc_prefix_reopen(conn, job->dboid);
	strlcpy(text, job->reg.error, sizeof(text));
	*error = text;
	if (result == RTC_PREFIX_OK || result == RTC_PREFIX_SKIP)
	{
		rtc_job_drop(job);
		rtc_queue_broadcast();
	}
	return as_result(result);
}

static RtcJobResult
as_result(RtcPrefixResult result)
{
	switch (result)
	{
		case RTC_PREFIX_OK:
			return RTC_JOB_DONE;
		case RTC_PREFIX_SKIP:
			return RTC_JOB_SKIPPED;
		case RTC_PREFIX_FULL:
			return RTC_JOB_FULL;
		case RTC_PREFIX_REFUSED:
			return RTC_JOB_FENCED;
		case RTC_PREFIX_FAILED:
			break;
	}
	return RTC_JOB_DOWN;
}

/*
 * The connection was lost.  If that happens at the same place several times, it
 * is refused.
 */
static void
failed(RtcConn *conn, RtcJob *job)
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
	rtc_suspect_learned();
	if (++job->tries < RTC_JOB_TRIES)
		return;
	snprintf(why, sizeof(why), "its keys cannot be deleted: %s",
			 rtc_conn_error(conn));
	job->tries = 0;
	if (job->kind != RTC_JOB_CLEAR_ALL)
	{
		rtc_jobs_drop_of(dboid);
		(void) rtc_closed_give_up(dboid, NULL, lsn, why);
	}
	else if (rtc_closed_give_up(dboid, job->reg.prefix, lsn, why))
		job->done = true;
}

/*
 * Until when others may have to wait for rtc_jobs of this commit.
 */
static int64
patience(XLogRecPtr lsn)
{
	static XLogRecPtr last = InvalidXLogRecPtr;
	static int64 until = 0;

	if (until == 0 || last != lsn)
	{
		last = lsn;
		until = rtc_clock_us() + RTC_JOB_PATIENCE;
	}
	return until;
}

static bool
has_clear_jobs(void)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
		if (((RtcJob *) lfirst(lc))->kind == RTC_JOB_CLEAR_ALL)
		return true;
	return false;
}

static void
make_clear_jobs(const RtcPosition *pos)
{
	Oid			dboid;
	char		prefix[RTC_MAX_PREFIX_LEN];

	for (int i = 0; prefix_to_clear(pos, i, &dboid, prefix); i++)
	{
		/* an empty one would be everybody's keys */
		bool		known = prefix[0] == '\0';
		RtcJob	   *job;
		ListCell   *lc;

		foreach(lc, rtc_jobs)
			known = known ||
			strcmp(((RtcJob *) lfirst(lc))->reg.prefix, prefix) == 0;
		if (known || rtc_closed_is_given_up(dboid))
			continue;
		job = rtc_job_make(RTC_JOB_CLEAR_ALL, dboid, InvalidXLogRecPtr, 0);
		strlcpy(job->reg.prefix, prefix, sizeof(job->reg.prefix));
		rtc_job_add_scan(job, prefix, NULL);
	}
}

/*
 * The prefix of the nth database that a clear has to care for, by the position
 * or by shared memory, or the old one of it; false = there is none any more.
 * *dboid is invalid, and the prefix "", if there is nothing to be cleared.
 */
static bool
prefix_to_clear(const RtcPosition *pos, int n, Oid *dboid,
				char prefix[RTC_MAX_PREFIX_LEN])
{
	RtcPrefix  *entry;

	*dboid = InvalidOid;
	prefix[0] = '\0';
	if (n < pos->nprefixes)
	{
		/* one that is closed is cleared before it is used, anyway */
		if (!pos->prefix_closed[n])
		{
			*dboid = pos->prefix_dboid[n];
			strlcpy(prefix, pos->prefix[n], RTC_MAX_PREFIX_LEN);
		}
		return true;
	}
	n -= pos->nprefixes;
	if (n >= RTC_MAX_PREFIXES)
		return false;
	entry = &rtc_prefixes->entry[n];
	rtc_prefix_lock(LW_SHARED);
	if (entry->state != RTC_PREFIX_FREE && entry->state != RTC_PREFIX_CLOSED)
	{
		*dboid = entry->dboid;
		strlcpy(prefix, entry->prefix, RTC_MAX_PREFIX_LEN);
	}
	rtc_prefix_unlock();
	return true;
}
