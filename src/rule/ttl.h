/*-------------------------------------------------------------------------
 *
 * ttl.h
 *		Times to live: intervals and texts to milliseconds.  See ttl.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TTL_H
#define RTC_TTL_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/fault.h"

#define RTC_MSECS_PER_DAY	INT64CONST(86400000)

/* Longest time to live: 1000 years.  Redis would overflow further out. */
#define RTC_MAX_TTL_MS		(1000 * 365 * RTC_MSECS_PER_DAY)

/*
 * Milliseconds of a time to live; 0 = does not expire.  A month counts as 30
 * days, a day as 24 hours, a started millisecond as a whole one.
 * Errors: 22023 negative, 22008 longer than RTC_MAX_TTL_MS.
 */
extern int64 rtc_ttl_ms(const Interval *ttl);

/*
 * The same for the text of an interval, read the same way in every session.
 * Returns false and fills *fault when it is wrong.
 */
extern bool rtc_ttl_parse(const char *text, int64 *ttl_ms, RtcFault *fault);

/* rtcache.default_ttl in milliseconds; 0 = does not expire. */
extern int64 rtc_default_ttl_ms(void);

#endif							/* RTC_TTL_H */
