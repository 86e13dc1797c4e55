/*-------------------------------------------------------------------------
 *
 * l1.c
 *		The cache in shared memory: exact answers at the price of a hash probe.
 *
 * An entry is the answer to one question (query, arguments) under one key,
 * together with the versions of its dependency buckets.  Whoever stores it has
 * taken these versions before the snapshot of the query; whoever finds it has
 * taken them again, pending first.  If they are equal, no writer has become
 * visible since.  So nothing has to be deleted here: an entry dies when a writer
 * moves a version.  lookup.c keeps the order of these steps.
 *
 * A key has an entry for each question under it, but not more than
 * MAX_ANSWERS.  One more takes the place of one that nobody has asked for lately.
 * Entries of the key that nobody can use go when another one is stored.
 *
 * Model: as blocks.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/inject.h"
#include "l1/blocks.h"
#include "l1/l1.h"

/* Entries of one key. */
#define MAX_ANSWERS		8

bool
rtc_l1_exists(void)
{
	return rtc_l1 != NULL;
}

/* ---------------- reading ---------------- */

uint64
rtc_l1_question_hash(const RtcL1Question *q)
{
	return hash_bytes_extended((const unsigned char *) q->args, q->argslen,
							   q->hash ^ q->id->part[0] ^ q->one_row);
}

/* Where the search for a key begins. */
#define first_of(hash) rtc_l1->heads[(uint32) (hash) & rtc_l1->head_mask]

/*
 * Finds an entry of a key, in a hash bucket from "no" on; NULL = none.  The
 * newest comes first.  The cursor is left behind the key.  Under the partition's
 * lock.
 */
static Entry *
find_key(BlockNo no, RtcDep hash, const char *key, uint32 keylen, Cursor *c)
{
	for (; no != 0; no = entry(no)->collision)
	{
		Entry	   *e = entry(no);

		if (e->hash != hash || e->dboid != MyDatabaseId || e->keylen != keylen)
			continue;
		cursor_begin(c, e);
		cursor_skip(c, STAMPS_SIZE(e->nstamps));
		if (cursor_equals(c, key, keylen))
			return e;
	}
	return NULL;
}

/* Is this entry of the key, with the cursor behind it, about the question? */
static inline bool
is_about(Entry *e, const RtcL1Question *q, Cursor *c)
{
	return memcmp(&e->id, q->id, sizeof(RtcQueryId)) == 0 &&
		e->one_row == q->one_row && e->argslen == q->argslen &&
		cursor_equals(c, q->args, q->argslen);
}

/*
 * Finds the entry of a question; NULL = none.  The cursor is left behind the
 * arguments.  Under the partition's lock.
 */
static Entry *
find(const RtcL1Question *q, Cursor *c)
{
	Entry	   *e;

	for (BlockNo no = first_of(q->hash);
		 (e = find_key(no, q->hash, q->key, q->keylen, c)) != NULL;
		 no = e->collision)
	{
		if (is_about(e, q, c))
			return e;
	}
	return NULL;
}

/* Was it stored with these versions? */
static inline bool
same_versions(Entry *e, const RtcStampRead *stamps)
{
	Cursor		c;

	cursor_begin(&c, e);
	return e->nstamps == stamps->n &&
		cursor_equals(&c, stamps->version, stamps->n * sizeof(uint64)) &&
		cursor_equals(&c, stamps->bucket, stamps->n * sizeof(uint32));
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
		pg_atomic_write_u32(&e->visited, VISITED_HIT);
	if (ttl_ms != NULL)
		*ttl_ms = left < 0 ? -1 : left / 1000;
	return true;
}

/*
 * Tells by which stamps an entry has ended, the first time that this is found.
 * Under the partition's lock, shared.
 */
static void
take_ended(Entry *e, const RtcStampRead *stamps, RtcStampRead *ended)
{
	Cursor		c;

	if (e->dropped || e->nstamps != stamps->n ||
		(pg_atomic_fetch_or_u32(&e->visited, VISITED_ENDED) &
		 VISITED_ENDED) != 0)
		return;
	ended->n = e->nstamps;
	cursor_begin(&c, e);
	cursor_get(&c, ended->version, ended->n * sizeof(uint64));
	cursor_get(&c, ended->bucket, ended->n * sizeof(uint32));
}

bool
rtc_l1_get(const RtcL1Question *q, const RtcStampRead *stamps,
		   Jsonb **answer, RtcL1Found *found)
{
	LWLock	   *lock = partition_lock(partition_of(q->hash));
	Cursor		c;
	Entry	   *e;
	bool		hit = false;

	found->ended.n = 0;
	LWLockAcquire(lock, LW_SHARED);
	e = find(q, &c);
	if (e != NULL && same_versions(e, stamps))
	{
		found->computed_us = e->computed_us;
		found->losses = e->losses;
		cursor_skip(&c, e->privlen);
		hit = take(e, &c, answer, &found->ttl_ms);
	}
	else if (e != NULL)
		take_ended(e, stamps, &found->ended);
	LWLockRelease(lock);
	return hit;
}

bool
rtc_l1_peek(RtcDep hash, const char *key, uint32 keylen, char **privileges,
			Jsonb **answer, int64 *ttl_ms)
{
	LWLock	   *lock = partition_lock(partition_of(hash));
	Cursor		c;
	Entry	   *e;
	bool		hit = false;
	int64		now = rtc_clock_us();

	LWLockAcquire(lock, LW_SHARED);
	e = find_key(first_of(hash), hash, key, keylen, &c);
	while (e != NULL && rtc_l1_is_dead(e, now))
		e = find_key(e->collision, hash, key, keylen, &c);
	if (e != NULL)
	{
		/* the arguments, whatever they are, are in the way */
		cursor_skip(&c, e->argslen);
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

/* Writes an entry into its blocks, which nobody else sees yet. */
static void
write_entry(Entry *e, const RtcL1Question *q, const RtcStampRead *stamps,
			const Jsonb *answer, int64 ttl_ms, const RtcL1Note *note)
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
	e->computed_us = note->computed_us;
	e->losses = note->losses;
	e->dropped = note->dropped;
	pg_atomic_init_u32(&e->visited, 0);
	e->nstamps = stamps->n;
	e->one_row = q->one_row;

	cursor_begin(&c, e);
	cursor_put(&c, stamps->version, stamps->n * sizeof(uint64));
	cursor_put(&c, stamps->bucket, stamps->n * sizeof(uint32));
	cursor_put(&c, q->key, q->keylen);
	cursor_put(&c, q->args, q->argslen);
	cursor_put(&c, q->privileges, e->privlen);
	cursor_put(&c, answer, e->valuelen);
}

/*
 * Takes entries of the key of a new one out of table and list: that of the same
 * question, those that nobody can use, and one more if there are too many.  Returns
 * their number; *live: that last one could have been used.  Under the partition's
 * lock, exclusive.
 */
static int
make_room(Partition *p, const RtcL1Question *q, BlockNo gone[MAX_ANSWERS],
		  bool *live)
{
	int64		now = rtc_clock_us();
	int			ngone = 0;
	int			nstay = 0;
	BlockNo		victim = 0;
	Cursor		c;
	Entry	   *e;
	BlockNo		next;

	*live = false;
	for (BlockNo no = first_of(q->hash);
		 (e = find_key(no, q->hash, q->key, q->keylen, &c)) != NULL; no = next)
	{
		next = e->collision;
		if (is_about(e, q, &c) || rtc_l1_is_dead(e, now))
		{
			gone[ngone++] = block_no(e);
			rtc_l1_remove(p, block_no(e));
			continue;
		}
		nstay++;
		if (victim == 0 || pg_atomic_read_u32(&e->visited) == 0 ||
			pg_atomic_read_u32(&entry(victim)->visited) != 0)
			victim = block_no(e);
	}
	if (nstay == MAX_ANSWERS)
	{
		*live = true;
		gone[ngone++] = victim;
		rtc_l1_remove(p, victim);
	}
	return ngone;
}

RtcL1Stored
rtc_l1_store(const RtcL1Question *q, const RtcStampRead *stamps,
			 const Jsonb *answer, int64 ttl_ms, const RtcL1Note *note)
{
	uint32		n = partition_of(q->hash);
	Partition  *p = &rtc_l1->partition[n];
	Size		size = ENTRY_HEADER + STAMPS_SIZE(stamps->n) + q->keylen +
	q->argslen + strlen(q->privileges) + 1 + (answer != NULL ? VARSIZE(answer) : 0);
	Size		nblocks = 1;
	BlockNo		first;
	BlockNo		last = 0;
	Entry	   *e;
	BlockNo		gone[MAX_ANSWERS];
	int			ngone;
	bool		live;

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
		return RTC_L1_REFUSED;
	}

	e = entry(first);
	e->last = last;
	e->nblocks = nblocks;
	write_entry(e, q, stamps, answer, ttl_ms, note);

	LWLockAcquire(partition_lock(n), LW_EXCLUSIVE);
	RTC_INJECT("l1_store_locked");
	ngone = make_room(p, q, gone, &live);
	rtc_l1_insert(p, first);
	LWLockRelease(partition_lock(n));

	for (int i = 0; i < ngone; i++)
		rtc_l1_free_entry(gone[i]);
	return live ? RTC_L1_CONFLICT : RTC_L1_STORED;
}
