/*-------------------------------------------------------------------------
 *
 * l1_internal.h
 *		How the cache in shared memory is laid out.  See l1.c.
 *
 * Private to l1.c, blocks.c and l1_view.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_L1_INTERNAL_H
#define RTC_L1_INTERNAL_H

#include "postgres.h"

#include "port/atomics.h"

#include "l1/l1.h"

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
 * dependencies, key, arguments, privileges, answer.  Nothing but "visited" changes while
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
	int64		expires_at;		/* rtc_clock_us(); 0 = never */
	Oid			dboid;
	uint32		keylen;
	uint32		argslen;
	uint32		privlen;		/* of the privileges, NUL included */
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

typedef struct RtcL1
{
	uint32		nblocks;
	uint32		head_mask;		/* number of hash buckets - 1 */
	BlockNo    *heads;			/* hash buckets, behind the struct */
	char	   *blocks;			/* behind these */
	pg_atomic_uint32 turn;		/* whose hand moves next */

	/* Under the pool's lock. */
	BlockNo		free;
	uint32		nfree;			/* in that list */
	uint32		nunused;		/* blocks at the end never used so far */
	uint64		nrefused;		/* entries for which there was no room */

	Partition	partition[RTC_L1_PARTITIONS];
	/* hash buckets (BlockNo) and blocks follow */
} RtcL1;

extern RtcL1 *rtc_l1;			/* NULL = off, or not preloaded */
extern LWLockPadded *rtc_l1_locks;

#define block(no) ((Block *) (rtc_l1->blocks + ((Size) (no) - 1) * BLOCK_SIZE))
#define entry(no) ((Entry *) block(no))
#define partition_of(hash) ((uint32) (hash) % RTC_L1_PARTITIONS)
#define partition_lock(n) (&rtc_l1_locks[n].lock)
#define pool_lock (&rtc_l1_locks[RTC_L1_PARTITIONS].lock)

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

static inline void
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

/* ---- blocks.c; none of these may be called under a lock of ours, but ... ---- */

/* Gets n blocks, evicting what it takes; 0 = not to be had. */
extern BlockNo rtc_l1_get_chain(uint32 n, BlockNo *last);

/* Gives a chain back. */
extern void rtc_l1_free_chain(BlockNo first, BlockNo last, uint32 n);

/*
 * ... these, under that of the partition (exclusive to remove).  "where" is what
 * points to the entry, if known.
 */
extern void rtc_l1_remove(Partition *p, BlockNo no, BlockNo *where);

/* Can nobody use the entry any more? */
extern bool rtc_l1_is_dead(Entry *e, int64 now);

#endif							/* RTC_L1_INTERNAL_H */
