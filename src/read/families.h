/*-------------------------------------------------------------------------
 *
 * families.h
 *		Counters of families of keys.  See families.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FAMILIES_H
#define RTC_FAMILIES_H

#include "postgres.h"

#include "base/shared.h"

/* What is counted of a family. */
typedef enum RtcFamilyCounter
{
	RTC_FAMILY_L2_HITS,
	RTC_FAMILY_MISSES,			/* lookups that ran the query */
	RTC_FAMILY_FILLS,			/* answers that were stored, */
	RTC_FAMILY_BYTES,			/* and their bytes */
	RTC_FAMILY_REFUSED,			/* answers that were not */
	RTC_FAMILY_COMPUTED_US,		/* microseconds that the misses have taken */
	RTC_FAMILY_COUNTERS
} RtcFamilyCounter;

extern const RtcSharedRoom rtc_families_room;

/*
 * These count for the family of a key of this database.  They take no lock,
 * allocate nothing and raise nothing.  Only where rtcache was preloaded.
 */

extern void rtc_family_add(const char *key, uint32 keylen,
						   RtcFamilyCounter counter, uint64 n);

/* A hit in L1, on an answer that computing had taken so many microseconds. */
extern void rtc_family_l1_hit(const char *key, uint32 keylen,
							  uint32 computed_us);

/*
 * A hit in Redis.  computed_us: -1 = nobody computed it, or it is not known; then
 * it is what a miss of the family takes.  Returns the time that it counts for.
 */
extern uint32 rtc_family_l2_hit(const char *key, uint32 keylen,
								int64 computed_us);

/*
 * The hits in L1, and the microseconds that all hits have saved, of all families and
 * databases, also of those that are gone.
 */
extern void rtc_families_hits(uint64 *l1_hits, uint64 *saved_us);

/* Forgets all. */
extern void rtc_families_reset(void);

#endif							/* RTC_FAMILIES_H */
