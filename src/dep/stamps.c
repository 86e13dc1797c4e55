/*-------------------------------------------------------------------------
 *
 * stamps.c
 *		Dependency buckets: who wrote what, seen without locks.
 *
 * A bucket stands for all dependencies that hash to it.  A writer does, in
 * this order:
 *
 *		PRE_COMMIT	pending++
 *					... commit record, visible to others ...
 *		COMMIT		last_lsn = max(last_lsn, end of commit record), if Redis
 *					has to be told; commit_lsn likewise, in any case
 *					version++
 *					pending--
 *
 * A reader takes pending first and version second, and bypasses the caches
 * when pending is not zero.  So a reader that has seen no writer takes a
 * version that every writer who was visible by then has moved, and a
 * snapshot taken behind it sees their rows.  With the two reads swapped, a
 * writer may fit in between; spec/coherence.pml shows the wrong read.
 *
 * Prepared transactions outlive their backend.  Their buckets stay pending,
 * and a slot remembers them until the relay finds the transaction over.  A
 * set too large for a slot is exchanged for the bucket of the database, on
 * which every reader depends as well.
 *
 * Model: all in shared memory, atomics only.  The set of touched buckets is
 * private: a list while it is small, then a bitmap, so that a transaction of
 * any size has a bounded set.  Touching and PRE_PREPARE may raise, nothing
 * else does or allocates.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "base/inject.h"
#include "base/wal_bounds.h"
#include "base/work.h"
#include "base/xid.h"
#include "dep/stamps.h"
#include "guc.h"

/*
 * One bucket.  Many dependencies may share one, which costs a hit and never
 * an answer.
 */
typedef struct RtcBucket
{
	pg_atomic_uint64 version;	/* moved by every write */
	pg_atomic_uint64 last_lsn;	/* end of the newest commit record that Redis
								 * has to be told of */
	pg_atomic_uint64 commit_lsn;	/* of the newest one, whether or not */
	pg_atomic_uint32 pending;	/* writers between PRE_COMMIT and COMMIT */
	pg_atomic_uint32 watchers;	/* answers that wait for the next write */
} RtcBucket;

/* Buckets a prepared transaction keeps pending; more: its database's. */
#define RTC_PREPARED_BUCKETS 60

/* A prepared transaction, or one that is about to be.  xid 0 = free. */
typedef struct RtcPreparedSlot
{
	pg_atomic_uint32 xid;		/* owner; whoever swaps it to 0 settles */
	uint32		nbuckets;		/* valid while xid is set */
	uint32		bucket[RTC_PREPARED_BUCKETS];
} RtcPreparedSlot;

typedef struct RtcStamps
{
	pg_atomic_uint32 gate_open; /* the relay's */
	uint32		bucket_mask;	/* number of buckets - 1 */
	int			nprepared;		/* prepared slots */
	RtcBucket  *bucket;			/* both arrays lie behind the struct */
	RtcPreparedSlot *prepared;
} RtcStamps;

static RtcStamps *shared = NULL;

/* Above this many buckets the set becomes a bitmap. */
#define RTC_MAX_LISTED	1024

/* Buckets that the current transaction has touched. */
typedef struct RtcTouched
{
	bool		raised;			/* pending was raised for all of them */
	int			n;				/* listed buckets, when bits is NULL */
	int			max;
	uint32	   *bucket;
	uint8	   *bits;			/* one bit for each bucket of the server */
	RtcPreparedSlot *slot;		/* between PRE_PREPARE and PREPARE */
	TransactionId slot_xid;		/* what we entered there */
} RtcTouched;

static RtcTouched touched;

static void settle(uint32 bucket, XLogRecPtr lsn, bool logged);
static XLogRecPtr newest_lsn(const RtcStampRead *read, bool logged);
static void raise_pending(uint32 bucket);
static void lower_pending(uint32 bucket);
static bool next_touched(int *pos, uint32 *bucket);
static RtcPreparedSlot *claim_slot(TransactionId xid);
static bool settle_slot(RtcPreparedSlot *slot, TransactionId xid,
						XLogRecPtr lsn);

static uint32
bucket_count(void)
{
	return pg_nextpower2_32(rtc_stamp_buckets);
}

/* Every backend may be between PRE_PREPARE and PREPARE. */
static int
prepared_slots(void)
{
	return max_prepared_xacts + MaxBackends;
}

static Size
compute_size(void)
{
	Size		size = MAXALIGN(sizeof(RtcStamps));

	size = add_size(size, MAXALIGN(mul_size(bucket_count(),
											sizeof(RtcBucket))));
	return add_size(size, mul_size(prepared_slots(), sizeof(RtcPreparedSlot)));
}

static void
init(void)
{
	pg_atomic_init_u32(&shared->gate_open, 0);
	shared->bucket_mask = bucket_count() - 1;
	shared->nprepared = prepared_slots();
	shared->bucket = (RtcBucket *) ((char *) shared +
									MAXALIGN(sizeof(RtcStamps)));
	shared->prepared = (RtcPreparedSlot *)
		((char *) shared->bucket +
		 MAXALIGN(mul_size(bucket_count(), sizeof(RtcBucket))));
	for (uint32 i = 0; i <= shared->bucket_mask; i++)
	{
		pg_atomic_init_u64(&shared->bucket[i].version, 0);
		pg_atomic_init_u64(&shared->bucket[i].last_lsn, InvalidXLogRecPtr);
		pg_atomic_init_u64(&shared->bucket[i].commit_lsn, InvalidXLogRecPtr);
		pg_atomic_init_u32(&shared->bucket[i].pending, 0);
		pg_atomic_init_u32(&shared->bucket[i].watchers, 0);
	}
	for (int i = 0; i < shared->nprepared; i++)
		pg_atomic_init_u32(&shared->prepared[i].xid, InvalidTransactionId);
}

const RtcSharedRoom rtc_stamps_room = {
	.name = "rtcache_stamps",
	.place = &shared,
	.compute_size = compute_size,
	.init = init
};

uint32
rtc_stamp_bucket(RtcDep dep)
{
	return (uint32) dep & shared->bucket_mask;
}

/* ---------------- readers ---------------- */

void
rtc_stamp_read_add(RtcStampRead *read, uint32 bucket)
{
	if (read->n >= RTC_MAX_READ_DEPS)
		elog(ERROR, "too many cache dependencies");
	read->bucket[read->n++] = bucket;
}

bool
rtc_stamp_read_take(RtcStampRead *read)
{
	bool		quiet = true;

	for (int i = 0; i < read->n; i++)
	{
		RtcBucket  *b = &shared->bucket[read->bucket[i]];

		if (pg_atomic_read_u32(&b->pending) != 0)
			quiet = false;
		RTC_INJECT("pending_read");
		pg_read_barrier();
		read->version[i] = pg_atomic_read_u64(&b->version);
	}
	pg_read_barrier();
	return quiet;
}

bool
rtc_stamp_read_valid(const RtcStampRead *read)
{
	pg_read_barrier();
	for (int i = 0; i < read->n; i++)
		if (!rtc_stamp_holds(read->bucket[i], read->version[i]))
			return false;
	return true;
}

bool
rtc_stamp_holds(uint32 bucket, uint64 version)
{
	RtcBucket  *b = &shared->bucket[bucket];

	if (pg_atomic_read_u32(&b->pending) != 0)
		return false;
	pg_read_barrier();
	return pg_atomic_read_u64(&b->version) == version;
}

uint64
rtc_stamp_version(uint32 bucket)
{
	return pg_atomic_read_u64(&shared->bucket[bucket].version);
}

void
rtc_stamp_watch(uint32 bucket, int32 n)
{
	pg_atomic_fetch_add_u32(&shared->bucket[bucket].watchers, n);
}

bool
rtc_gate_is_open(void)
{
	return rtc_preloaded && pg_atomic_read_u32(&shared->gate_open) != 0;
}

XLogRecPtr
rtc_stamp_read_lsn(const RtcStampRead *read)
{
	return newest_lsn(read, true);
}

XLogRecPtr
rtc_stamp_read_commit(const RtcStampRead *read)
{
	return newest_lsn(read, false);
}

/* ---------------- the writer ---------------- */

void
rtc_stamp_touch(uint32 bucket)
{
	if (touched.slot != NULL)
	{
		/* another PRE_PREPARE callback behind ours: the slot has the set */
		RtcPreparedSlot *slot = touched.slot;

		if (slot->nbuckets == RTC_PREPARED_BUCKETS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many writes to the cache while a transaction is being prepared")));
		raise_pending(bucket);
		slot->bucket[slot->nbuckets++] = bucket;
		return;
	}

	if (touched.bits == NULL)
	{
		/* rows of a statement often touch the same few in turn */
		for (int i = touched.n - 1; i >= 0 && i >= touched.n - 4; i--)
			if (touched.bucket[i] == bucket)
				return;
		if (touched.n == touched.max && touched.max < RTC_MAX_LISTED)
		{
			int			max = touched.max ? 2 * touched.max : 16;

			touched.bucket = touched.bucket == NULL
				? MemoryContextAlloc(TopTransactionContext, max * sizeof(uint32))
				: repalloc(touched.bucket, max * sizeof(uint32));
			touched.max = max;
		}
		if (touched.n < touched.max)
		{
			touched.bucket[touched.n++] = bucket;
			if (touched.raised)
				raise_pending(bucket);
			return;
		}

		/* too many: from now on a bitmap */
		touched.bits = MemoryContextAllocZero(TopTransactionContext,
											  shared->bucket_mask / 8 + 1);
		for (int i = 0; i < touched.n; i++)
		{
			uint32		b = touched.bucket[i];
			bool		again = (touched.bits[b / 8] & (1 << b % 8)) != 0;

			touched.bits[b / 8] |= 1 << b % 8;
			if (again && touched.raised)
				lower_pending(b);
		}
	}

	if ((touched.bits[bucket / 8] & (1 << bucket % 8)) == 0)
	{
		touched.bits[bucket / 8] |= 1 << bucket % 8;
		if (touched.raised)
			raise_pending(bucket);
	}
}

/*
 * Marks the buckets pending.  What is touched later is marked at once.
 */
void
rtc_stamp_raise(void)
{
	uint32		bucket;

	if (!rtc_preloaded || touched.raised)
		return;
	for (int pos = 0; next_touched(&pos, &bucket);)
		raise_pending(bucket);
	touched.raised = true;

	/* before the commit record can become visible */
	pg_memory_barrier();
}

void
rtc_stamp_commit(XLogRecPtr commit_lsn, bool logged)
{
	uint32		bucket;

	if (touched.raised)
		for (int pos = 0; next_touched(&pos, &bucket);)
			settle(bucket, commit_lsn, logged);
	memset(&touched, 0, sizeof(touched));
}

void
rtc_stamp_abort(void)
{
	uint32		bucket;

	/*
	 * After an error behind PRE_PREPARE the slot and this backend both own
	 * the pending counts; whoever frees the slot lowers them.
	 */
	if (touched.slot != NULL)
		(void) settle_slot(touched.slot, touched.slot_xid,
						   InvalidXLogRecPtr);
	else if (touched.raised)
		for (int pos = 0; next_touched(&pos, &bucket);)
			lower_pending(bucket);
	memset(&touched, 0, sizeof(touched));
}

void
rtc_stamp_pre_prepare(TransactionId xid)
{
	RtcPreparedSlot *slot;
	uint32		bucket;
	int			n = 0;

	if (!rtc_preloaded || !touched.raised)
		return;
	slot = claim_slot(xid);

	for (int pos = 0; next_touched(&pos, &bucket); n++)
		if (n < RTC_PREPARED_BUCKETS)
			slot->bucket[n] = bucket;
	if (n > RTC_PREPARED_BUCKETS)
	{
		slot->bucket[0] = rtc_stamp_bucket(rtc_dep_database());
		raise_pending(slot->bucket[0]);
		for (int pos = 0; next_touched(&pos, &bucket);)
			lower_pending(bucket);
		n = 1;
	}
	slot->nbuckets = n;
	pg_write_barrier();
	pg_atomic_write_u32(&slot->xid, xid);
	touched.slot = slot;
	touched.slot_xid = xid;
}

void
rtc_stamp_prepare(void)
{
	memset(&touched, 0, sizeof(touched));
}

bool
rtc_stamp_prepared(void)
{
	if (!rtc_preloaded)
		return false;

	/* those from before the start have no slot */
	if (!rtc_gate_is_open())
		return true;
	for (int i = 0; i < shared->nprepared; i++)
		if (pg_atomic_read_u32(&shared->prepared[i].xid) != InvalidTransactionId &&
			shared->prepared[i].nbuckets > 0)
			return true;
	return false;
}

/* ---------------- the relay ---------------- */

void
rtc_gate_open(void)
{
	pg_atomic_write_u32(&shared->gate_open, 1);
}

int
rtc_stamp_settle(TransactionId xid, XLogRecPtr lsn)
{
	int			left = 0;

	for (int i = 0; i < shared->nprepared; i++)
	{
		RtcPreparedSlot *slot = &shared->prepared[i];
		TransactionId owner = pg_atomic_read_u32(&slot->xid);

		if (!TransactionIdIsNormal(owner))
			continue;
		if ((TransactionIdIsValid(xid) && owner != xid) ||
			rtc_xid_in_progress(owner))
			left++;
		else
			(void) settle_slot(slot, owner, XLogRecPtrIsInvalid(lsn)
							   ? rtc_wal_insert_end() : lsn);
	}
	return left;
}

/* ---------------- parts ---------------- */

/*
 * Makes a writer's end known: LSNs and version first, pending last, so that a
 * reader who sees no writer sees these.
 */
static void
settle(uint32 bucket, XLogRecPtr lsn, bool logged)
{
	RtcBucket  *b = &shared->bucket[bucket];

	if (logged)
		rtc_raise_lsn(&b->last_lsn, lsn);
	rtc_raise_lsn(&b->commit_lsn, lsn);
	pg_atomic_fetch_add_u64(&b->version, 1);
	RTC_INJECT("bucket_moved");
	lower_pending(bucket);
	/* behind the version; see watched.c */
	if (pg_atomic_read_u32(&b->watchers) != 0)
		rtc_work_stir();
}

static XLogRecPtr
newest_lsn(const RtcStampRead *read, bool logged)
{
	XLogRecPtr	newest = InvalidXLogRecPtr;

	for (int i = 0; i < read->n; i++)
	{
		RtcBucket  *b = &shared->bucket[read->bucket[i]];
		XLogRecPtr	lsn = pg_atomic_read_u64(logged ? &b->last_lsn :
											 &b->commit_lsn);

		newest = Max(newest, lsn);
	}
	return newest;
}

static void
raise_pending(uint32 bucket)
{
	pg_atomic_fetch_add_u32(&shared->bucket[bucket].pending, 1);
}

static void
lower_pending(uint32 bucket)
{
	pg_atomic_fetch_sub_u32(&shared->bucket[bucket].pending, 1);
}

/*
 * Iterates over the touched set.  The list may hold a bucket twice, the
 * bitmap does not; both are walked the same way each time, so counts agree.
 */
static bool
next_touched(int *pos, uint32 *bucket)
{
	if (touched.bits == NULL)
	{
		if (*pos >= touched.n)
			return false;
		*bucket = touched.bucket[(*pos)++];
		return true;
	}
	while (*pos <= shared->bucket_mask)
	{
		int			i = (*pos)++;

		if (i % 8 == 0 && touched.bits[i / 8] == 0)
			*pos += 7;
		else if (touched.bits[i / 8] & (1 << i % 8))
		{
			*bucket = i;
			return true;
		}
	}
	return false;
}

/*
 * Finds a free slot and reserves it by FrozenTransactionId, which no
 * transaction has.
 */
static RtcPreparedSlot *
claim_slot(TransactionId xid)
{
	for (int round = 0; round < 2; round++)
	{
		for (int i = 0; i < shared->nprepared; i++)
		{
			RtcPreparedSlot *slot = &shared->prepared[i];
			uint32		none = InvalidTransactionId;

			if (pg_atomic_compare_exchange_u32(&slot->xid, &none,
											   FrozenTransactionId))
				return slot;
		}
		/* the relay may not have settled what is over */
		(void) rtc_stamp_settle(InvalidTransactionId, InvalidXLogRecPtr);
	}
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many prepared transactions that wrote to the cache")));
}

/*
 * Frees a slot and settles its buckets, if it still belongs to xid: the
 * relay and the backend may both try.
 */
static bool
settle_slot(RtcPreparedSlot *slot, TransactionId xid, XLogRecPtr lsn)
{
	uint32		bucket[RTC_PREPARED_BUCKETS];
	uint32		owner = xid;
	uint32		n;

	/* the caller has read xid, which is written behind these */
	pg_read_barrier();
	n = slot->nbuckets;
	memcpy(bucket, slot->bucket, sizeof(bucket));
	if (!pg_atomic_compare_exchange_u32(&slot->xid, &owner,
										InvalidTransactionId))
		return false;
	for (uint32 i = 0; i < n; i++)
		settle(bucket[i], lsn, true);
	return true;
}
