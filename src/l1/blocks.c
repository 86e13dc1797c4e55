/*-------------------------------------------------------------------------
 *
 * blocks.c
 *		The blocks of the cache in shared memory, and who has to give them up.
 *
 * Eviction is that of SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI
 * 2024): entries stay in the order in which they came; a hand moves from the
 * oldest towards the newest, spares those that were hit since it last came
 * by, and evicts the first that was not.  A hit only sets a flag, and only if
 * it is not set.  An entry that has expired, or whose versions have moved, is
 * not spared.  Each partition has a hand of its own, and they take turns.
 *
 * SIEVE bounds the steps of the hand on average, since each step takes back the
 * flag of a hit; but after a time of hits and no evictions one pass may be as long
 * as the list.  Nobody can use a partition while its hand moves, so a hand moves at
 * most MAX_SPARED entries at a time.  It stays where it got to, and another
 * partition's hand has to find a victim.  If none finds one, more than
 * RTC_L1_PARTITIONS * MAX_SPARED entries were hit since the hands last came by, and
 * there is hardly anything else: then one of these goes.  Which entry goes is a
 * question of speed only.
 *
 * MODEL: as l1.c.  Blocks on their way from one place to another belong to the
 * process that moves them; it cannot be interrupted there.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "l1/l1.h"
#include "l1/l1_internal.h"

/* Entries that a hand spares while it holds its partition's lock. */
#define MAX_SPARED		32

/* Gives a chain back.  The pool's lock must not be held. */
void
rtc_l1_free_chain(BlockNo first, BlockNo last, uint32 n)
{
	LWLockAcquire(pool_lock, LW_EXCLUSIVE);
	block(last)->next = rtc_l1->free;
	rtc_l1->free = first;
	rtc_l1->nfree += n;
	LWLockRelease(pool_lock);
}

/* Adds free blocks to a chain until it has n; how many it has then. */
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

/*
 * Takes an entry out of table and list; its blocks are the caller's then.
 * Under the partition's lock, exclusive.
 */
void
rtc_l1_remove(Partition *p, BlockNo no, BlockNo *where)
{
	Entry	   *e = entry(no);

	if (where == NULL)
	{
		where = &rtc_l1->heads[(uint32) e->hash & rtc_l1->head_mask];
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
bool
rtc_l1_is_dead(Entry *e, int64 now)
{
	Cursor		c;
	Dep			dep;

	if (e->expires_at != 0 && e->expires_at <= now)
		return true;
	cursor_begin(&c, e);
	for (int i = 0; i < e->ndeps; i++)
	{
		cursor_get(&c, &dep, sizeof(dep));
		if (rtc_stamp_version(dep.bucket) != dep.version)
			return true;
	}
	return false;
}

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
			rtc_l1_remove(p, victim, NULL);
			p->nevicted++;
		}
		LWLockRelease(partition_lock(n));

		if (victim != 0)
		{
			rtc_l1_free_chain(victim, entry(victim)->last, entry(victim)->nblocks);
			return true;
		}
	}
	return false;
}

/* Gets n blocks, evicting what it takes; 0 = not to be had. */
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
		rtc_l1_free_chain(first, *last, has);
	return 0;
}
