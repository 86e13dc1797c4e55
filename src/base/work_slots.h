/*-------------------------------------------------------------------------
 *
 * work_slots.h
 *		The pieces of work that wait.  See work_slots.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WORK_SLOTS_H
#define RTC_WORK_SLOTS_H

#include "postgres.h"

#include "port/atomics.h"

#include "base/work_item.h"

/* Pieces of work that can wait. */
#define RTC_WORK_SLOTS	256

/* A waiting piece of work without its data. */
typedef struct RtcWorkHeader
{
	uint64		hash;
	uint64		number;			/* in the order of coming */
	Oid			dboid;			/* InvalidOid = this slot is free */
	uint32		priority;
	uint32		kind;			/* RtcWorkKind */
	uint32		len;
} RtcWorkHeader;

/* Under the lock of work.c, but for what is said to be read without. */
typedef struct RtcWorkSlots
{
	pg_atomic_uint32 nwaiting;	/* written under the lock, read without */
	uint64		number;			/* of the last piece of work */
	RtcWorkHeader header[RTC_WORK_SLOTS];
	char		data[RTC_WORK_SLOTS][RTC_WORK_MAX_BYTES];
} RtcWorkSlots;

/*
 * Enters work, unless equal work waits already.  False = there is no room.  What
 * is dropped is counted.
 */
extern bool rtc_work_slots_enter(RtcWorkSlots *slots, const RtcWork *work);

/* Does anything wait for a database? */
extern bool rtc_work_slots_has(const RtcWorkSlots *slots, Oid dboid);

/*
 * Takes the work of a database, of these kinds, that comes first.  False = there is
 * none.
 */
extern bool rtc_work_slots_take(RtcWorkSlots *slots, Oid dboid, uint32 kinds,
								RtcWork *work);

/* Drops what waits for a database. */
extern void rtc_work_slots_forget(RtcWorkSlots *slots, Oid dboid);

#endif							/* RTC_WORK_SLOTS_H */
