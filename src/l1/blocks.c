/*-------------------------------------------------------------------------
 *
 * blocks.c
 *		The memory of the cache in shared memory: its blocks, and eviction.
 *
 * Memory is a fixed number of blocks of one size.  An entry is a chain of as many
 * as it needs.  So there is no fragmentation: as long as enough entries can be
 * evicted there is room for the next one, whatever the sizes.
 *
 * Eviction is that of SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI
 * 2024).  Entries stay in the order in which they came.  A hand moves from the
 * oldest towards the newest, spares those that were hit since it last came by,
 * and evicts the first that was not.  A hit only sets a flag, if it is not set.
 * An entry that has expired, or whose versions have moved, is not spared.  Each
 * partition has a hand of its own, and they take turns.
 *
 * SIEVE bounds the steps of the hand on average, since each step takes back the
 * flag of a hit.  But after a time of hits and no evictions one pass may be as
 * long as the list, and nobody can use a partition while its hand moves.  So a
 * hand moves at most MAX_SPARED entries at a time.  It stays where it got to, and
 * another partition's hand has to find a victim.  If none finds one, more than
 * RTC_L1_PARTITIONS * MAX_SPARED entries were hit since the hands last came by.
 * Then one of these goes.  It matters only for speed which entry goes.
 *
 * Model: any backend, at any time.  Each partition has an LWLock: shared to read,
 * exclusive to insert and to evict.  The pool of free blocks has another one.  No
 * two of them are held together, and nothing happens under them that could take
 * long or raise.  Blocks on their way from one place to another belong to the
 * process that moves them; it cannot be interrupted there.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "base/clock.h"
#include "guc.h"
#include "l1/blocks.h"

/* Entries that a hand spares while it holds its partition's lock. */
#define MAX_SPARED		32

RtcL1	   *rtc_l1 = NULL;
LWLockPadded *rtc_l1_locks;

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
	.nlocks = RTC_L1_PARTITIONS + 1,
	.init = init
};

/* ---------------- free blocks ---------------- */

/* Gives a chain of n blocks back. */
static void
free_chain(BlockNo first, BlockNo last, uint32 n)
{
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	block(last)->next = rtc_l1->free;
	rtc_l1->free = first;
	rtc_l1->nfree += n;
	LWLockRelease(pool_lock);
}

void
rtc_l1_free_entry(BlockNo no)
{
	free_chain(no, entry(no)->last, entry(no)->nblocks);
}

/* Adds free blocks to a chain until it has n.  Returns how many it has then. */
static uint32
take_free(BlockNo *first, BlockNo *last, uint32 has, uint32 n)
{
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	while (has < n)
	{
		BlockNo		no = rtc_l1->free;

		if (no != 0)
		{
			rtc_l1->free = block(no)->next;
			rtc_l1->nfree--;
		}
		else if (rtc_l1->nunused > 0)
			no = rtc_l1->nblocks - --rtc_l1->nunused;
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

/* ---------------- table and list ---------------- */

/* Where the hash bucket of an entry begins. */
static BlockNo *
head_of(Entry *e)
{
	return &rtc_l1->heads[(uint32) e->hash & rtc_l1->head_mask];
}

void
rtc_l1_insert(Partition *p, BlockNo no)
{
	Entry	   *e = entry(no);
	BlockNo    *head = head_of(e);

	e->collision = *head;
	*head = no;
	e->newer = 0;
	e->older = p->newest;
	if (p->newest != 0)
		entry(p->newest)->newer = no;
	else
		p->oldest = no;
	p->newest = no;
	p->nentries++;
	p->nstored++;
}

void
rtc_l1_remove(Partition *p, BlockNo no)
{
	Entry	   *e = entry(no);
	BlockNo    *where = head_of(e);

	while (*where != no)
		where = &entry(*where)->collision;
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

bool
rtc_l1_is_dead(Entry *e, int64 now)
{
	RtcStampRead stamps;
	Cursor		c;

	if (e->expires_at != 0 && e->expires_at <= now)
		return true;
	stamps.n = e->nstamps;
	cursor_begin(&c, e);
	cursor_get(&c, stamps.version, stamps.n * sizeof(uint64));
	cursor_get(&c, stamps.bucket, stamps.n * sizeof(uint32));
	return !rtc_stamp_read_valid(&stamps);
}

/* ---------------- eviction ---------------- */

/*
 * Moves the hand of a partition that has entries.  Returns the entry to evict, or
 * 0 if the hand has spared so many.  Under the partition's lock, exclusive.
 */
static BlockNo
move_hand(Partition *p, int max_spared, int64 now)
{
	BlockNo		no = p->hand != 0 ? p->hand : p->oldest;

	for (int i = 0; i < max_spared; i++)
	{
		if (pg_atomic_read_u32(&entry(no)->visited) == 0 ||
			rtc_l1_is_dead(entry(no), now))
			return no;
		pg_atomic_write_u32(&entry(no)->visited, 0);
		entry(no)->survived++;
		no = entry(no)->newer != 0 ? entry(no)->newer : p->oldest;
		p->hand = no;
	}
	return max_spared > 0 ? 0 : no;
}

/*
 * Evicts one entry of the partition whose turn it is, or of the next that has
 * one to give up.  False = there is nothing left.
 */
static bool
evict_one(void)
{
	int64		now = rtc_clock_us();

	for (int i = 0; i < 2 * RTC_L1_PARTITIONS; i++)
	{
		uint32		n = pg_atomic_fetch_add_u32(&rtc_l1->turn, 1) %
		RTC_L1_PARTITIONS;
		Partition  *p = &rtc_l1->partition[n];
		BlockNo		victim = 0;

		LWLockAcquire(partition_lock(n), LW_EXCLUSIVE);
		/* The second time around nobody is spared. */
		if (p->nentries > 0)
			victim = move_hand(p, i < RTC_L1_PARTITIONS ? MAX_SPARED : 0, now);
		if (victim != 0)
		{
			p->hand = victim;
			rtc_l1_remove(p, victim);
			p->nevicted++;
		}
		LWLockRelease(partition_lock(n));

		if (victim != 0)
		{
			rtc_l1_free_entry(victim);
			return true;
		}
	}
	return false;
}

BlockNo
rtc_l1_get_chain(uint32 n, BlockNo *last)
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
