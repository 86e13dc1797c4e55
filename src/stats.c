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
#include "stats.h"

/* The counters, and the sum of the bypasses, and the time of the reset. */
#define STATS_COLUMNS (RTC_STAT_SETS_REFUSED + 2)

typedef struct RtcStats
{
	RtcStatStripe stripe[RTC_STAT_STRIPES];
	pg_atomic_uint64 reset_at;	/* TimestampTz of the last reset */
} RtcStats;

static RtcStats *shared = NULL;

PG_FUNCTION_INFO_V1(cache_stats);
PG_FUNCTION_INFO_V1(cache_stats_reset);
PG_FUNCTION_INFO_V1(rtcache_refusals);

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

	for (int i = 0; i < RTC_STAT_STRIPES; i++)
		sum += pg_atomic_read_u64(&shared->stripe[i].counter[counter]);
	return sum;
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

/* rtcache_refusals() → (sets_refused, closings) */
Datum
rtcache_refusals(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {0};

	rtc_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != lengthof(values))
		elog(ERROR, "unexpected result type of rtcache_refusals");
	values[0] = Int64GetDatum((int64) read_counter(RTC_STAT_SETS_REFUSED));
	values[1] = Int64GetDatum((int64) read_counter(RTC_STAT_CLOSINGS));
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
	pg_atomic_write_u64(&shared->reset_at, (uint64) GetCurrentTimestamp());
	PG_RETURN_VOID();
}
