/*-------------------------------------------------------------------------
 *
 * stamps.h
 *		Dependency buckets: who wrote what, seen without locks.
 *		See stamps.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STAMPS_H
#define RTC_STAMPS_H

#include "postgres.h"

#include "access/transam.h"
#include "access/xlogdefs.h"
#include "port/atomics.h"

#include "dep/dep.h"

/*
 * One bucket.  Many dependencies may share one, which costs a hit and never
 * an answer.  No lock: see stamps.c for the order of reads and writes.
 */
typedef struct RtcBucket
{
	pg_atomic_uint64 version;	/* moved by every write */
	pg_atomic_uint64 last_lsn;	/* end of the newest commit record that Redis
								 * has to be told of */
	pg_atomic_uint64 commit_lsn;	/* of the newest one, whether or not */
	pg_atomic_uint32 pending;	/* writers between PRE_COMMIT and COMMIT */
	uint32		unused;
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

/* Bucket number of a dependency. */
extern uint32 rtc_stamp_bucket(RtcDep dep);

/* ---- readers ---- */

#define RTC_MAX_READ_DEPS 66

/* What a reader remembers of its dependencies. */
typedef struct RtcStampRead
{
	int			n;
	uint32		bucket[RTC_MAX_READ_DEPS];
	uint64		version[RTC_MAX_READ_DEPS];
} RtcStampRead;

extern void rtc_stamp_read_add(RtcStampRead *read, uint32 bucket);

/* Takes pending, then version, of every bucket; false if a writer is there. */
extern bool rtc_stamp_read_take(RtcStampRead *read);

/* Are the versions still those taken, with no writer there? */
extern bool rtc_stamp_read_valid(const RtcStampRead *read);

/* Newest commit on any of the buckets that Redis has to be told of. */
extern XLogRecPtr rtc_stamp_read_lsn(const RtcStampRead *read);

/* Newest commit on any of them: an answer may show it. */
extern XLogRecPtr rtc_stamp_read_commit(const RtcStampRead *read);

/* ---- the writer: the current transaction's set of touched buckets ---- */

/* Adds to the set.  Allocates in TopTransactionContext; may raise. */
extern void rtc_stamp_touch(uint32 bucket);

/* PRE_COMMIT: marks the set pending.  Allocates nothing, raises nothing. */
extern void rtc_stamp_raise(void);

/*
 * COMMIT: the set's writes are visible.  commit_lsn: the end of the commit
 * record.  logged: there are ops, which Redis must have applied before it is
 * believed.  No allocation, no error.
 */
extern void rtc_stamp_commit(XLogRecPtr commit_lsn, bool logged);

/* ABORT: forgets the set, lowers pending if raised. */
extern void rtc_stamp_abort(void);

/* PRE_PREPARE (after raise): reserves a slot for the set.  May raise. */
extern void rtc_stamp_pre_prepare(TransactionId xid);

/* PREPARE: the slot has taken over; this backend forgets. */
extern void rtc_stamp_prepare(void);

/* ---- the relay ---- */

/*
 * Settles prepared transactions that are over, stamping them with lsn, the
 * end of the record that ended them; invalid: the end of WAL when they were
 * found to be over.  xid: just this one; InvalidTransactionId: all that are
 * no longer running.  Returns how many are still prepared.
 */
extern int	rtc_stamp_settle(TransactionId xid, XLogRecPtr lsn);

/* May there be a prepared transaction that has touched anything? */
extern bool rtc_stamp_prepared(void);

/* Sizes, for shmem.c. */
extern int	rtc_prepared_slots(void);

#endif							/* RTC_STAMPS_H */
