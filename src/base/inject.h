/*-------------------------------------------------------------------------
 *
 * inject.h
 *		Named points at which a test may kill, stop or fail a process.
 *
 * In a normal build nothing is left of them.  See inject.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INJECT_H
#define RTC_INJECT_H

#include "postgres.h"

#ifdef RTC_INJECTION

/* Does what a test has asked for at this point; mostly nothing. */
extern void rtc_inject(const char *point);

#define RTC_INJECT(point)	rtc_inject(point)
#else
#define RTC_INJECT(point)	((void) 0)
#endif

#endif							/* RTC_INJECT_H */
