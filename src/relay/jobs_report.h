/*-------------------------------------------------------------------------
 *
 * jobs_report.h
 *		What the relay does that takes long, as others see it.  See
 *		jobs_report.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JOBS_REPORT_H
#define RTC_JOBS_REPORT_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "base/shared.h"

#define RTC_MAX_JOBS	32		/* that are shown, besides the sweep */
#define RTC_JOB_PATTERN_LEN 128

/* What the relay does that takes long; shown by rtcache_progress. */
typedef enum RtcJobKind
{
	RTC_JOB_CLEAR_ALL,			/* what is ours in Redis is deleted */
	RTC_JOB_REGISTER,			/* a database gets a prefix, cleared */
	RTC_JOB_CLEAR,				/* cache_clear() */
	RTC_JOB_PATTERN,			/* cache_del_pattern() */
	RTC_JOB_SWEEP				/* tag sets are looked for after connecting */
} RtcJobKind;

typedef struct RtcJobInfo
{
	RtcJobKind	kind;
	Oid			dboid;			/* InvalidOid = unknown, or none */
	char		pattern[RTC_JOB_PATTERN_LEN];	/* printable ASCII, cut */
	int			pass;			/* from 1 on, */
	int			passes;			/* of so many */
	uint64		looked;			/* keys looked at in this pass, about */
	uint64		deleted;		/* keys deleted */
	uint64		total;			/* keys in this database of Redis when the job
								 * began; 0 = unknown */
	int			resumed;		/* connections lost meanwhile */
	TimestampTz started_at;
} RtcJobInfo;

extern const RtcSharedRoom rtc_jobs_room;

/* The relay: these are the jobs now; the sweep goes on, NULL = it does not. */
extern void rtc_jobs_report(const RtcJobInfo *job, int njobs);
extern void rtc_jobs_report_sweep(const RtcJobInfo *sweep);

/* Copies all of it; returns how many. */
extern int	rtc_jobs_reported(RtcJobInfo job[RTC_MAX_JOBS + 1]);

#endif							/* RTC_JOBS_REPORT_H */
