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

#include "base/shared.h"
#include "dep/dep.h"

extern const RtcSharedRoom rtc_stamps_room;

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

/* The same of one bucket; and its version alone, with or without a writer. */
extern bool rtc_stamp_holds(uint32 bucket, uint64 version);
extern uint64 rtc_stamp_version(uint32 bucket);

/*
 * Adds to the number of answers that watch a bucket (watched.h): whoever moves it
 * from here on tells.
 */
extern void rtc_stamp_watch(uint32 bucket, int32 n);

/*
 * The gate: nothing is read from a cache until it is open.  Transactions from
 * before the start of this server could commit without a stamp.  False when
 * not preloaded.
 */
extern bool rtc_gate_is_open(void);

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

/* Opens the gate. */
extern void rtc_gate_open(void);

#endif							/* RTC_STAMPS_H */
