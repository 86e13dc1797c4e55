/*-------------------------------------------------------------------------
 *
 * clock.h
 *		The monotonic clock, and deadlines on it.  See clock.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CLOCK_H
#define RTC_CLOCK_H

#include "postgres.h"

/*
 * The time of the monotonic clock, in microseconds and in milliseconds.  It
 * is more than 0.  All processes of the machine see the same clock, so moments
 * may lie in shared memory, but not in a file or in Redis.
 */
extern int64 rtc_clock_us(void);
extern int64 rtc_clock_ms(void);

/*
 * Deadlines are moments of rtc_clock_us().  The first returns the one that is
 * ms milliseconds from now; a time that is too long for the clock is cut.  The
 * second returns the milliseconds that are left, rounded up; 0 = it has passed.
 */
extern int64 rtc_deadline_in(int64 ms);
extern int64 rtc_deadline_left(int64 deadline);

/*
 * For what is done every interval_ms milliseconds at most: returns true, and
 * notes the moment in *last_ms, if the last one is that long ago.  *last_ms
 * is 0 before the first time, which is always due.
 */
extern bool rtc_clock_is_due(int64 *last_ms, int64 interval_ms);

#endif							/* RTC_CLOCK_H */
