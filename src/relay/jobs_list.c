/*-------------------------------------------------------------------------
 *
 * jobs_list.c
 *		The list of jobs, and what people see of it.
 *
 * Model: the relay alone; see jobs.c.  Raises out of memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/key.h"
#include "relay/jobs_list.h"

static int	describe(const List *list, RtcJobInfo *info, int n);

RtcJob *
rtc_job_make(RtcJobs *jobs, RtcJobKind kind, Oid dboid, XLogRecPtr lsn,
			 uint64 nth)
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
	job->started_at = GetCurrentTimestamp();
	if (kind == RTC_JOB_CLEAR_ALL)
		jobs->clear = lappend(jobs->clear, job);
	else
		jobs->list = lappend(jobs->list, job);
	MemoryContextSwitchTo(old);
	return job;
}

/*
 * op: a PATTERN or CLEAR; NULL = all that has the prefix.
 */
void
rtc_job_add_scan(RtcJob *job, const char *prefix, const RtcOp *op)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);
	bool		pattern = op != NULL && op->kind == RTC_OP_PATTERN;
	StringInfoData glob;

	initStringInfo(&glob);
	rtc_glob_escape(&glob, prefix, strlen(prefix));
	if (pattern)
		appendBinaryStringInfo(&glob, op->key, op->keylen);
	else
		appendStringInfoChar(&glob, '*');
	rtc_scan_begin(&job->scan[job->nscans++], glob.data,
				   pattern ? strlen(prefix) : 0);
	MemoryContextSwitchTo(old);
}

void
rtc_job_drop(RtcJobs *jobs, RtcJob *job)
{
	jobs->list = list_delete_ptr(jobs->list, job);
	MemoryContextDelete(job->context);
	rtc_jobs_tell(jobs, true);
}

void
rtc_jobs_drop(RtcJobs *jobs, List **list, Oid dboid)
{
	ListCell   *lc;

	foreach(lc, *list)
	{
		RtcJob	   *job = lfirst(lc);

		if (OidIsValid(dboid) && job->dboid != dboid)
			continue;
		*list = foreach_delete_current(*list, lc);
		MemoryContextDelete(job->context);
	}
	rtc_jobs_tell(jobs, true);
}

RtcJob *
rtc_job_find_deletion(const RtcJobs *jobs, Oid dboid, XLogRecPtr lsn,
					  uint64 nth)
{
	ListCell   *lc;

	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->dboid == dboid && job->kind != RTC_JOB_REGISTER &&
			(job->absorbs || (job->lsn == lsn && job->nth == nth)))
			return job;
	}
	return NULL;
}

RtcJob *
rtc_job_find_registration(const RtcJobs *jobs, const RtcRegistration *reg)
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

RtcJob *
rtc_job_find_later(const RtcJobs *jobs)
{
	ListCell   *lc;

	foreach(lc, jobs->list)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->later)
			return job;
	}
	return NULL;
}

void
rtc_jobs_tell(RtcJobs *jobs, bool now)
{
	RtcJobInfo	info[RTC_MAX_JOBS] = {0};
	int			n;

	if (!now && rtc_clock_us() - jobs->told_us < RTC_JOB_TELL)
		return;
	jobs->told_us = rtc_clock_us();
	n = describe(jobs->clear, info, 0);
	rtc_relay_report_jobs(info, describe(jobs->list, info, n));
}

/*
 * Describes a list behind n jobs that are described already.  Returns how many
 * there are then.
 */
static int
describe(const List *list, RtcJobInfo *jobs, int n)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		const RtcJob *job = lfirst(lc);
		const RtcScan *scan;
		RtcJobInfo *info;

		if (job->done || job->nscans == 0)
			continue;
		if (n == RTC_MAX_JOBS)
			break;
		info = &jobs[n++];
		scan = &job->scan[Min(job->current, job->nscans - 1)];
		info->kind = job->kind;
		info->dboid = job->dboid;
		strlcpy(info->pattern, scan->glob, sizeof(info->pattern));
		for (char *p = info->pattern; *p != '\0'; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
		info->passes = job->nscans * RTC_SCAN_PASSES;
		info->pass = Min(job->current * RTC_SCAN_PASSES + scan->pass + 1,
						 info->passes);
		info->looked = scan->steps * RTC_SCAN_COUNT;
		if (job->total > 0)
			info->looked = Min(info->looked, job->total);
		info->deleted = job->scan[0].deleted + job->scan[1].deleted;
		info->total = job->total;
		info->resumed = job->resumed;
		info->started_at = job->started_at;
	}
	return n;
}
