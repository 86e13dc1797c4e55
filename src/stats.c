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

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/shared.h"
#include "read/families.h"
#include "read/key_conflicts.h"
#include "stats.h"
#include "table_stats.h"

/* The counters, and the sum of the bypasses, and the time of the reset. */
#define STATS_COLUMNS (RTC_STAT_SETS_REFUSED + 2)

/* The counters that came later, and the ratio of hits. */
#define MORE_COLUMNS (RTC_STAT_COUNT - RTC_STAT_SETS_REFUSED + 1)

typedef struct RtcStats
{
	RtcStatStripe stripe[RTC_STAT_STRIPES];
	pg_atomic_uint64 reset_at;	/* TimestampTz of the last reset */
} RtcStats;

static RtcStats *shared = NULL;

PG_FUNCTION_INFO_V1(cache_stats);
PG_FUNCTION_INFO_V1(cache_stats_reset);
PG_FUNCTION_INFO_V1(cache_more_stats);

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

/* The value of a counter, over all processes. */
static uint64
read_counter(RtcCounter counter)
{
	uint64		sum = 0;
	uint64		l1_hits;
	uint64		saved_us;

	if (counter == RTC_STAT_L1_HITS || counter == RTC_STAT_SAVED_US)
	{
		rtc_families_hits(&l1_hits, &saved_us);
		return counter == RTC_STAT_L1_HITS ? l1_hits : saved_us;
	}
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

/*
 * All counters as one row, in their order; the sum of the bypasses comes
 * before the first of them.
 */
Datum
cache_stats(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[STATS_COLUMNS];
	bool		nulls[STATS_COLUMNS] = {0};
	uint64		bypasses = 0;
	TimestampTz reset;
	int			n = 0;

	rtc_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != STATS_COLUMNS)
		elog(ERROR, "unexpected result type of cache_stats");

	for (int i = RTC_STAT_BYPASS_FIRST; i <= RTC_STAT_BYPASS_LAST; i++)
		bypasses += read_counter(i);

	for (int i = 0; i < RTC_STAT_SETS_REFUSED; i++)
	{
		if (i == RTC_STAT_BYPASS_FIRST)
			values[n++] = Int64GetDatum((int64) bypasses);
		values[n++] = Int64GetDatum((int64) read_counter(i));
	}
	reset = (TimestampTz) pg_atomic_read_u64(&shared->reset_at);
	nulls[n] = reset == 0;
	values[n++] = TimestampTzGetDatum(reset);
	Assert(n == STATS_COLUMNS);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/*
 * cache_more_stats(): the counters that cache_stats() does not have, in their
 * order; behind the time saved comes the ratio of hits.
 */
Datum
cache_more_stats(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[MORE_COLUMNS];
	bool		nulls[MORE_COLUMNS] = {0};
	uint64		hits;
	int			n = 0;

	rtc_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != MORE_COLUMNS)
		elog(ERROR, "unexpected result type of cache_more_stats");
	hits = read_counter(RTC_STAT_L1_HITS) + read_counter(RTC_STAT_L2_HITS);
	for (int i = RTC_STAT_SETS_REFUSED; i < RTC_STAT_COUNT; i++)
	{
		if (i != RTC_STAT_SAVED_US)
		{
			values[n++] = Int64GetDatum((int64) read_counter(i));
			continue;
		}
		values[n++] = Float8GetDatum(read_counter(i) / 1000.0);
		values[n] = rtc_hit_ratio(hits, read_counter(RTC_STAT_MISSES), &nulls[n]);
		n++;
	}
	Assert(n == MORE_COLUMNS);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/*
 * Sets all counters to zero.
 */
Datum
cache_stats_reset(PG_FUNCTION_ARGS)
{
	rtc_require_preload();
	for (int i = 0; i < RTC_STAT_STRIPES; i++)
		for (int j = 0; j < RTC_STAT_COUNT; j++)
			pg_atomic_write_u64(&shared->stripe[i].counter[j], 0);
	rtc_table_stats_reset();
	rtc_families_reset();
	rtc_key_conflicts_reset();
	pg_atomic_write_u64(&shared->reset_at, (uint64) GetCurrentTimestamp());
	PG_RETURN_VOID();
}
