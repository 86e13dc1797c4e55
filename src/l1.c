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
 * Eviction is that of SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI
 * 2024): entries stay in the order in which they came; a hand moves from the
 * oldest towards the newest, spares those that were hit since it last came
 * by, and evicts the first that was not.  A hit only sets a flag, and only if
 * it is not set.  An entry that has expired, or whose versions have moved, is
 * not spared.  Each partition has a hand of its own, and they take turns.
 *
 * MODEL: any backend, at any time.  The hash table is divided into partitions,
 * each with its list, its hand and its LWLock: shared to read, exclusive to
 * insert and to evict.  Free blocks have another LWLock.  No two of these locks
 * are ever held together, and nothing happens under them that could take long
 * or raise.  Blocks on their way from one place to another belong to the
 * process that moves them; it cannot be interrupted there.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "guc.h"
#include "l1.h"
#include "shmem.h"

/* Of an entry of 100 bytes, two or three; a multiple of a cache line. */
#define BLOCK_SIZE		192

/* No entry takes more than this part of the budget. */
#define FAIR_SHARE		16

typedef uint32 BlockNo;			/* 0 = none; the first is 1 */

typedef struct Block
{
	BlockNo		next;			/* of the same entry, or in the free list */
	char		payload[BLOCK_SIZE - sizeof(BlockNo)];
} Block;

/* One dependency, as stored. */
typedef struct Dep
{
	uint64		version;
	uint32		bucket;
	uint32		unused;
} Dep;

/*
 * The first block of an entry.  Behind the fields, and on through the chain:
 * dependencies, key, arguments, answer.  Nothing but "visited" changes while
 * it is in the table, except under the partition's lock, exclusive.
 */
typedef struct Entry
{
	BlockNo		next;			/* as in Block */
	BlockNo		last;			/* end of the chain */
	BlockNo		collision;		/* next in the same hash bucket */
	BlockNo		newer;			/* neighbours in the order of coming */
	BlockNo		older;
	uint32		nblocks;
	uint64		hash;			/* of database and key */
	RtcQueryId	id;
	int64		expires_at;		/* monotonic us; 0 = never */
	Oid			dboid;
	uint32		keylen;
	uint32		argslen;
	uint32		valuelen;		/* 0 = the query returned no row */
	uint32		survived;		/* times the hand has spared it */
	pg_atomic_uint32 visited;	/* hit since the hand came by */
	uint8		ndeps;
	bool		one_row;
	char		payload[FLEXIBLE_ARRAY_MEMBER];
} Entry;

#define ENTRY_HEADER	offsetof(Entry, payload)

StaticAssertDecl(ENTRY_HEADER + sizeof(Dep) <= BLOCK_SIZE,
				 "header of an entry must fit into a block");

typedef struct Partition
{
	BlockNo		newest;
	BlockNo		oldest;
	BlockNo		hand;			/* 0 = at the oldest */
	uint32		nentries;
	uint64		nevicted;
	uint64		nstored;
} Partition;

typedef struct L1
{
	uint32		nblocks;
	uint32		head_mask;		/* number of hash buckets - 1 */
	pg_atomic_uint32 turn;		/* whose hand moves next */

	/* Under the pool's lock. */
	BlockNo		free;
	uint32		nfree;			/* in that list */
	uint32		nunused;		/* blocks at the end never used so far */
	uint64		nrefused;		/* entries for which there was no room */

	Partition	partition[RTC_L1_PARTITIONS];
	/* hash buckets (BlockNo) and blocks follow */
} L1;

static L1  *l1 = NULL;			/* NULL = off, or not preloaded */
static LWLockPadded *locks;
static BlockNo *heads;
static char *blocks;

#define block(no) ((Block *) (blocks + ((Size) (no) - 1) * BLOCK_SIZE))
#define entry(no) ((Entry *) block(no))
#define partition_of(hash) ((uint32) (hash) % RTC_L1_PARTITIONS)
#define partition_lock(n) (&locks[n].lock)
#define pool_lock (&locks[RTC_L1_PARTITIONS].lock)

PG_FUNCTION_INFO_V1(rtcache_l1);
PG_FUNCTION_INFO_V1(cache_l1_keys);

/* ---------------- size and start ---------------- */

/* How the budget is divided. */
static void
divide(uint32 *nblocks, uint32 *nheads)
{
	Size		budget = (Size) rtc_l1_size * 1024 * 1024;

	*nheads = pg_nextpower2_32(Max(budget / BLOCK_SIZE / 3,
								   RTC_L1_PARTITIONS));
	*nblocks = (budget - MAXALIGN(sizeof(L1)) -
				*nheads * sizeof(BlockNo)) / BLOCK_SIZE;
}

Size
rtc_l1_size_bytes(void)
{
	return rtc_l1_size > 0 ?
		add_size(mul_size((Size) rtc_l1_size, 1024 * 1024), PG_CACHE_LINE_SIZE)
		: 0;
}

/*
 * Takes the memory over.  What is not set here is set when it is first used,
 * so that the memory of a large and idle cache is not touched.
 */
void
rtc_l1_init(void *place, LWLockPadded *tranche, bool found)
{
	uint32		nblocks;
	uint32		nheads;

	l1 = place;
	locks = tranche;
	divide(&nblocks, &nheads);
	heads = (BlockNo *) ((char *) place + MAXALIGN(sizeof(L1)));
	blocks = (char *) TYPEALIGN(64, heads + nheads);
	if (found)
		return;

	memset(l1, 0, sizeof(L1));
	memset(heads, 0, nheads * sizeof(BlockNo));
	l1->nblocks = nblocks;
	l1->nunused = nblocks;
	l1->head_mask = nheads - 1;
	pg_atomic_init_u32(&l1->turn, 0);
}

bool
rtc_l1_exists(void)
{
	return l1 != NULL;
}

/* ---------------- reading ---------------- */

/* A place in the payload of an entry. */
typedef struct Cursor
{
	char	   *pos;
	char	   *end;			/* of this block */
	BlockNo		next;
} Cursor;

static inline void
cursor_begin(Cursor *c, Entry *e)
{
	c->pos = e->payload;
	c->end = (char *) e + BLOCK_SIZE;
	c->next = e->next;
}

/* The bytes at the cursor that lie in one block, at most len. */
static inline size_t
cursor_span(Cursor *c, size_t len)
{
	if (c->pos == c->end)
	{
		Block	   *b = block(c->next);

		c->pos = b->payload;
		c->end = (char *) b + BLOCK_SIZE;
		c->next = b->next;
	}
	return Min(len, (size_t) (c->end - c->pos));
}

static void
cursor_put(Cursor *c, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0)
	{
		size_t		n = cursor_span(c, len);

		memcpy(c->pos, from, n);
		c->pos += n;
		from += n;
		len -= n;
	}
}

static inline void
cursor_get(Cursor *c, void *data, size_t len)
{
	char	   *to = data;

	while (len > 0)
	{
		size_t		n = cursor_span(c, len);

		memcpy(to, c->pos, n);
		c->pos += n;
		to += n;
		len -= n;
	}
}

static inline bool
cursor_equals(Cursor *c, const void *data, size_t len)
{
	const char *with = data;

	while (len > 0)
	{
		size_t		n = cursor_span(c, len);

		if (memcmp(c->pos, with, n) != 0)
			return false;
		c->pos += n;
		with += n;
		len -= n;
	}
	return true;
}

static int64
now_us(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

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
	*where = &heads[(uint32) q->hash & l1->head_mask];
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

bool
rtc_l1_get(const RtcL1Question *q, const RtcStampRead *stamps,
		   Jsonb **answer, int64 *ttl_ms)
{
	LWLock	   *lock = partition_lock(partition_of(q->hash));
	BlockNo    *where;
	Cursor		c;
	Entry	   *e;
	bool		hit = false;
	int64		left = -1;

	LWLockAcquire(lock, LW_SHARED);
	e = find(q, &where, &c);
	if (e != NULL && same_versions(e, stamps) &&
		(q->id == NULL ||
		 (memcmp(&e->id, q->id, sizeof(RtcQueryId)) == 0 &&
		  e->one_row == q->one_row && e->argslen == q->argslen &&
		  cursor_equals(&c, q->args, q->argslen))))
	{
		if (q->id == NULL)
		{
			/* the arguments, whatever they are, are in the way */
			for (uint32 i = 0; i < e->argslen; i++)
			{
				(void) cursor_span(&c, 1);
				c.pos++;
			}
		}
		if (e->expires_at != 0)
			left = e->expires_at - now_us();
		if (e->expires_at == 0 || left > 0)
		{
			hit = true;
			*answer = NULL;
			if (e->valuelen > 0)
			{
				/* too little memory for the copy: a miss like any other */
				*answer = palloc_extended(e->valuelen, MCXT_ALLOC_NO_OOM);
				if (*answer != NULL)
					cursor_get(&c, *answer, e->valuelen);
				else
					hit = false;
			}
			if (pg_atomic_read_u32(&e->visited) == 0)
				pg_atomic_write_u32(&e->visited, 1);
		}
	}
	LWLockRelease(lock);

	if (hit && ttl_ms != NULL)
		*ttl_ms = left < 0 ? -1 : left / 1000;
	return hit;
}

/* ---------------- blocks ---------------- */

/* Gives a chain back.  The pool's lock must not be held. */
static void
free_chain(BlockNo first, BlockNo last, uint32 n)
{
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	block(last)->next = l1->free;
	l1->free = first;
	l1->nfree += n;
	LWLockRelease(pool_lock);
}

/* Adds free blocks to a chain until it has n; how many it has then. */
static uint32
take_free(BlockNo *first, BlockNo *last, uint32 has, uint32 n)
{
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	while (has < n)
	{
		BlockNo		no = l1->free;

		if (no != 0)
		{
			l1->free = block(no)->next;
			l1->nfree--;
		}
		else if (l1->nunused > 0)
			no = l1->nblocks - --l1->nunused;
		else
			break;
		block(no)->next = 0;
		if (*first == 0)
			*first = no;
		else
			block(*last)->next = no;
		*last = no;
		has++;
	}
	LWLockRelease(pool_lock);
	return has;
}

/*
 * Takes an entry out of table and list; its blocks are the caller's then.
 * Under the partition's lock, exclusive.
 */
static void
remove_entry(Partition *p, BlockNo no, BlockNo *where)
{
	Entry	   *e = entry(no);

	if (where == NULL)
	{
		where = &heads[(uint32) e->hash & l1->head_mask];
		while (*where != no)
			where = &entry(*where)->collision;
	}
	*where = e->collision;
	if (p->hand == no)
		p->hand = e->newer;
	if (e->newer != 0)
		entry(e->newer)->older = e->older;
	else
		p->newest = e->older;
	if (e->older != 0)
		entry(e->older)->newer = e->newer;
	else
		p->oldest = e->newer;
	p->nentries--;
}

/* Can nobody use the entry any more? */
static bool
is_dead(Entry *e, int64 now)
{
	Cursor		c;
	Dep			dep;

	if (e->expires_at != 0 && e->expires_at <= now)
		return true;
	cursor_begin(&c, e);
	for (int i = 0; i < e->ndeps; i++)
	{
		cursor_get(&c, &dep, sizeof(dep));
		if (pg_atomic_read_u64(&rtc_shared->bucket[dep.bucket].version) !=
			dep.version)
			return true;
	}
	return false;
}

/*
 * Evicts one entry of the partition whose turn it is, or of the next that has
 * one.  False = there is nothing left.
 */
static bool
evict_one(void)
{
	int64		now = now_us();

	for (int i = 0; i < RTC_L1_PARTITIONS; i++)
	{
		uint32		n = pg_atomic_fetch_add_u32(&l1->turn, 1) %
			RTC_L1_PARTITIONS;
		Partition  *p = &l1->partition[n];
		BlockNo		victim = 0;

		LWLockAcquire(partition_lock(n), LW_EXCLUSIVE);
		if (p->nentries > 0)
		{
			BlockNo		no = p->hand != 0 ? p->hand : p->oldest;

			/* The second time around nobody is spared. */
			while (pg_atomic_read_u32(&entry(no)->visited) != 0 &&
				   !is_dead(entry(no), now))
			{
				pg_atomic_write_u32(&entry(no)->visited, 0);
				entry(no)->survived++;
				no = entry(no)->newer != 0 ? entry(no)->newer : p->oldest;
			}
			p->hand = no;
			victim = no;
			remove_entry(p, victim, NULL);
			p->nevicted++;
		}
		LWLockRelease(partition_lock(n));

		if (victim != 0)
		{
			free_chain(victim, entry(victim)->last, entry(victim)->nblocks);
			return true;
		}
	}
	return false;
}

/* Gets n blocks, evicting what it takes; 0 = not to be had. */
static BlockNo
get_chain(uint32 n, BlockNo *last)
{
	BlockNo		first = 0;
	uint32		has = 0;

	/* others may take what we evict, but not for ever */
	for (uint32 i = 0; i < 4 * n + RTC_L1_PARTITIONS; i++)
	{
		has = take_free(&first, last, has, n);
		if (has == n)
			return first;
		if (!evict_one())
			break;
	}
	if (has > 0)
		free_chain(first, *last, has);
	return 0;
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
	e->expires_at = ttl_ms > 0 ? now_us() + ttl_ms * 1000 : 0;
	e->dboid = MyDatabaseId;
	e->keylen = q->keylen;
	e->argslen = q->argslen;
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
	cursor_put(&c, answer, e->valuelen);
}

bool
rtc_l1_store(const RtcL1Question *q, const RtcStampRead *stamps,
			 const Jsonb *answer, int64 ttl_ms)
{
	uint32		n = partition_of(q->hash);
	Partition  *p = &l1->partition[n];
	Size		size = ENTRY_HEADER + stamps->n * sizeof(Dep) + q->keylen +
		q->argslen + (answer != NULL ? VARSIZE(answer) : 0);
	Size		nblocks = 1;
	BlockNo		first;
	BlockNo		last = 0;
	BlockNo		old;
	BlockNo    *where;
	Entry	   *e;

	if (size > BLOCK_SIZE)
		nblocks += (size - BLOCK_SIZE + sizeof(((Block *) 0)->payload) - 1) /
			sizeof(((Block *) 0)->payload);
	first = nblocks <= l1->nblocks / FAIR_SHARE ? get_chain(nblocks, &last) : 0;
	if (first == 0)
	{
		LWLockAcquire(pool_lock, LW_EXCLUSIVE);
		l1->nrefused++;
		LWLockRelease(pool_lock);
		return false;
	}

	e = entry(first);
	e->last = last;
	e->nblocks = nblocks;
	write_entry(e, q, stamps, answer, ttl_ms);

	LWLockAcquire(partition_lock(n), LW_EXCLUSIVE);
	old = find(q, &where, NULL) != NULL ? *where : 0;
	if (old != 0 && is_newer(entry(old), stamps))
		old = first;			/* somebody knows better */
	else
	{
		if (old != 0)
			remove_entry(p, old, where);
		where = &heads[(uint32) q->hash & l1->head_mask];
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
		free_chain(old, entry(old)->last, entry(old)->nblocks);
	return true;
}

/* ---------------- looking at it ---------------- */

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

	for (int i = 0; l1 != NULL && i < RTC_L1_PARTITIONS; i++)
	{
		Partition  *p = &l1->partition[i];

		LWLockAcquire(partition_lock(i), LW_SHARED);
		entries += p->nentries;
		stored += p->nstored;
		evicted += p->nevicted;
		LWLockRelease(partition_lock(i));
	}
	if (l1 != NULL)
	{
		LWLockAcquire(pool_lock, LW_SHARED);
		used = l1->nblocks - l1->nunused - l1->nfree;
		refused = l1->nrefused;
		LWLockRelease(pool_lock);
	}

	values[0] = BoolGetDatum(l1 != NULL &&
							 pg_atomic_read_u32(&rtc_shared->gate_open) != 0);
	values[1] = Int64GetDatum((int64) entries);
	values[2] = Int64GetDatum((int64) (used * BLOCK_SIZE));
	values[3] = Int64GetDatum((int64) rtc_l1_size * 1024 * 1024);
	values[4] = Int64GetDatum((int64) stored);
	values[5] = Int64GetDatum((int64) evicted);
	values[6] = Int64GetDatum((int64) refused);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/* One entry as cache_l1_keys() shows it, copied from under the lock. */
typedef struct KeyInfo
{
	uint32		survived;
	bool		visited;
	int64		bytes;
	int64		expires_at;
	char	   *key;
	uint32		keylen;
} KeyInfo;

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
	int64		now = now_us();
	KeyInfo    *infos;

	rtc_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	if (l1 == NULL || limit <= 0)
		return (Datum) 0;

	infos = palloc(max * sizeof(KeyInfo));
	for (int i = 0; i < RTC_L1_PARTITIONS; i++)
	{
		Partition  *p = &l1->partition[i];
		BlockNo		no;

		/* An error of palloc lets the lock go. */
		LWLockAcquire(partition_lock(i), LW_SHARED);
		for (no = p->newest; no != 0; no = entry(no)->older)
		{
			Entry	   *e = entry(no);
			KeyInfo    *info;
			Cursor		c;
			Dep			dep;

			if (e->dboid != MyDatabaseId || is_dead(e, now))
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
			for (int d = 0; d < e->ndeps; d++)
				cursor_get(&c, &dep, sizeof(dep));
			cursor_get(&c, info->key, e->keylen);
		}
		LWLockRelease(partition_lock(i));
		CHECK_FOR_INTERRUPTS();
	}

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
