/*-------------------------------------------------------------------------
 *
 * blocks.h
 *		The memory of the cache in shared memory.  See blocks.c.
 *
 * For the wing l1 only.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_BLOCKS_H
#define RTC_BLOCKS_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/lwlock.h"

#include "base/shared.h"
#include "dep/dep.h"
#include "dep/stamps.h"

#define RTC_L1_PARTITIONS	128

/* Bytes, a multiple of a cache line: an answer of 100 bytes takes two or three. */
#define BLOCK_SIZE		192

/* No entry takes more than this part of the budget. */
#define FAIR_SHARE		16

typedef uint32 BlockNo;			/* 0 = none; the first is 1 */

typedef struct Block
{
	BlockNo		next;			/* of the same entry, or in the free list */
	char		payload[BLOCK_SIZE - sizeof(BlockNo)];
} Block;

/* What readers note of an entry, since the hand came by. */
#define VISITED_HIT		1		/* it was a hit */
#define VISITED_ENDED	2		/* somebody was told that it has ended */

/*
 * The first block of an entry.  Behind the fields, and on through the chain:
 * versions and buckets of its stamps, key, arguments, privileges, answer.  While
 * it is in the table, nothing but "visited" changes, except under the exclusive
 * lock of its partition.
 */
typedef struct Entry
{
	BlockNo		next;			/* as in Block */
	BlockNo		last;			/* end of the chain */
	BlockNo		collision;		/* next in the same hash bucket */
	BlockNo		newer;			/* neighbours in the order of coming */
	BlockNo		older;
	uint32		nblocks;
	RtcDep		hash;			/* of database and key */
	RtcQueryId	id;
	int64		expires_at;		/* rtc_clock_us(); 0 = never */
	Oid			dboid;
	uint32		keylen;
	uint32		argslen;
	uint32		privlen;		/* of the privileges, NUL included */
	uint32		valuelen;		/* 0 = the query returned no row */
	uint32		survived;		/* times that the hand has spared it */
	uint32		computed_us;	/* microseconds that the answer has taken */
	uint32		losses;			/* see RtcL1Note */
	pg_atomic_uint32 visited;	/* VISITED_* */
	uint8		nstamps;
	bool		one_row;		/* the answer of cache_get, not cache_list */
	bool		dropped;		/* see RtcL1Note */
	char		payload[FLEXIBLE_ARRAY_MEMBER];
} Entry;

#define ENTRY_HEADER	offsetof(Entry, payload)

/* Bytes that n stamps take in the payload. */
#define STAMPS_SIZE(n)	((n) * (sizeof(uint64) + sizeof(uint32)))

StaticAssertDecl(ENTRY_HEADER < BLOCK_SIZE,
				 "header of an entry must fit into a block");

/* Under the partition's lock. */
typedef struct Partition
{
	BlockNo		newest;
	BlockNo		oldest;
	BlockNo		hand;			/* where it stopped; 0 = at the oldest */
	uint32		nentries;
	uint64		nevicted;		/* entries, ever */
	uint64		nstored;		/* entries, ever */
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
} RtcL1;

extern RtcL1 *rtc_l1;			/* NULL = off, or not preloaded */
extern LWLockPadded *rtc_l1_locks;	/* of each partition, and of the pool */

extern const RtcSharedRoom rtc_l1_room;

#define block(no) ((Block *) (rtc_l1->blocks + ((Size) (no) - 1) * BLOCK_SIZE))
#define entry(no) ((Entry *) block(no))
#define block_no(e) ((BlockNo) (((char *) (e) - rtc_l1->blocks) / BLOCK_SIZE + 1))
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

/* What is done with bytes that a cursor passes. */
typedef enum CursorOp
{
	CURSOR_SKIP,
	CURSOR_GET,
	CURSOR_PUT,
	CURSOR_COMPARE
} CursorOp;

/* Moves a cursor on.  False, if comparing: the bytes differ. */
static pg_attribute_always_inline bool
cursor_pass(Cursor *c, CursorOp op, void *data, size_t len)
{
	char	   *p = data;

	while (len > 0)
	{
		size_t		n = cursor_span(c, len);

		if (op == CURSOR_GET)
			memcpy(p, c->pos, n);
		else if (op == CURSOR_PUT)
			memcpy(c->pos, p, n);
		else if (op == CURSOR_COMPARE && memcmp(c->pos, p, n) != 0)
			return false;
		if (op != CURSOR_SKIP)
			p += n;
		c->pos += n;
		len -= n;
	}
	return true;
}

#define cursor_skip(c, len) ((void) cursor_pass(c, CURSOR_SKIP, NULL, len))
#define cursor_get(c, data, len) ((void) cursor_pass(c, CURSOR_GET, data, len))
#define cursor_put(c, data, len) \
	((void) cursor_pass(c, CURSOR_PUT, (void *) (data), len))
#define cursor_equals(c, data, len) \
	cursor_pass(c, CURSOR_COMPARE, (void *) (data), len)

/*
 * Gets a chain of n blocks, evicting what it takes.  0 = not to be had.  No lock
 * of this wing may be held.
 */
extern BlockNo rtc_l1_get_chain(uint32 n, BlockNo *last);

/* Gives the chain of an entry back.  No lock of this wing may be held. */
extern void rtc_l1_free_entry(BlockNo no);

/*
 * Puts an entry into table and list.  Under the exclusive lock of its partition.
 */
extern void rtc_l1_insert(Partition *p, BlockNo no);

/*
 * Takes an entry out of table and list; the caller then owns its blocks.  Under
 * the exclusive lock of its partition.
 */
extern void rtc_l1_remove(Partition *p, BlockNo no);

/*
 * Can nobody use the entry, now or ever?  now: rtc_clock_us().  Under the lock of
 * its partition.
 */
extern bool rtc_l1_is_dead(Entry *e, int64 now);

#endif							/* RTC_BLOCKS_H */
