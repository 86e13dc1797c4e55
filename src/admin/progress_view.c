/*-------------------------------------------------------------------------
 *
 * progress_view.c
 *		What takes long: the view rtcache_progress.
 *
 * That is what warms tables, and what the relay does that goes through all keys.
 *
 * Model: runs in backends, and copies what these tell.  Raises 55000 when
 * rtcache is not preloaded.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "admin/progress_view.h"
#include "base/shared.h"
#include "refresh/warm_status.h"
#include "relay/status.h"

PG_FUNCTION_INFO_V1(rtcache_progress);

#define PROGRESS_COLUMNS	12

static const char *
job_name(RtcJobKind kind)
{
	switch (kind)
	{
		case RTC_JOB_CLEAR_ALL:
			return "clear of everything";
		case RTC_JOB_REGISTER:
			return "registration";
		case RTC_JOB_CLEAR:
			return "clear";
		case RTC_JOB_PATTERN:
			return "delete by pattern";
		case RTC_JOB_SWEEP:
			return "sweep";
	}
	return "unknown";
}

/* Adds what the relay does to the result. */
static void
put_job(ReturnSetInfo *rsinfo, const RtcJobInfo *job, int pid)
{
	Datum		values[PROGRESS_COLUMNS] = {0};
	bool		nulls[PROGRESS_COLUMNS] = {0};

	values[0] = Int32GetDatum(pid);
	values[1] = ObjectIdGetDatum(job->dboid);
	nulls[1] = !OidIsValid(job->dboid);
	nulls[2] = true;
	values[3] = CStringGetTextDatum(job_name(job->kind));
	values[4] = Int64GetDatum((int64) job->looked);
	values[5] = Int64GetDatum((int64) job->total);
	nulls[5] = job->total == 0;
	values[6] = TimestampTzGetDatum(job->started_at);
	values[7] = CStringGetTextDatum(job->pattern);
	nulls[7] = job->pattern[0] == '\0';
	values[8] = Int32GetDatum(job->pass);
	values[9] = Int32GetDatum(job->passes);
	values[10] = Int64GetDatum((int64) job->deleted);
	values[11] = Int32GetDatum(job->resumed);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static const char *
phase_name(RtcWarmPhase phase)
{
	switch (phase)
	{
		case RTC_WARM_ROWS:
			return "warm-up";
		case RTC_WARM_WAITING:
			return "waiting for Redis";
		case RTC_WARM_QUESTIONS:
			return "warm start";
	}
	return "unknown";
}

/* Adds what somebody warms. */
static void
put_warming(ReturnSetInfo *rsinfo, const RtcWarming *warming)
{
	Datum		values[PROGRESS_COLUMNS] = {0};
	bool		nulls[PROGRESS_COLUMNS];

	memset(nulls, true, sizeof(nulls));
	memset(nulls, false, 7 * sizeof(bool));
	values[0] = Int32GetDatum(warming->pid);
	values[1] = ObjectIdGetDatum(warming->dboid);
	nulls[1] = !OidIsValid(warming->dboid);
	/* the OIDs of other databases mean nothing here */
	values[2] = ObjectIdGetDatum(warming->relid);
	nulls[2] = !OidIsValid(warming->relid) || warming->dboid != MyDatabaseId;
	values[3] = CStringGetTextDatum(phase_name(warming->phase));
	values[4] = Int64GetDatum((int64) warming->done);
	values[5] = Int64GetDatum((int64) warming->total);
	values[6] = TimestampTzGetDatum(warming->started_at);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* rtcache_progress() → one row for each */
Datum
rtcache_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RtcJobInfo *job = palloc(mul_size(RTC_MAX_JOBS + 1, sizeof(RtcJobInfo)));
	RtcWarming *warming = palloc(mul_size(RTC_MAX_WARMING, sizeof(RtcWarming)));
	RtcRelayInfo info;
	int			n = 0;

	rtc_require_preload();
	InitMaterializedSRF(fcinfo, 0);

	rtc_relay_get_info(&info);
	if (info.pid != 0)
		n = rtc_relay_get_jobs(job);
	for (int i = 0; i < n; i++)
		put_job(rsinfo, &job[i], info.pid);
	n = rtc_warming_get(warming);
	for (int i = 0; i < n; i++)
		put_warming(rsinfo, &warming[i]);
	return (Datum) 0;
}
