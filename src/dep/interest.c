/*-------------------------------------------------------------------------
 *
 * interest.c
 *		Which dependencies has anybody registered in Redis?
 *
 * A writer has to tell Redis about a dependency only if an answer that was
 * filled there may depend on it.  A bitmap in shared memory knows: a bit stands
 * for all dependencies that hash to it.  Bits are set and never cleared while
 * the server runs.
 *
 * Why no writer misses a reader: the reader sets the bit first and looks for
 * pending writers second; the writer raises pending first and looks for the
 * bit second, with a full barrier between the two on both sides.  So at least
 * one of them sees the other.  A reader that sees the writer fills nothing;
 * one that does not, because the writer has gone already, takes a snapshot
 * that has its changes.
 *
 * After a start nothing is known of what is registered in Redis; until the
 * relay has found out, everything counts as registered.
 *
 * Model: shared memory, atomics only, no errors, no allocation.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dep/interest.h"

/* Bits; a power of two. */
#define RTC_INTEREST_BITS	(1024 * 1024)

/* The bits of a bucket are the lower ones: use others. */
#define bit_of(dep) ((uint32) ((dep) >> 40) & (RTC_INTEREST_BITS - 1))

typedef struct RtcInterest
{
	pg_atomic_uint32 everything;	/* not known yet: all count as registered */
	pg_atomic_uint32 word[RTC_INTEREST_BITS / 32];
} RtcInterest;

static RtcInterest *shared = NULL;

static void
init(void)
{
	pg_atomic_init_u32(&shared->everything, 1);
	for (int i = 0; i < lengthof(shared->word); i++)
		pg_atomic_init_u32(&shared->word[i], 0);
}

const RtcSharedRoom rtc_interest_room = {
	.name = "rtcache_interest",
	.place = &shared,
	.size = sizeof(RtcInterest),
	.init = init
};

void
rtc_interest_register(const RtcDep *deps, int n)
{
	for (int i = 0; i < n; i++)
	{
		uint32		bit = bit_of(deps[i]);
		pg_atomic_uint32 *word = &shared->word[bit / 32];
		uint32		mask = (uint32) 1 << bit % 32;

		if ((pg_atomic_read_u32(word) & mask) == 0)
			pg_atomic_fetch_or_u32(word, mask);
	}
	pg_memory_barrier();
}

bool
rtc_interest_exists(RtcDep dep)
{
	uint32		bit = bit_of(dep);

	return pg_atomic_read_u32(&shared->everything) != 0 ||
		(pg_atomic_read_u32(&shared->word[bit / 32]) &
		 ((uint32) 1 << bit % 32)) != 0;
}

void
rtc_interest_known(bool known)
{
	pg_atomic_write_u32(&shared->everything, known ? 0 : 1);
	pg_memory_barrier();
}
