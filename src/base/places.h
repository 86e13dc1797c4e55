/*-------------------------------------------------------------------------
 *
 * places.h
 *		Places in shared memory that are found and taken without a lock.
 *		See places.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PLACES_H
#define RTC_PLACES_H

#include "postgres.h"

#include "port/atomics.h"

/* Places that one owner may have; no table has fewer. */
#define RTC_PLACES_NEAR		32

/* A table.  What is described here does not change. */
typedef struct RtcPlaces
{
	uint32		n;				/* number of places, a power of two */
	pg_atomic_uint64 *owner;	/* of each, in shared memory; 0 = nobody */
} RtcPlaces;

/* The place of an owner (not 0); -1 = it has none. */
extern int	rtc_place_find(const RtcPlaces *places, uint64 owner);

/* The next place of an owner that has got another one; -1 = no more. */
extern int	rtc_place_next(const RtcPlaces *places, uint64 owner, int place);

/* The place of an owner, who takes one if it has none; -1 = there is no room. */
extern int	rtc_place_take(const RtcPlaces *places, uint64 owner);

/* Makes a place free. */
extern void rtc_place_leave(const RtcPlaces *places, int place);

#endif							/* RTC_PLACES_H */
