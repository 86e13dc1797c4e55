/*-------------------------------------------------------------------------
 *
 * stats.c
 *		Counters of rtcache.
 *
 * MODEL: counters are atomics in shared memory, striped by process so that
 * backends rarely write to one cache line.  Counting takes no lock and raises
 * nothing, so it may be done anywhere, transaction callbacks included.  A
 * reader adds the stripes up; what is counted meanwhile may or may not be in.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/shared.h"
#include "stats.h"

typedef struct RtcStats
{
	RtcStatStripe stripe[RTC_STAT_STRIPES];
	pg_atomic_uint64 reset_at;	/* TimestampTz of the last reset */
} RtcStats;

static RtcStats *shared = NULL;

static void
init(void)
{
	for (int i = 0; i < RTC_STAT_STRIPES; i++)
		for (int j = 0; j < RTC_STAT_COUNT; j++)
			pg_atomic_init_u64(&shared->stripe[i].counter[j], 0);
	pg_atomic_init_u64(&shared->reset_at, (uint64) GetCurrentTimestamp());
}

const RtcSharedRoom rtc_stats_room = {
	.name = "rtcache_stats",
	.place = &shared,
	.size = sizeof(RtcStats),
	.init = init
};

void
rtc_stat_add(RtcCounter counter, uint64 n)
{
	RtcStatStripe *stripe;

	if (!rtc_preloaded)
		return;

	/* Process ids are as good as any number, and even the relay has one. */
	stripe = &shared->stripe[(uint32) MyProcPid % RTC_STAT_STRIPES];
	pg_atomic_fetch_add_u64(&stripe->counter[counter], n);
}

uint64
rtc_stat_read(RtcCounter counter)
{
	uint64		sum = 0;

	for (int i = 0; i < RTC_STAT_STRIPES; i++)
		sum += pg_atomic_read_u64(&shared->stripe[i].counter[counter]);
	return sum;
}

Datum
rtc_hit_ratio(uint64 hits, uint64 misses, bool *isnull)
{
	*isnull = hits + misses == 0;
	return *isnull ? (Datum) 0 :
		Float8GetDatum((double) hits / (double) (hits + misses));
}

void
rtc_stats_reset(void)
{
	for (int i = 0; i < RTC_STAT_STRIPES; i++)
		for (int j = 0; j < RTC_STAT_COUNT; j++)
			pg_atomic_write_u64(&shared->stripe[i].counter[j], 0);
	pg_atomic_write_u64(&shared->reset_at, (uint64) GetCurrentTimestamp());
}

TimestampTz
rtc_stats_reset_at(void)
{
	return (TimestampTz) pg_atomic_read_u64(&shared->reset_at);
}
