/*-------------------------------------------------------------------------
 *
 * table_stats.c
 *		Counters of tables: the view rtcache_tables.
 *
 * There is room for MAX_TABLES tables, of all databases together.  What is counted
 * for others is counted as that of no table.  A table gets its place when
 * something is first counted for it.  It loses it when it is dropped, when the
 * counters are reset, and when somebody looks at the view and finds the table or
 * its database gone.
 *
 * Each is counted once in a transaction or in a batch, so the counters are not
 * striped.
 *
 * Answers that have ended
 *
 * Nobody looks for the answers that a write ends.  An answer that is in Redis under
 * its dependencies is counted when the relay deletes it because of one of them; the
 * writers tell here of which table that is (changed[]).  One that is in L1 alone is
 * counted when it is asked for again (lookup_names.c).  So what is never asked for
 * again, and what expires or is evicted first, is not counted.
 *
 * Model: any process; counting takes no lock and raises nothing, so it may be
 * done anywhere, transaction callbacks included.  What is counted while a place is
 * given up may or may not be in.  The view is read in backends.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "base/places.h"
#include "table_stats.h"

/* A power of two. */
#define MAX_TABLES		1024

/* Dependencies whose tables are known.  A power of two. */
#define MAX_CHANGED		4096

/* A dependency that was changed, and the table it is one of. */
typedef struct ChangedDep
{
	pg_atomic_uint64 dep;		/* 0 while the table is written */
	pg_atomic_uint64 owner;		/* as that of a place */
} ChangedDep;

typedef struct RtcTableStats
{
	ChangedDep	changed[MAX_CHANGED];	/* by hash; the last one is kept */
	pg_atomic_uint64 owner[MAX_TABLES]; /* database and table, as places.h
										 * wants it */
	/* of the owner; the last: of tables for which there was no room */
	pg_atomic_uint64 counter[MAX_TABLES + 1][RTC_TABLE_COUNTERS];
} RtcTableStats;

static RtcTableStats *shared = NULL;

#define OTHERS			MAX_TABLES

#define places() ((RtcPlaces) {MAX_TABLES, shared->owner})
#define owner_of(dboid, relid) ((uint64) (dboid) << 32 | (relid))

PG_FUNCTION_INFO_V1(rtcache_tables);

static void
init(void)
{
	for (int i = 0; i < MAX_CHANGED; i++)
	{
		pg_atomic_init_u64(&shared->changed[i].dep, 0);
		pg_atomic_init_u64(&shared->changed[i].owner, 0);
	}
	for (int i = 0; i < MAX_TABLES; i++)
		pg_atomic_init_u64(&shared->owner[i], 0);
	for (int i = 0; i <= MAX_TABLES; i++)
		for (int j = 0; j < RTC_TABLE_COUNTERS; j++)
			pg_atomic_init_u64(&shared->counter[i][j], 0);
}

const RtcSharedRoom rtc_table_stats_room = {
	.name = "rtcache_tables",
	.place = &shared,
	.size = sizeof(RtcTableStats),
	.init = init
};

void
rtc_table_stat_add(Oid dboid, Oid relid, RtcTableCounter counter, uint64 n)
{
	RtcPlaces	all;
	int			place;

	if (!rtc_preloaded || n == 0)
		return;
	all = places();
	place = rtc_place_take(&all, owner_of(dboid, relid));
	pg_atomic_fetch_add_u64(&shared->counter[place < 0 ? OTHERS : place][counter],
							n);
}

/* A dependency is a hash: its bits are as good as any. */
#define changed_of(dep) (&shared->changed[(dep) % MAX_CHANGED])

void
rtc_table_stats_changed(uint64 dep, Oid relid)
{
	ChangedDep *changed;

	if (!rtc_preloaded)
		return;
	changed = changed_of(dep);
	if (pg_atomic_read_u64(&changed->dep) == dep)
		return;
	pg_atomic_write_u64(&changed->dep, 0);
	pg_write_barrier();
	pg_atomic_write_u64(&changed->owner, owner_of(MyDatabaseId, relid));
	pg_write_barrier();
	pg_atomic_write_u64(&changed->dep, dep);
}

void
rtc_table_stats_ended(uint64 dep, uint64 answers)
{
	ChangedDep *changed;
	uint64		owner;

	if (!rtc_preloaded || answers == 0)
		return;
	changed = changed_of(dep);
	if (pg_atomic_read_u64(&changed->dep) != dep)
		return;
	pg_read_barrier();
	owner = pg_atomic_read_u64(&changed->owner);
	pg_read_barrier();
	if (pg_atomic_read_u64(&changed->dep) == dep)
		rtc_table_stat_add((Oid) (owner >> 32), (Oid) owner,
						   RTC_TABLE_ANSWERS_ENDED, answers);
}

/* Makes a place free, with counters that are zero. */
static void
clear_place(int place)
{
	for (int i = 0; i < RTC_TABLE_COUNTERS; i++)
		pg_atomic_write_u64(&shared->counter[place][i], 0);
	if (place != OTHERS)
		pg_atomic_write_u64(&shared->owner[place], 0);
}

void
rtc_table_stats_forget(Oid dboid, Oid relid)
{
	RtcPlaces	all;
	int			place;

	if (!rtc_preloaded)
		return;
	all = places();
	while ((place = rtc_place_find(&all, owner_of(dboid, relid))) >= 0)
		clear_place(place);
}

void
rtc_table_stats_reset(void)
{
	for (int i = 0; i <= MAX_TABLES; i++)
		clear_place(i);
}

/* Has what a place belongs to gone?  Only what is committed counts. */
static bool
is_gone(Oid dboid, Oid relid)
{
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return false;
	return !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(dboid)) ||
		(dboid == MyDatabaseId &&
		 !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)));
}

/* Adds a row: what an owner has in all its places; 0 = the others. */
static void
put_row(ReturnSetInfo *result, uint64 owner, int place)
{
	RtcPlaces	all = places();
	Datum		values[RTC_TABLE_COUNTERS + 1];
	bool		nulls[RTC_TABLE_COUNTERS + 1] = {0};
	uint64		sum[RTC_TABLE_COUNTERS] = {0};
	uint64		any = 0;

	while (place >= 0)
	{
		for (int i = 0; i < RTC_TABLE_COUNTERS; i++)
			sum[i] += pg_atomic_read_u64(&shared->counter[place][i]);
		place = owner == 0 ? -1 : rtc_place_next(&all, owner, place);
	}
	values[0] = ObjectIdGetDatum((Oid) owner);
	nulls[0] = owner == 0;
	for (int i = 0; i < RTC_TABLE_COUNTERS; i++)
	{
		values[i + 1] = Int64GetDatum((int64) sum[i]);
		any |= sum[i];
	}
	if (any != 0)
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* rtcache_tables() → the tables of this database, then the others */
Datum
rtcache_tables(PG_FUNCTION_ARGS)
{
	RtcPlaces	all;

	rtc_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	all = places();
	for (int i = 0; i < MAX_TABLES; i++)
	{
		uint64		owner = pg_atomic_read_u64(&shared->owner[i]);
		Oid			dboid = (Oid) (owner >> 32);

		if (owner == 0 || rtc_place_find(&all, owner) != i)
			continue;
		if (is_gone(dboid, (Oid) owner))
			rtc_table_stats_forget(dboid, (Oid) owner);
		else if (dboid == MyDatabaseId)
			put_row((ReturnSetInfo *) fcinfo->resultinfo, owner, i);
	}
	put_row((ReturnSetInfo *) fcinfo->resultinfo, 0, OTHERS);
	return (Datum) 0;
}
