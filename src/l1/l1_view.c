/*-------------------------------------------------------------------------
 *
 * l1_view.c
 *		What people can see of the cache in shared memory.
 *
 * Model: backends.  Each partition is read under its lock, shared, one after the
 * other, so what is shown may be of slightly different moments.
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
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "guc.h"
#include "l1/blocks.h"

PG_FUNCTION_INFO_V1(rtcache_l1);
PG_FUNCTION_INFO_V1(cache_l1_keys);

#define L1_COLUMNS		7
#define KEY_COLUMNS		5

/* rtcache_l1() → one row */
Datum
rtcache_l1(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[L1_COLUMNS];
	bool		nulls[L1_COLUMNS] = {0};
	uint64		entries = 0;
	uint64		stored = 0;
	uint64		evicted = 0;
	uint64		refused = 0;
	uint64		used = 0;

	rtc_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != L1_COLUMNS)
		elog(ERROR, "unexpected result type of rtcache_l1");

	for (int i = 0; rtc_l1 != NULL && i < RTC_L1_PARTITIONS; i++)
	{
		Partition  *p = &rtc_l1->partition[i];

		LWLockAcquire(partition_lock(i), LW_SHARED);
		entries += p->nentries;
		stored += p->nstored;
		evicted += p->nevicted;
		LWLockRelease(partition_lock(i));
	}
	if (rtc_l1 != NULL)
	{
		LWLockAcquire(pool_lock, LW_SHARED);
		used = rtc_l1->nblocks - rtc_l1->nunused - rtc_l1->nfree;
		refused = rtc_l1->nrefused;
		LWLockRelease(pool_lock);
	}

	values[0] = BoolGetDatum(rtc_l1 != NULL &&
							 rtc_gate_is_open());
	values[1] = Int64GetDatum((int64) entries);
	values[2] = Int64GetDatum((int64) (used * BLOCK_SIZE));
	values[3] = Int64GetDatum((int64) rtc_l1_size * 1024 * 1024);
	values[4] = Int64GetDatum((int64) stored);
	values[5] = Int64GetDatum((int64) evicted);
	values[6] = Int64GetDatum((int64) refused);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/* An entry, then a key, as cache_l1_keys() shows it. */
typedef struct KeyInfo
{
	uint32		survived;
	bool		visited;
	int64		bytes;
	int64		expires_at;
	char	   *key;
	uint32		keylen;
} KeyInfo;

/* Answers under one key come one behind the other. */
static int
compare_key(const void *a, const void *b)
{
	const KeyInfo *x = a;
	const KeyInfo *y = b;
	int			order = memcmp(x->key, y->key, Min(x->keylen, y->keylen));

	return order != 0 ? order : (x->keylen > y->keylen) - (x->keylen < y->keylen);
}

/*
 * Joins the answers under each key to one: it is as large as all of them, as hot
 * as the hottest, and lasts as long as the one that lasts longest.  Returns their
 * number.
 */
static int
join_answers(KeyInfo *infos, int n)
{
	int			nkeys = 0;

	qsort(infos, n, sizeof(KeyInfo), compare_key);
	for (int i = 0; i < n; i++)
	{
		KeyInfo    *last = nkeys > 0 ? &infos[nkeys - 1] : NULL;

		if (last == NULL || compare_key(last, &infos[i]) != 0)
		{
			infos[nkeys++] = infos[i];
			continue;
		}
		last->survived = Max(last->survived, infos[i].survived);
		last->visited |= infos[i].visited;
		last->bytes += infos[i].bytes;
		if (last->expires_at != 0)
			last->expires_at = infos[i].expires_at == 0 ? 0 :
				Max(last->expires_at, infos[i].expires_at);
	}
	return nkeys;
}

/* Hottest first. */
static int
compare_heat(const void *a, const void *b)
{
	const KeyInfo *x = a;
	const KeyInfo *y = b;

	if (x->survived != y->survived)
		return x->survived > y->survived ? -1 : 1;
	if (x->visited != y->visited)
		return x->visited ? -1 : 1;
	return 0;
}

/*
 * cache_l1_keys(n): the hottest keys of this database, as the hand knows them.
 */
Datum
cache_l1_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		limit = PG_GETARG_INT32(0);
	int			n = 0;
	int			max = 1024;
	int64		now = rtc_clock_us();
	KeyInfo    *infos;

	rtc_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	if (rtc_l1 == NULL || limit <= 0)
		return (Datum) 0;

	infos = palloc(max * sizeof(KeyInfo));
	for (int i = 0; i < RTC_L1_PARTITIONS; i++)
	{
		Partition  *p = &rtc_l1->partition[i];
		BlockNo		no;

		/* An error of palloc lets the lock go. */
		LWLockAcquire(partition_lock(i), LW_SHARED);
		for (no = p->newest; no != 0; no = entry(no)->older)
		{
			Entry	   *e = entry(no);
			KeyInfo    *info;
			Cursor		c;

			if (e->dboid != MyDatabaseId || rtc_l1_is_dead(e, now))
				continue;
			if (n == max)
			{
				max *= 2;
				infos = repalloc_huge(infos, max * sizeof(KeyInfo));
			}
			info = &infos[n++];
			info->survived = e->survived;
			info->visited = pg_atomic_read_u32(&e->visited) != 0;
			info->bytes = (int64) e->nblocks * BLOCK_SIZE;
			info->expires_at = e->expires_at;
			info->keylen = e->keylen;
			info->key = palloc(e->keylen);
			cursor_begin(&c, e);
			cursor_skip(&c, STAMPS_SIZE(e->nstamps));
			cursor_get(&c, info->key, e->keylen);
		}
		LWLockRelease(partition_lock(i));
		CHECK_FOR_INTERRUPTS();
	}

	n = join_answers(infos, n);
	qsort(infos, n, sizeof(KeyInfo), compare_heat);
	for (int i = 0; i < Min(n, limit); i++)
	{
		Datum		values[KEY_COLUMNS];
		bool		nulls[KEY_COLUMNS] = {0};

		values[0] = PointerGetDatum(cstring_to_text_with_len(infos[i].key,
															 infos[i].keylen));
		values[1] = Int64GetDatum(infos[i].bytes);
		values[2] = Int64GetDatum((infos[i].expires_at - now) / 1000);
		nulls[2] = infos[i].expires_at == 0;
		values[3] = Int64GetDatum((int64) infos[i].survived);
		values[4] = BoolGetDatum(infos[i].visited);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
