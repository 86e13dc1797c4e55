/*-------------------------------------------------------------------------
 *
 * stats_view.c
 *		rtcache_stats, and the reset of all that is counted.
 *
 * Model: runs in backends.  What is counted meanwhile may or may not be in.  Raises
 * 55000 when rtcache is not preloaded.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/timestamp.h"

#include "base/shared.h"
#include "read/families.h"
#include "read/key_conflicts.h"
#include "stats.h"
#include "table_stats.h"

PG_FUNCTION_INFO_V1(cache_stats);
PG_FUNCTION_INFO_V1(cache_stats_reset);
PG_FUNCTION_INFO_V1(cache_more_stats);

/* The counters, and the sum of the bypasses, and the time of the reset. */
#define STATS_COLUMNS (RTC_STAT_SETS_REFUSED + 2)

/* The counters that came later, and the ratio of hits. */
#define MORE_COLUMNS (RTC_STAT_COUNT - RTC_STAT_SETS_REFUSED + 1)

/* The value of a counter.  Hits in L1 are counted by family. */
static uint64
read_counter(RtcCounter counter)
{
	uint64		l1_hits;
	uint64		saved_us;

	if (counter != RTC_STAT_L1_HITS && counter != RTC_STAT_SAVED_US)
		return rtc_stat_read(counter);
	rtc_families_hits(&l1_hits, &saved_us);
	return counter == RTC_STAT_L1_HITS ? l1_hits : saved_us;
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
	reset = rtc_stats_reset_at();
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

/* Sets all counters to zero. */
Datum
cache_stats_reset(PG_FUNCTION_ARGS)
{
	rtc_require_preload();
	rtc_stats_reset();
	rtc_table_stats_reset();
	rtc_families_reset();
	rtc_key_conflicts_reset();
	PG_RETURN_VOID();
}
