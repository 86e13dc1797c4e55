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
#include "relay/jobs_internal.h"

List	   *rtc_jobs = NIL;

void
rtc_job_append(RtcJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	rtc_jobs = lappend(rtc_jobs, job);
	MemoryContextSwitchTo(old);
}

RtcJob *
rtc_job_make(RtcJobKind kind, Oid dboid, XLogRecPtr lsn, uint64 nth)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "rtcache job",
												  ALLOCSET_SMALL_SIZES);
	RtcJob	   *job = MemoryContextAllocZero(context, sizeof(RtcJob));

	job->context = context;
	job->kind = kind;
	job->dboid = dboid;
	job->lsn = lsn;
	job->nth = nth;
	job->started_at = GetCurrentTimestamp();
	rtc_job_append(job);
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
	rtc_scan_begin(&job->scan[job->nscans++], glob.data, glob.len,
				   pattern ? strlen(prefix) : 0);
	MemoryContextSwitchTo(old);
}

void
rtc_job_drop(RtcJob *job)
{
	rtc_jobs = list_delete_ptr(rtc_jobs, job);
	MemoryContextDelete(job->context);
	rtc_jobs_tell(true);
}

void
rtc_jobs_drop_of(Oid dboid)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->dboid != dboid || job->kind == RTC_JOB_CLEAR_ALL)
			continue;
		rtc_jobs = foreach_delete_current(rtc_jobs, lc);
		MemoryContextDelete(job->context);
	}
	rtc_jobs_tell(true);
}

/* The one that an op has made before, when WAL was read for the first time. */
RtcJob *
rtc_job_find_deletion(Oid dboid, XLogRecPtr lsn, uint64 nth)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->dboid == dboid && job->lsn == lsn && job->nth == nth &&
			(job->kind == RTC_JOB_CLEAR || job->kind == RTC_JOB_PATTERN))
			return job;
	}
	return NULL;
}

/* One that was cut off. */
RtcJob *
rtc_job_find_registration(const RtcRegistration *reg)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
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
rtc_job_find_absorbing(Oid dboid)
{
	ListCell   *lc;

	foreach(lc, rtc_jobs)
	{
		RtcJob	   *job = lfirst(lc);

		if (job->dboid == dboid && job->absorbs)
			return job;
	}
	return NULL;
}

/*
 * Tells what goes on, now and then.
 */
void
rtc_jobs_tell(bool now)
{
	static int64 told_us = 0;
	RtcJobInfo	jobs[RTC_MAX_JOBS] = {0};
	ListCell   *lc;
	int			n = 0;

	if (!now && rtc_clock_us() - told_us < RTC_JOB_TELL)
		return;
	told_us = rtc_clock_us();
	foreach(lc, rtc_jobs)
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
	rtc_jobs_report(jobs, n);
}
