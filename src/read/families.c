/*-------------------------------------------------------------------------
 *
 * families.c
 *		Counters of families of keys: the view rtcache_families.
 *
 * The family of a key is what stands in front of its first ':', or all of it if it
 * has none; MAX_NAME bytes at most.  Families of two databases are two families.
 * There is room for MAX_FAMILIES of all databases together.  What is counted for
 * others is counted for the family '*', which belongs to no database.  A family
 * gets its place at its first lookup, and loses it when the counters are reset, and
 * when somebody looks at the view and finds its database gone.
 *
 * The time saved by a hit is the time that computing its answer had taken, in
 * whatever session, of whatever server: an entry of L1 and the companion of a value
 * in Redis carry it.  Nobody has computed a row that a rule stored.  For it the mean
 * of the misses of its family is taken, and nothing if there was none.
 *
 * Hits in L1 are counted in stripes, since they are so cheap that backends would
 * wait for the cache line of a counter; all else takes a round trip or a query.
 * They are counted nowhere else: rtcache_stats adds all families up.
 *
 * Model: any backend.  Counting takes no lock and raises nothing.  The view adds
 * up what is there; what is counted meanwhile may or may not be in.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "base/places.h"
#include "read/families.h"
#include "stats.h"

/* A power of two. */
#define MAX_FAMILIES	1024

/* Bytes of a name.  Longer ones are cut. */
#define MAX_NAME		63

#define STRIPES			16
#define FAMILY_COLUMNS	11

/* The family of those for which there was no room. */
#define OTHERS			MAX_FAMILIES

/* Who has a place.  Written by whoever takes it, in time the same by all. */
typedef struct FamilyName
{
	Oid			dboid;
	uint8		len;
	char		name[MAX_NAME];
} FamilyName;

/* What hits count. */
typedef struct FamilyHits
{
	pg_atomic_uint64 l1_hits;
	pg_atomic_uint64 saved_us;	/* microseconds, of hits in L1 and in Redis */
} FamilyHits;

typedef struct RtcFamilies
{
	pg_atomic_uint64 owner[MAX_FAMILIES];	/* hash of the name, as places.h
											 * wants it */
	FamilyName	name[MAX_FAMILIES];
	pg_atomic_uint64 counter[MAX_FAMILIES + 1][RTC_FAMILY_COUNTERS];
	FamilyHits	hits[STRIPES][MAX_FAMILIES + 1];
	FamilyHits	gone;			/* of databases that are gone */
} RtcFamilies;

static RtcFamilies *shared = NULL;

#define places() ((RtcPlaces) {MAX_FAMILIES, shared->owner})

PG_FUNCTION_INFO_V1(rtcache_families);

static void
init(void)
{
	for (int i = 0; i < MAX_FAMILIES; i++)
		pg_atomic_init_u64(&shared->owner[i], 0);
	pg_atomic_init_u64(&shared->gone.l1_hits, 0);
	pg_atomic_init_u64(&shared->gone.saved_us, 0);
	for (int i = 0; i <= MAX_FAMILIES; i++)
	{
		for (int j = 0; j < RTC_FAMILY_COUNTERS; j++)
			pg_atomic_init_u64(&shared->counter[i][j], 0);
		for (int j = 0; j < STRIPES; j++)
		{
			pg_atomic_init_u64(&shared->hits[j][i].l1_hits, 0);
			pg_atomic_init_u64(&shared->hits[j][i].saved_us, 0);
		}
	}
}

const RtcSharedRoom rtc_families_room = {
	.name = "rtcache_families",
	.place = &shared,
	.size = sizeof(RtcFamilies),
	.init = init
};

/* The number by which a family is known, never 0. */
static inline uint64
owner_of(Oid dboid, const char *name, uint32 len)
{
	return hash_bytes_extended((const unsigned char *) name, len, dboid) | 1;
}

/* Gives a family a place, and the place its name. */
static int
take_place(uint64 owner, const char *name, uint32 len)
{
	RtcPlaces	all = places();
	int			place = rtc_place_take(&all, owner);
	FamilyName *entry;

	if (place < 0)
		return OTHERS;
	entry = &shared->name[place];
	entry->dboid = MyDatabaseId;
	entry->len = len;
	memcpy(entry->name, name, len);
	return place;
}

/* The family that this backend has met last; owner 0 = none. */
static struct
{
	uint64		owner;
	int			place;
	uint32		len;
	char		name[MAX_NAME];
}			last;

/* Is the key one of that family, which still has its place? */
static inline bool
is_last(const char *key, uint32 keylen)
{
	return last.owner != 0 && keylen > last.len && key[last.len] == ':' &&
		memcmp(key, last.name, last.len) == 0 &&
		pg_atomic_read_u64(&shared->owner[last.place]) == last.owner;
}

/* Finds the place of the family of a key. */
static int
find_place(const char *key, uint32 keylen)
{
	RtcPlaces	all = places();
	uint32		len = Min(keylen, MAX_NAME);
	const char *colon = memchr(key, ':', len);
	uint64		owner;
	int			place;

	if (colon != NULL)
		len = colon - key;
	owner = owner_of(MyDatabaseId, key, len);
	place = rtc_place_find(&all, owner);
	if (place < 0)
		place = take_place(owner, key, len);
	if (place != OTHERS)
	{
		last.owner = owner;
		last.place = place;
		last.len = len;
		memcpy(last.name, key, len);
	}
	return place;
}

static inline int
place_of(const char *key, uint32 keylen)
{
	return is_last(key, keylen) ? last.place : find_place(key, keylen);
}

static inline FamilyHits *
hits_of(int place)
{
	return &shared->hits[(uint32) MyProcPid % STRIPES][place];
}

void
rtc_family_add(const char *key, uint32 keylen, RtcFamilyCounter counter,
			   uint64 n)
{
	pg_atomic_fetch_add_u64(&shared->counter[place_of(key, keylen)][counter],
							n);
}

void
rtc_family_l1_hit(const char *key, uint32 keylen, uint32 computed_us)
{
	FamilyHits *hits = hits_of(place_of(key, keylen));

	pg_atomic_fetch_add_u64(&hits->l1_hits, 1);
	pg_atomic_fetch_add_u64(&hits->saved_us, computed_us);
}

uint32
rtc_family_l2_hit(const char *key, uint32 keylen, int64 computed_us)
{
	int			place = place_of(key, keylen);
	pg_atomic_uint64 *counter = shared->counter[place];

	pg_atomic_fetch_add_u64(&counter[RTC_FAMILY_L2_HITS], 1);
	if (computed_us < 0)
	{
		uint64		misses = pg_atomic_read_u64(&counter[RTC_FAMILY_MISSES]);

		computed_us = misses == 0 ? 0 :
			pg_atomic_read_u64(&counter[RTC_FAMILY_COMPUTED_US]) / misses;
	}
	computed_us = Min(computed_us, PG_UINT32_MAX);
	pg_atomic_fetch_add_u64(&hits_of(place)->saved_us, computed_us);
	return (uint32) computed_us;
}

/* ---------------- seen and forgotten ---------------- */

/* Adds up the hits that are counted in a place. */
static void
add_hits(int place, uint64 *l1_hits, uint64 *saved_us)
{
	for (int i = 0; i < STRIPES; i++)
	{
		FamilyHits *hits = &shared->hits[i][place];

		*l1_hits += pg_atomic_read_u64(&hits->l1_hits);
		*saved_us += pg_atomic_read_u64(&hits->saved_us);
	}
}

void
rtc_families_hits(uint64 *l1_hits, uint64 *saved_us)
{
	*l1_hits = pg_atomic_read_u64(&shared->gone.l1_hits);
	*saved_us = pg_atomic_read_u64(&shared->gone.saved_us);
	for (int i = 0; i <= MAX_FAMILIES; i++)
		add_hits(i, l1_hits, saved_us);
}

static void
clear_place(int place)
{
	for (int i = 0; i < RTC_FAMILY_COUNTERS; i++)
		pg_atomic_write_u64(&shared->counter[place][i], 0);
	for (int i = 0; i < STRIPES; i++)
	{
		pg_atomic_write_u64(&shared->hits[i][place].l1_hits, 0);
		pg_atomic_write_u64(&shared->hits[i][place].saved_us, 0);
	}
	if (place != OTHERS)
	{
		RtcPlaces	all = places();

		rtc_place_leave(&all, place);
	}
}

void
rtc_families_reset(void)
{
	for (int i = 0; i <= MAX_FAMILIES; i++)
		clear_place(i);
	pg_atomic_write_u64(&shared->gone.l1_hits, 0);
	pg_atomic_write_u64(&shared->gone.saved_us, 0);
}

/* The database of a family has gone: its hits are those of the server still. */
static void
give_up(int place)
{
	uint64		l1_hits = 0;
	uint64		saved_us = 0;

	add_hits(place, &l1_hits, &saved_us);
	pg_atomic_fetch_add_u64(&shared->gone.l1_hits, l1_hits);
	pg_atomic_fetch_add_u64(&shared->gone.saved_us, saved_us);
	clear_place(place);
}

/* A name as text of this database.  What is none here gets question marks. */
static text *
show_name(const FamilyName *name)
{
	char		copy[MAX_NAME + 1];
	int			len = pg_mbcliplen(name->name, name->len, MAX_NAME);

	memcpy(copy, name->name, len);
	if (!pg_verifymbstr(copy, len, true))
	{
		for (int i = 0; i < len; i++)
			if (IS_HIGHBIT_SET(copy[i]))
				copy[i] = '?';
	}
	return cstring_to_text_with_len(copy, len);
}

/* Adds a row: what a family has in all its places.  name: NULL = the others. */
static void
put_row(ReturnSetInfo *result, const FamilyName *name, uint64 owner, int place)
{
	RtcPlaces	all = places();
	Datum		values[FAMILY_COLUMNS];
	bool		nulls[FAMILY_COLUMNS] = {0};
	uint64		sum[RTC_FAMILY_COUNTERS] = {0};
	uint64		l1_hits = 0;
	uint64		saved_us = 0;
	int			n = 0;

	while (place >= 0)
	{
		for (int i = 0; i < RTC_FAMILY_COUNTERS; i++)
			sum[i] += pg_atomic_read_u64(&shared->counter[place][i]);
		add_hits(place, &l1_hits, &saved_us);
		place = name == NULL ? -1 : rtc_place_next(&all, owner, place);
	}
	if (l1_hits + sum[RTC_FAMILY_L2_HITS] + sum[RTC_FAMILY_MISSES] == 0)
		return;

	values[n++] = PointerGetDatum(name != NULL ? show_name(name) :
								  cstring_to_text("*"));
	values[n++] = Int64GetDatum((int64) l1_hits);
	values[n++] = Int64GetDatum((int64) sum[RTC_FAMILY_L2_HITS]);
	values[n++] = Int64GetDatum((int64) sum[RTC_FAMILY_MISSES]);
	values[n++] = Int64GetDatum((int64) sum[RTC_FAMILY_FILLS]);
	values[n++] = Int64GetDatum((int64) sum[RTC_FAMILY_REFUSED]);
	values[n] = rtc_hit_ratio(l1_hits + sum[RTC_FAMILY_L2_HITS],
							  sum[RTC_FAMILY_MISSES], &nulls[n]);
	n++;
	values[n++] = Float8GetDatum(sum[RTC_FAMILY_COMPUTED_US] / 1000.0);
	values[n++] = Float8GetDatum(saved_us / 1000.0);
	values[n++] = Int64GetDatum((int64) sum[RTC_FAMILY_BYTES]);
	values[n] = ObjectIdGetDatum(name != NULL ? name->dboid : InvalidOid);
	nulls[n++] = name == NULL;
	Assert(n == FAMILY_COLUMNS);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* rtcache_families() → the families of all databases, then the others */
Datum
rtcache_families(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RtcPlaces	all;

	rtc_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	all = places();
	for (int i = 0; i < MAX_FAMILIES; i++)
	{
		uint64		owner = pg_atomic_read_u64(&shared->owner[i]);
		FamilyName	name = shared->name[i];

		/* the second time, or the name is not there yet */
		if (owner == 0 || rtc_place_find(&all, owner) != i ||
			name.len > MAX_NAME ||
			owner_of(name.dboid, name.name, name.len) != owner)
			continue;
		if (SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(name.dboid)))
			put_row(result, &name, owner, i);
		else
			give_up(i);
	}
	put_row(result, NULL, 0, OTHERS);
	return (Datum) 0;
}
