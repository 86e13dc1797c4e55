/*-------------------------------------------------------------------------
 *
 * clock.c
 *		The monotonic clock, and deadlines on it.
 *
 * All that lasts is measured here: intervals, timeouts, and the time to live
 * of what is in shared memory.  The clock on the wall can be set, and then an
 * interval that was measured by it ends at once, or an hour late.  So that one
 * is left to those who show a time of day, or compare it with the time of a
 * commit.
 *
 * INSTR_TIME does not serve.  Which clock it reads is up to each process in
 * newer servers, so moments of two processes could not be compared.
 *
 * Model: any process; no memory, no locks, no errors.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "base/clock.h"

/* No deadline is further away (ms): some thousand years. */
#define RTC_MAX_DEADLINE	INT64CONST(100000000000000)

int64
rtc_clock_us(void)
{
	struct timespec now;

	/* cannot fail: the clock exists, and the pointer is good */
	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return ((int64) now.tv_sec + 1) * 1000000 + now.tv_nsec / 1000;
}

int64
rtc_clock_ms(void)
{
	return rtc_clock_us() / 1000;
}

int64
rtc_deadline_in(int64 ms)
{
	return rtc_clock_us() + Min(ms, RTC_MAX_DEADLINE) * 1000;
}

int64
rtc_deadline_left(int64 deadline)
{
	int64		us = deadline - rtc_clock_us();

	return us <= 0 ? 0 : (us + 999) / 1000;
}

bool
rtc_clock_is_due(int64 *last_ms, int64 interval_ms)
{
	int64		now = rtc_clock_ms();

	if (*last_ms != 0 && now - *last_ms < interval_ms)
		return false;
	*last_ms = now;
	return true;
}
