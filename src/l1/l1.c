/*-------------------------------------------------------------------------
 *
 * l1.c
 *		The cache in shared memory: exact answers at the price of a hash probe.
 *
 * An entry is the answer to one question (query, arguments) under one key,
 * together with the versions of its dependency buckets.  Whoever stores it has
 * taken these versions before the snapshot of the query; whoever finds it has
 * taken them again, pending first.  If they are equal, no writer has become
 * visible since.  So nothing has to be deleted here: an entry dies when a
 * writer moves a version.  lookup.c keeps the order of these steps.
 *
 * Memory is a fixed number of blocks of the same size, and an entry a chain of
 * as many as it needs.  So there is no fragmentation: as long as enough
 * entries can be evicted there is room for the next, whatever the sizes.
 *
 * MODEL: any backend, at any time.  The hash table is divided into partitions,
 * each with its list, its hand and its LWLock: shared to read, exclusive to
 * insert and to evict.  Free blocks have another LWLock.  No two of these locks
 * are ever held together, and nothing happens under them that could take long
 * or raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "base/clock.h"
#include "base/inject.h"
#include "guc.h"
#include "l1/l1.h"
#include "l1/l1_internal.h"

RtcL1	   *rtc_l1 = NULL;
LWLockPadded *rtc_l1_locks;

/* ---------------- size and start ---------------- */

/* How the budget is divided. */
static void
divide(uint32 *nblocks, uint32 *nheads)
{
	Size		budget = (Size) rtc_l1_size * 1024 * 1024;

	*nheads = pg_nextpower2_32(Max(budget / BLOCK_SIZE / 3,
								   RTC_L1_PARTITIONS));
	*nblocks = (budget - MAXALIGN(sizeof(RtcL1)) -
				*nheads * sizeof(BlockNo)) / BLOCK_SIZE;
}

static Size
compute_size(void)
{
	return rtc_l1_size > 0 ?
		add_size(mul_size((Size) rtc_l1_size, 1024 * 1024), PG_CACHE_LINE_SIZE)
		: 0;
}

/*
 * What is not set here is set when it is first used, so that the memory of a
 * large and idle cache is not touched.
 */
static void
init(void)
{
	uint32		nblocks;
	uint32		nheads;

	divide(&nblocks, &nheads);
	memset(rtc_l1, 0, sizeof(RtcL1));
	rtc_l1->heads = (BlockNo *) ((char *) rtc_l1 + MAXALIGN(sizeof(RtcL1)));
	rtc_l1->blocks = (char *) TYPEALIGN(64, rtc_l1->heads + nheads);
	memset(rtc_l1->heads, 0, nheads * sizeof(BlockNo));
	rtc_l1->nblocks = nblocks;
	rtc_l1->nunused = nblocks;
	rtc_l1->head_mask = nheads - 1;
	pg_atomic_init_u32(&rtc_l1->turn, 0);
}

const RtcSharedRoom rtc_l1_room = {
	.name = "rtcache_l1",
	.place = &rtc_l1,
	.compute_size = compute_size,
	.locks = &rtc_l1_locks,
	.nlocks = RTC_L1_LOCKS,
	.init = init
};

bool
rtc_l1_exists(void)
{
	return rtc_l1 != NULL;
}

/* ---------------- reading ---------------- */

uint64
rtc_l1_hash(const char *key, uint32 keylen)
{
	return hash_bytes_extended((const unsigned char *) key, keylen,
							   MyDatabaseId);
}

uint64
rtc_l1_question_hash(const RtcL1Question *q)
{
	return hash_bytes_extended((const unsigned char *) q->args, q->argslen,
							   q->hash ^ q->id->part[0] ^ q->one_row);
}

/*
 * Finds the entry of a key.  "where" is what points to it; the cursor, if
 * given, is left behind the key.  Under the partition's lock.
 */
static Entry *
find(const RtcL1Question *q, BlockNo **where, Cursor *behind)
{
	*where = &rtc_l1->heads[(uint32) q->hash & rtc_l1->head_mask];
	while (**where != 0)
	{
		Entry	   *e = entry(**where);
		Cursor		c;
		Dep			dep;

		if (e->hash == q->hash && e->dboid == MyDatabaseId &&
			e->keylen == q->keylen)
		{
			cursor_begin(&c, e);
			for (int i = 0; i < e->ndeps; i++)
				cursor_get(&c, &dep, sizeof(dep));
			if (cursor_equals(&c, q->key, q->keylen))
			{
				if (behind != NULL)
					*behind = c;
				return e;
			}
		}
		*where = &e->collision;
	}
	return NULL;
}

/* Was it stored with these versions? */
static inline bool
same_versions(Entry *e, const RtcStampRead *stamps)
{
	Cursor		c;
	Dep			dep;

	if (e->ndeps != stamps->n)
		return false;
	cursor_begin(&c, e);
	for (int i = 0; i < stamps->n; i++)
	{
		cursor_get(&c, &dep, sizeof(dep));
		if (dep.version != stamps->version[i] ||
			dep.bucket != stamps->bucket[i])
			return false;
	}
	return true;
}

/*
 * Is what it was stored with still the case?  Pending before version, as a
 * reader takes stamps.
 */
static bool
stamps_hold(Entry *e)
{
	Cursor		c;
	Dep			dep;

	cursor_begin(&c, e);
	for (int i = 0; i < e->ndeps; i++)
	{
		cursor_get(&c, &dep, sizeof(dep));
		if (!rtc_stamp_holds(dep.bucket, dep.version))
			return false;
	}
	pg_read_barrier();
	return true;
}

/* Moves the cursor on. */
static void
skip(Cursor *c, uint32 len)
{
	while (len > 0)
	{
		size_t		n = cursor_span(c, len);

		c->pos += n;
		len -= n;
	}
}

/*
 * Takes the answer of an entry, at the cursor, unless it has expired.  Under
 * the partition's lock.
 */
static bool
take(Entry *e, Cursor *c, Jsonb **answer, int64 *ttl_ms)
{
	int64		left = -1;

	if (e->expires_at != 0)
	{
		left = e->expires_at - rtc_clock_us();
		if (left <= 0)
			return false;
	}
	*answer = NULL;
	if (e->valuelen > 0)
	{
		/* too little memory for the copy: a miss like any other */
		*answer = palloc_extended(e->valuelen, MCXT_ALLOC_NO_OOM);
		if (*answer == NULL)
			return false;
		cursor_get(c, *answer, e->valuelen);
	}
	if (pg_atomic_read_u32(&e->visited) == 0)
		pg_atomic_write_u32(&e->visited, 1);
	if (ttl_ms != NULL)
		*ttl_ms = left < 0 ? -1 : left / 1000;
	return true;
}

bool
rtc_l1_get(const RtcL1Question *q, const RtcStampRead *stamps,
		   Jsonb **answer, int64 *ttl_ms)
{
	LWLock	   *lock = partition_lock(partition_of(q->hash));
	BlockNo    *where;
	Cursor		c;
	Entry	   *e;
	bool		hit;

	LWLockAcquire(lock, LW_SHARED);
	e = find(q, &where, &c);
	hit = e != NULL && same_versions(e, stamps) &&
		memcmp(&e->id, q->id, sizeof(RtcQueryId)) == 0 &&
		e->one_row == q->one_row && e->argslen == q->argslen &&
		cursor_equals(&c, q->args, q->argslen);
	if (hit)
	{
		skip(&c, e->privlen);
		hit = take(e, &c, answer, ttl_ms);
	}
	LWLockRelease(lock);
	return hit;
}

bool
rtc_l1_peek(const RtcL1Question *q, char **privileges, Jsonb **answer,
			int64 *ttl_ms)
{
	LWLock	   *lock = partition_lock(partition_of(q->hash));
	BlockNo    *where;
	Cursor		c;
	Entry	   *e;
	bool		hit = false;

	LWLockAcquire(lock, LW_SHARED);
	e = find(q, &where, &c);
	if (e != NULL && stamps_hold(e))
	{
		/* the arguments, whatever they are, are in the way */
		skip(&c, e->argslen);
		*privileges = palloc_extended(e->privlen, MCXT_ALLOC_NO_OOM);
		if (*privileges != NULL)
		{
			cursor_get(&c, *privileges, e->privlen);
			hit = take(e, &c, answer, ttl_ms);
		}
	}
	LWLockRelease(lock);
	return hit;
}

/* ---------------- storing ---------------- */

/* Has the entry versions that are newer than these? */
static bool
is_newer(Entry *e, const RtcStampRead *stamps)
{
	Cursor		c;
	Dep			dep;

	if (e->ndeps != stamps->n)
		return false;
	cursor_begin(&c, e);
	for (int i = 0; i < stamps->n; i++)
	{
		cursor_get(&c, &dep, sizeof(dep));
		if (dep.bucket == stamps->bucket[i] &&
			dep.version > stamps->version[i])
			return true;
	}
	return false;
}

/* Writes an entry into its blocks, which nobody else sees yet. */
static void
write_entry(Entry *e, const RtcL1Question *q, const RtcStampRead *stamps,
			const Jsonb *answer, int64 ttl_ms)
{
	Cursor		c;

	e->hash = q->hash;
	e->id = *q->id;
	e->expires_at = ttl_ms > 0 ? rtc_clock_us() + ttl_ms * 1000 : 0;
	e->dboid = MyDatabaseId;
	e->keylen = q->keylen;
	e->argslen = q->argslen;
	e->privlen = strlen(q->privileges) + 1;
	e->valuelen = answer != NULL ? VARSIZE(answer) : 0;
	e->survived = 0;
	pg_atomic_init_u32(&e->visited, 0);
	e->ndeps = stamps->n;
	e->one_row = q->one_row;

	cursor_begin(&c, e);
	for (int i = 0; i < stamps->n; i++)
	{
		Dep			dep = {stamps->version[i], stamps->bucket[i], 0};

		cursor_put(&c, &dep, sizeof(dep));
	}
	cursor_put(&c, q->key, q->keylen);
	cursor_put(&c, q->args, q->argslen);
	cursor_put(&c, q->privileges, e->privlen);
	cursor_put(&c, answer, e->valuelen);
}

bool
rtc_l1_store(const RtcL1Question *q, const RtcStampRead *stamps,
			 const Jsonb *answer, int64 ttl_ms)
{
	uint32		n = partition_of(q->hash);
	Partition  *p = &rtc_l1->partition[n];
	Size		size = ENTRY_HEADER + stamps->n * sizeof(Dep) + q->keylen +
	q->argslen + strlen(q->privileges) + 1 + (answer != NULL ? VARSIZE(answer) : 0);
	Size		nblocks = 1;
	BlockNo		first;
	BlockNo		last = 0;
	BlockNo		old;
	BlockNo    *where;
	Entry	   *e;

	if (size > BLOCK_SIZE)
		nblocks += (size - BLOCK_SIZE + sizeof(((Block *) 0)->payload) - 1) /
			sizeof(((Block *) 0)->payload);
	first = nblocks <= rtc_l1->nblocks / FAIR_SHARE ?
		rtc_l1_get_chain(nblocks, &last) : 0;
	if (first == 0)
	{
		LWLockAcquire(pool_lock, LW_EXCLUSIVE);
		rtc_l1->nrefused++;
		LWLockRelease(pool_lock);
		return false;
	}

	e = entry(first);
	e->last = last;
	e->nblocks = nblocks;
	write_entry(e, q, stamps, answer, ttl_ms);

	LWLockAcquire(partition_lock(n), LW_EXCLUSIVE);
	RTC_INJECT("l1_store_locked");
	old = find(q, &where, NULL) != NULL ? *where : 0;
	if (old != 0 && is_newer(entry(old), stamps))
		old = first;			/* somebody knows better */
	else
	{
		if (old != 0)
			rtc_l1_remove(p, old, where);
		where = &rtc_l1->heads[(uint32) q->hash & rtc_l1->head_mask];
		e->collision = *where;
		*where = first;
		e->newer = 0;
		e->older = p->newest;
		if (p->newest != 0)
			entry(p->newest)->newer = first;
		else
			p->oldest = first;
		p->newest = first;
		p->nentries++;
		p->nstored++;
	}
	LWLockRelease(partition_lock(n));

	if (old != 0)
		rtc_l1_free_chain(old, entry(old)->last, entry(old)->nblocks);
	return true;
}
