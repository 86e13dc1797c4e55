/*-------------------------------------------------------------------------
 *
 * warm_status.h
 *		Who is warming what, and how far: for rtcache_progress.
 *		See warm_status.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WARM_STATUS_H
#define RTC_WARM_STATUS_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "base/shared.h"

#define RTC_MAX_WARMING	64		/* that are shown at a time */

/* What a process is busy with. */
typedef enum RtcWarmPhase
{
	RTC_WARM_ROWS,				/* stores the rows of a table */
	RTC_WARM_WAITING,			/* likewise, but Redis cannot be used now */
	RTC_WARM_QUESTIONS			/* asks again what was asked before a start */
} RtcWarmPhase;

/* Lock: that of the room. */
typedef struct RtcWarming
{
	int			pid;			/* of the process; 0 = this place is free */
	Oid			dboid;			/* its database */
	Oid			relid;			/* the table that was named; InvalidOid = none */
	RtcWarmPhase phase;
	uint64		done;			/* rows, or questions, that are behind it, */
	uint64		total;			/* of about so many */
	TimestampTz started_at;
} RtcWarming;

extern const RtcSharedRoom rtc_warm_status_room;

/*
 * This process begins, is so far, and is through, also by an error or its end.  If
 * there are too many it is not shown.
 */
extern void rtc_warming_begin(Oid relid, RtcWarmPhase phase, uint64 total,
							  TimestampTz started_at);
extern void rtc_warming_report(RtcWarmPhase phase, uint64 done, uint64 total);
extern void rtc_warming_end(void);

/* Copies all of it; returns how many. */
extern int	rtc_warming_get(RtcWarming warming[RTC_MAX_WARMING]);

#endif							/* RTC_WARM_STATUS_H */
