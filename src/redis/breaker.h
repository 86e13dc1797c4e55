/*-------------------------------------------------------------------------
 *
 * breaker.h
 *		Circuit breaker on the way to Redis.  See breaker.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_BREAKER_H
#define RTC_BREAKER_H

#include "postgres.h"

#include "base/shared.h"

typedef enum RtcBreakerState
{
	RTC_BREAKER_CLOSED = 0,		/* requests pass */
	RTC_BREAKER_OPEN,			/* requests are refused until the cooldown
								 * ends */
	RTC_BREAKER_HALF_OPEN		/* one process is probing */
} RtcBreakerState;

extern const RtcSharedRoom rtc_breaker_room;

/* May this process talk to Redis now?  True may make it the one prober. */
extern bool rtc_breaker_allow(void);

/*
 * A request that rtc_breaker_allow() let pass went well, or did not.  Failure
 * returns true to the one process whose failure opened the closed breaker.
 */
extern void rtc_breaker_success(void);
extern bool rtc_breaker_failure(void);

/* The state, for views; and its name. */
extern RtcBreakerState rtc_breaker_state(void);
extern const char *rtc_breaker_state_name(RtcBreakerState state);

#endif							/* RTC_BREAKER_H */
