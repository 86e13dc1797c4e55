/*-------------------------------------------------------------------------
 *
 * places.c
 *		Places in shared memory that are found and taken without a lock.
 *
 * A table has a fixed number of places.  Each of them has one owner at most, who
 * is known by a number.  An owner may have one of the RTC_PLACES_NEAR places that
 * begin where the hash of its number says: the first one that is free, which it
 * takes by compare-and-swap.  If none is free the caller has to do without.
 *
 * While nobody leaves a place, an owner gets one place only: all who come for it
 * try the same places in the same order, and no earlier one becomes free.  If a
 * place is left meanwhile, it may get two.  So whoever adds up what an owner has
 * looks at all of them: rtc_place_next().
 *
 * What lies in a place is the business of whoever uses the table.  A process that
 * has found a place may still use it when another process has left it.
 *
 * Model: any process; atomics only, no locks, no memory, no errors.  A table is
 * zero before it is used.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "base/places.h"

/* The first place that an owner may have. */
static inline uint32
first_place(const RtcPlaces *places, uint64 owner)
{
	return hash_combine(murmurhash32((uint32) owner),
						murmurhash32((uint32) (owner >> 32)));
}

/*
 * The first place, from the i-th that the owner may have, that belongs to
 * "whose": the owner, or 0.  -1 = none.
 */
static inline int
find_from(const RtcPlaces *places, uint64 owner, uint64 whose, int i)
{
	uint32		first = first_place(places, owner);

	for (; i < RTC_PLACES_NEAR; i++)
	{
		uint32		place = (first + i) & (places->n - 1);

		if (pg_atomic_read_u64(&places->owner[place]) == whose)
			return (int) place;
	}
	return -1;
}

int
rtc_place_find(const RtcPlaces *places, uint64 owner)
{
	return find_from(places, owner, owner, 0);
}

int
rtc_place_next(const RtcPlaces *places, uint64 owner, int place)
{
	uint32		i = ((uint32) place - first_place(places, owner)) &
	(places->n - 1);

	return find_from(places, owner, owner, i + 1);
}

/*
 * The free place is looked for first: the owner, who takes the first free place,
 * is then in this one, or in one that is found.
 */
int
rtc_place_take(const RtcPlaces *places, uint64 owner)
{
	for (;;)
	{
		uint64		nobody = 0;
		int			vacant = find_from(places, owner, 0, 0);
		int			place;

		pg_read_barrier();
		place = rtc_place_find(places, owner);
		if (place >= 0 || vacant < 0)
			return place;
		if (pg_atomic_compare_exchange_u64(&places->owner[vacant], &nobody,
										   owner))
			return vacant;
	}
}

void
rtc_place_leave(const RtcPlaces *places, int place)
{
	pg_atomic_write_u64(&places->owner[place], 0);
}
