/*-------------------------------------------------------------------------
 *
 * load.c
 *		How much time refreshes may take: rtcache.refresh_load.
 *
 * A refresh that takes t pays for t / load: so much later may the next one begin,
 * of all workers together.  What was not used is kept for CREDIT_MS, so that the
 * first answers after a quiet time are computed at once.  With one worker and a
 * load of 0.5 it is at work half of the time at most, after that.
 *
 * Time is that on the clock, from the beginning of a refresh to its end.  So waits
 * are counted, for Redis and for locks, and what parallel workers of a query take
 * beside it is not.
 *
 * Model: the workers.  One atomic in shared memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"

#include "base/clock.h"
#include "guc.h"
#include "refresh/load.h"

/* For so long it counts that there was nothing to do. */
#define CREDIT_MS		1000

typedef struct RtcLoad
{
	pg_atomic_uint64 paid_us;	/* up to this moment of rtc_clock_us() all
								 * time is paid for */
} RtcLoad;

static RtcLoad *shared = NULL;

static void
init(void)
{
	pg_atomic_init_u64(&shared->paid_us, 0);
}

const RtcSharedRoom rtc_load_room = {
	.name = "rtcache_load",
	.place = &shared,
	.size = sizeof(RtcLoad),
	.init = init
};

void
rtc_load_add(int64 us)
{
	uint64		paid = pg_atomic_read_u64(&shared->paid_us);
	uint64		then;

	do
	{
		int64		earliest = rtc_clock_us() - CREDIT_MS * 1000;

		then = Max((int64) paid, earliest) + (int64) (us / rtc_refresh_load);
	} while (!pg_atomic_compare_exchange_u64(&shared->paid_us, &paid, then));
}

int64
rtc_load_wait_ms(void)
{
	return rtc_deadline_left(pg_atomic_read_u64(&shared->paid_us));
}
