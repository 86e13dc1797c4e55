/*-------------------------------------------------------------------------
 *
 * progress_view.c
 *		What the relay is busy with that takes long: the view rtcache_progress.
 *
 * Model: runs in backends, and copies what the relay tells.  Raises 55000 when
 * rtcache is not preloaded.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "admin/progress_view.h"
#include "base/shared.h"
#include "relay/status.h"
#include "relay/status.h"

PG_FUNCTION_INFO_V1(rtcache_progress);

#define PROGRESS_COLUMNS	10

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

/* Adds one line to the result. */
static void
put_job(ReturnSetInfo *rsinfo, const RtcJobInfo *job)
{
	Datum		values[PROGRESS_COLUMNS];
	bool		nulls[PROGRESS_COLUMNS] = {0};

	values[0] = ObjectIdGetDatum(job->dboid);
	nulls[0] = !OidIsValid(job->dboid);
	values[1] = CStringGetTextDatum(job_name(job->kind));
	values[2] = CStringGetTextDatum(job->pattern);
	nulls[2] = job->pattern[0] == '\0';
	values[3] = Int32GetDatum(job->pass);
	values[4] = Int32GetDatum(job->passes);
	values[5] = Int64GetDatum((int64) job->looked);
	values[6] = Int64GetDatum((int64) job->total);
	nulls[6] = job->total == 0;
	values[7] = Int64GetDatum((int64) job->deleted);
	values[8] = Int32GetDatum(job->resumed);
	values[9] = TimestampTzGetDatum(job->started_at);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* rtcache_progress() → one row for each */
Datum
rtcache_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RtcJobInfo *job = palloc(mul_size(RTC_MAX_JOBS + 1, sizeof(RtcJobInfo)));
	RtcRelayInfo info;
	int			n = 0;

	rtc_require_preload();
	InitMaterializedSRF(fcinfo, 0);

	rtc_relay_get_info(&info);
	if (info.pid != 0)
		n = rtc_relay_get_jobs(job);
	for (int i = 0; i < n; i++)
		put_job(rsinfo, &job[i]);
	return (Datum) 0;
}
