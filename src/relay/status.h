/*-------------------------------------------------------------------------
 *
 * status.h
 *		What the relay tells about itself.  See status.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STATUS_H
#define RTC_STATUS_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "base/shared.h"
#include "op.h"

#define RTC_POLICY_LEN	32

/* What the relay is doing; shown by rtcache_relay. */
typedef enum RtcRelayState
{
	RTC_RELAY_STOPPED = 0,		/* not running */
	RTC_RELAY_STANDBY,			/* running, waits for a promotion */
	RTC_RELAY_OFF,				/* running, no redis_url */
	RTC_RELAY_CONNECTING,		/* Redis cannot be reached, or was just lost */
	RTC_RELAY_REPLAYING,		/* applying what Redis missed */
	RTC_RELAY_CLEARING,			/* deleting what rtcache owns in Redis */
	RTC_RELAY_DRAINING,			/* cleared; transactions from before still run */
	RTC_RELAY_FULL,				/* Redis is out of memory: keys are only
								 * deleted */
	RTC_RELAY_STREAMING,		/* caught up */
	RTC_RELAY_FENCED			/* another server owns the prefix */
} RtcRelayState;

typedef struct RtcRelayInfo
{
	int			pid;			/* 0 = not running */
	RtcRelayState state;
	TimeLineID	timeline;		/* of this server; 0 = in recovery */
	TimestampTz last_commit_at; /* commit time of the newest applied commit */
	int64		waits_since;	/* rtc_clock_ms(): a commit has not been
								 * visible since then; 0 = none, or not for
								 * long */
	TimestampTz connected_at;	/* 0 = not connected */
	TimestampTz last_error_at;
	char		last_error[RTC_ERROR_LEN];
	char		slot_problem[RTC_ERROR_LEN];	/* "" = slot in use */
	char		policy[RTC_POLICY_LEN]; /* maxmemory-policy; "" = unknown */
	uint64		batches;		/* applied */
	uint64		ops;			/* applied */
	uint64		commits;		/* applied */
} RtcRelayInfo;

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

extern const RtcSharedRoom rtc_status_room;

/* Copies it, consistent in itself but for the counters. */
extern void rtc_relay_get_info(RtcRelayInfo *info);

/* The worker runs; it does not any more. */
extern void rtc_relay_started(void);
extern void rtc_relay_stopped(void);

extern void rtc_relay_set_state(RtcRelayState state);
extern RtcRelayState rtc_relay_get_state(void);

/* The next commit has not been visible for so many ms; 0 = it is. */
extern void rtc_relay_waits(int64 ms);

/*
 * Connected to this numeric address ("" = unix socket): every other connection
 * has to be verified anew.
 */
extern void rtc_relay_connected(const char *address);

/* Not connected any more, on a standby; elsewhere the state tells. */
extern void rtc_relay_lost(void);

/* The newest commit that is applied is of this time. */
extern void rtc_relay_last_commit(TimestampTz commit_time);

/* So much more was applied. */
extern void rtc_relay_count(uint64 batches, uint64 commits, uint64 ops);

/* Something went wrong; and what is wrong with the slot ("" = nothing). */
extern void rtc_relay_note_error(const char *text);
extern bool rtc_relay_note_slot(const char *problem);

/* The maxmemory-policy of Redis; true if that is news. */
extern bool rtc_relay_note_policy(const char *policy);

/* These are the jobs now; the sweep goes on, NULL = it does not. */
extern void rtc_relay_report_jobs(const RtcJobInfo *job, int njobs);
extern void rtc_relay_report_sweep(const RtcJobInfo *sweep);

/* Copies all of it; returns how many. */
extern int	rtc_relay_get_jobs(RtcJobInfo job[RTC_MAX_JOBS + 1]);

#endif							/* RTC_STATUS_H */
