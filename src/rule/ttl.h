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

/* Longest time to live: 1000 years.  Redis overflows further out. */
#define RTC_MAX_TTL_MS		(1000 * 365 * RTC_MSECS_PER_DAY)

/*
 * Converts a time to live to ms; 0 = never expires.  A month has 30 days, a
 * day 24 hours; a started millisecond counts as one.  Errors: 22023 negative,
 * 22008 longer than RTC_MAX_TTL_MS.
 */
extern int64 rtc_ttl_ms(const Interval *ttl);

/*
 * The same for the text of an interval, under pinned settings.  Returns false
 * and fills *fault if it is wrong.
 */
extern bool rtc_ttl_parse(const char *text, int64 *ttl_ms, RtcFault *fault);

/*
 * Shortens a time to live at random, by at most the fraction rtcache.ttl_jitter: so
 * what is stored together does not expire together.  For whoever stores a value.
 */
extern int64 rtc_ttl_jittered(int64 ttl_ms);

/* rtcache.default_ttl in milliseconds; 0 = does not expire. */
extern int64 rtc_default_ttl_ms(void);

#endif							/* RTC_TTL_H */
