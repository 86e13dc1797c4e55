/*-------------------------------------------------------------------------
 *
 * warm.h
 *		Stores the rows of a table under the keys of its rules.  See warm.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WARM_H
#define RTC_WARM_H

#include "postgres.h"

#include "refresh/warm_rows.h"

typedef enum RtcWarmResult
{
	RTC_WARM_MORE,				/* call again, in another transaction */
	RTC_WARM_DONE,
	RTC_WARM_NO_RULE,			/* no rule stores its rows (any more) */
	RTC_WARM_NO_TABLE,			/* it has been dropped */
	RTC_WARM_NO_REDIS			/* Redis cannot be used now; call again later */
} RtcWarmResult;

/* Begins with a table; "where" must live as long. */
extern void rtc_warm_begin(RtcWarm *warm, Oid relid, const char *where,
						   int batch);

/*
 * Warms the rows of some more blocks, as the current user.  Needs a transaction that
 * has not written, READ COMMITTED, and is best ended then.  Errors: those of reading
 * the rows.
 */
extern RtcWarmResult rtc_warm_batch(RtcWarm *warm);

#endif							/* RTC_WARM_H */
