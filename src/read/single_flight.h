/*-------------------------------------------------------------------------
 *
 * single_flight.h
 *		Single flight: of many who miss, one computes.  See single_flight.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SINGLE_FLIGHT_H
#define RTC_SINGLE_FLIGHT_H

#include "postgres.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_flight_room;

typedef enum RtcFlightResult
{
	RTC_FLIGHT_OURS,			/* compute, then rtc_flight_land() */
	RTC_FLIGHT_LANDED,			/* somebody else did: look again */
	RTC_FLIGHT_ALONE			/* compute for yourself */
} RtcFlightResult;

/*
 * Claims a question, or waits up to wait_ms until whoever has it is done.
 * Raises for query cancel and termination only.
 */
extern RtcFlightResult rtc_flight_board(uint64 question, int64 wait_ms);

/*
 * Lets go of a question that is ours and wakes those who wait for it.
 * in_vain: there is no value to be found, so they need not look for it.
 * Raises nothing.
 */
extern void rtc_flight_land(uint64 question, bool in_vain);

#endif							/* RTC_SINGLE_FLIGHT_H */
