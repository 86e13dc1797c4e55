/*-------------------------------------------------------------------------
 *
 * test_places.c
 *		Places that are found and taken without a lock, by many at once.
 *
 * rooms: base/places
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pthread.h>

#include "base/places.h"
#include "unit.h"

#define NPLACES		256
#define NOWNERS		300
#define NTHREADS	8
#define ROUNDS		100

static pg_atomic_uint64 owner[NPLACES];
static pg_atomic_uint64 counter[NPLACES + 1];	/* the last: no place */
static const RtcPlaces places = {NPLACES, owner};

static void
clear(void)
{
	for (int i = 0; i < NPLACES; i++)
		pg_atomic_init_u64(&owner[i], 0);
	for (int i = 0; i <= NPLACES; i++)
		pg_atomic_init_u64(&counter[i], 0);
}

/* An owner whose lower and upper halves both matter. */
static uint64
owner_no(int i)
{
	return (uint64) (i / 10 + 1) << 32 | (uint32) (i % 10 + 1);
}

static void
test_one(void)
{
	int			place;
	int			n = 0;

	clear();
	ok(rtc_place_find(&places, 7) == -1, "nobody has a place");
	place = rtc_place_take(&places, 7);
	ok(place >= 0 && place < NPLACES, "an owner takes one");
	ok(rtc_place_take(&places, 7) == place, "and has it");
	ok(rtc_place_find(&places, 7) == place, "where it is found");
	ok(rtc_place_next(&places, 7, place) == -1, "it has one only");
	rtc_place_leave(&places, place);
	ok(rtc_place_find(&places, 7) == -1, "until it is left");

	for (int i = 0; i < NOWNERS; i++)
		n += rtc_place_take(&places, owner_no(i)) >= 0;
	ok(n > NPLACES * 3 / 4 && n <= NPLACES, "most places can be taken, none twice");
}

/* Two places of one owner, as when one before it becomes free meanwhile. */
static void
test_two(void)
{
	int			place;
	int			other;

	clear();
	place = rtc_place_take(&places, 7);
	other = (place + 5) % NPLACES;
	pg_atomic_write_u64(&owner[other], 7);
	ok(rtc_place_find(&places, 7) == place, "the first one is found");
	ok(rtc_place_next(&places, 7, place) == other, "and then the second");
	ok(rtc_place_next(&places, 7, other) == -1, "and no more");
}

/* Counts once for each owner, in an order of its own. */
static void *
count_all(void *arg)
{
	/* none has a divisor in common with NOWNERS, so each order has all owners */
	static const int step[NTHREADS] = {1, 7, 11, 13, 17, 19, 23, 29};
	int			no = (int) (intptr_t) arg;

	for (int round = 0; round < ROUNDS; round++)
	{
		for (int i = 0; i < NOWNERS; i++)
		{
			int			n = (i * step[no] + round) % NOWNERS;
			int			place = rtc_place_take(&places, owner_no(n));

			pg_atomic_fetch_add_u64(&counter[place < 0 ? NPLACES : place], 1);
		}
	}
	return NULL;
}

static void
test_threads(void)
{
	pthread_t	thread[NTHREADS];
	uint64		sum = 0;
	uint64		total = (uint64) NTHREADS * ROUNDS * NOWNERS;
	bool		twice = false;
	bool		counted = true;

	clear();
	for (int i = 0; i < NTHREADS; i++)
		pthread_create(&thread[i], NULL, count_all, (void *) (intptr_t) i);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(thread[i], NULL);

	for (int i = 0; i <= NPLACES; i++)
		sum += pg_atomic_read_u64(&counter[i]);
	ok(sum == total, "the sum of all counters is exact");
	for (int i = 0; i < NPLACES; i++)
	{
		uint64		who = pg_atomic_read_u64(&owner[i]);

		if (who == 0)
			continue;
		twice |= rtc_place_find(&places, who) != i ||
			rtc_place_next(&places, who, i) != -1;
		counted &= pg_atomic_read_u64(&counter[i]) == (uint64) NTHREADS * ROUNDS;
	}
	ok(!twice, "nobody got two places");
	ok(counted, "each counter has what was counted for its owner");
}

int
main(void)
{
	test_one();
	test_two();
	for (int i = 0; i < 20; i++)
		test_threads();
	return done_testing();
}
