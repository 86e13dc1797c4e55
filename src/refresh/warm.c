/*-------------------------------------------------------------------------
 *
 * warm.c
 *		Stores the rows of a table under the keys of its rules.
 *
 * That must not put an old row over a newer one: the writer may commit, and the
 * relay may store what he has written, between the moment at which a row is read and
 * that at which it is stored.  So this goes as a lookup goes (lookup.c, fetch.c),
 * but for many keys at a time.  A batch is the rows in some blocks of the table:
 *
 * 1.  Their keys are read, and for each the stamps are taken.  What is being
 *	   committed now, the relay will store.
 *
 * 2.  Trust.  Redis has all that the stamps know of, and its position covers all
 *	   that a row may show.
 *
 * 3.  The leases of all keys that Redis lacks, in one round trip.
 *
 * 4.  A fresh snapshot, and the rows in the same blocks once more.  A row that
 *	   is not there any more has been written since 1: the relay stores it where it
 *	   is now.
 *
 * 5.  The values whose stamps have not moved, with all leases, go to Redis in one
 *	   round trip.  A write that the snapshot does not see takes the lease away
 *	   when the relay applies it, or finds the value and replaces it.
 *
 * What is left is tried again for a while: a stamp is shared by many keys, and
 * somebody else may hold a lease.  Blocks that are added to the table meanwhile hold
 * rows that the relay stores.
 *
 * Rules must be those that writers go by.  Who changes one takes a lock that
 * conflicts with that of a writer only, so each batch takes this: it keeps neither
 * readers nor writers waiting.  The stamp of the database, which DDL moves, is taken
 * before the rules are read.
 *
 * Rows are read by a query, in which privileges and policies count as ever: who
 * sees fewer rows stores fewer.  Only rules count that see every change: else the
 * relay would not replace what is stored here.
 *
 * Model: any process with a database, in a transaction, as the current user.
 * Redis is asked by redis_many.c.  No LWLock is held meanwhile.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/condition_variable.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/clock.h"
#include "base/inject.h"
#include "compat.h"
#include "guc.h"
#include "read/lookup_trust.h"
#include "refresh/warm.h"
#include "refresh/warm_rows.h"
#include "stats.h"
#include "table_stats.h"
#include "wal/queue.h"

/* Blocks in the first batch, and in one of which hardly any row is wanted. */
#define FIRST_STEP		16
#define MAX_STEP		8192

/* A lease lasts no longer (ms), lest lookups wait when we are cancelled. */
#define MAX_LEASE		3000

/*
 * How long to try again, so that such a lease is over; and to wait in between (ms).
 */
#define TRY_AGAIN		5000
#define PAUSE_MIN		5
#define PAUSE_MAX		200

void
rtc_warm_begin(RtcWarm *warm, Oid relid, const char *where, int batch)
{
	memset(warm, 0, sizeof(*warm));
	warm->relid = relid;
	warm->where = where;
	warm->batch = batch;
	warm->step = FIRST_STEP;
}

/*
 * Looks where the table ends; if it has got new storage, begins again, since rows
 * may be in other blocks than before.
 */
static void
look_at_storage(RtcWarm *warm, Relation rel)
{
	if (warm->storage == rel->rd_rel->relfilenode)
		return;
	warm->storage = rel->rd_rel->relfilenode;
	warm->next = 0;
	warm->end = RelationGetNumberOfBlocks(rel);
}

/* Waits for the relay, or for a lease to end. */
static void
pause_for(int ms)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheWarm");
	ConditionVariablePrepareToSleep(rtc_queue_moved());
	(void) ConditionVariableTimedSleep(rtc_queue_moved(), ms, wait_event);
	ConditionVariableCancelSleep();
	CHECK_FOR_INTERRUPTS();
}

/*
 * Waits until Redis has what was written to the keys, and its position tells of all
 * that their rows may show (fetch.c:may_fill()); false = not for long.
 */
static bool
wait_for_redis(RtcWarmBatch *b, RtcTrust *trust)
{
	int64		deadline = rtc_deadline_in(TRY_AGAIN);
	char		prefix[RTC_MAX_PREFIX_LEN];
	RtcCounter	reason;

	while (!rtc_trust_begin(trust, b->lsn, prefix, &reason) ||
		   !rtc_trust_stored(b->commit_lsn))
	{
		if (rtc_deadline_left(deadline) == 0)
			return false;
		pause_for(PAUSE_MIN);
	}
	b->many.lsn = Max(trust->lsn, b->commit_lsn);
	rtc_epoch_text(trust->epoch, b->many.epoch);
	return strcmp(prefix, b->prefix) == 0;
}

/*
 * Leaves out the values that somebody may have written since their stamps were
 * taken, or all if Redis may not be believed any more: see run_with_lease() in
 * fetch.c.
 */
static void
leave_out(RtcWarmBatch *b, const RtcTrust *trust, bool expired)
{
	bool		none = expired || !rtc_trust_holds(trust) ||
	!rtc_stamp_read_valid(&b->database);

	for (int i = 0; i < b->many.n; i++)
	{
		RtcManyKey *k = &b->many.key[i];

		if (k->value == NULL ||
			(!none && rtc_stamp_holds(b->stamp[i].bucket, b->stamp[i].version)))
			continue;
		k->value = NULL;
		b->left++;
		rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
	}
}

/*
 * Asks for the leases and stores the values.  False = Redis cannot be used.
 */
static bool
store(RtcWarm *warm, RtcWarmBatch *b)
{
	RtcTrust	trust;
	int			lease_ms = Min(rtc_lease_ttl, MAX_LEASE);
	int64		leased_at_ms;
	uint64		nleased = 0;
	bool		expired;

	if (b->many.n == 0)
		return true;
	if (!wait_for_redis(b, &trust))
		return false;
	RTC_INJECT("warm_trusted");
	leased_at_ms = rtc_clock_ms();
	if (!rtc_many_lease(&b->many, lease_ms))
		return false;
	RTC_INJECT("warm_leased");
	for (int i = 0; i < b->many.n; i++)
	{
		nleased += b->many.key[i].state == RTC_MANY_LEASED;
		b->there += b->many.key[i].state == RTC_MANY_THERE;
		b->left += b->many.key[i].state == RTC_MANY_BUSY;
	}
	if (nleased == 0)
		return true;

	rtc_warm_values(warm, b);
	RTC_INJECT("warm_read");
	expired = rtc_clock_ms() - leased_at_ms >= lease_ms;
	if (expired)
		warm->step = Max(warm->step / 4, 1);
	leave_out(b, &trust, expired);
	RTC_INJECT("warm_checked");
	if (!rtc_many_fill(&b->many, &b->stored))
		return false;
	rtc_stat_add(RTC_STAT_FILLS, b->stored);
	rtc_table_stat_add(MyDatabaseId, warm->relid, RTC_TABLE_WARM, b->stored);
	rtc_stat_add(RTC_STAT_BYTES_WRITTEN, b->bytes);
	RTC_INJECT("warm_filled");
	return true;
}

/* ---------------- one batch ---------------- */

/* Tries once; fills in the numbers of *b. */
static RtcWarmResult
try_batch(RtcWarm *warm, Relation rel, RtcWarmBatch *b)
{
	RtcTrust	trust;
	RtcCounter	reason;
	RtcWarmResult result = RTC_WARM_MORE;

	memset(b, 0, sizeof(*b));
	b->rel = rel;
	if (!rtc_trust_begin(&trust, InvalidXLogRecPtr, b->prefix, &reason))
		return RTC_WARM_NO_REDIS;
	rtc_stamp_read_add(&b->database, rtc_stamp_bucket(rtc_dep_database()));
	if (!rtc_stamp_read_take(&b->database))
		b->left++;
	b->lsn = rtc_stamp_read_lsn(&b->database);
	b->commit_lsn = rtc_stamp_read_commit(&b->database);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	b->context = CurrentMemoryContext;
	b->row = AllocSetContextCreate(CurrentMemoryContext, "rtcache row to warm",
								   ALLOCSET_DEFAULT_SIZES);
	if (!rtc_warm_rules(b))
		result = RTC_WARM_NO_RULE;
	else if (b->left == 0)
	{
		rtc_warm_keys(warm, b);
		if (!store(warm, b))
			result = RTC_WARM_NO_REDIS;
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return result;
}

/*
 * Warms the rows of some blocks, and tries again what could not be stored.
 */
static RtcWarmResult
warm_blocks(RtcWarm *warm, Relation rel)
{
	int64		deadline = rtc_deadline_in(TRY_AGAIN);
	int			pause = PAUSE_MIN;
	uint64		there = 0;
	RtcWarmBatch b;

	for (int tries = 0;; tries++)
	{
		RtcWarmResult result = try_batch(warm, rel, &b);

		warm->stored += b.stored;
		if (tries == 0)
			there = b.there;
		if (result != RTC_WARM_MORE)
			return result;
		if (b.left == 0 || rtc_deadline_left(deadline) == 0)
			break;
		if (b.stored > 0)
			deadline = rtc_deadline_in(TRY_AGAIN);
		pause_for(pause);
		pause = Min(2 * pause, PAUSE_MAX);
	}

	warm->rows += b.nrows;
	warm->there += there;
	warm->left += b.left;
	warm->next = warm->next + warm->step < warm->end ?
		warm->next + warm->step : warm->end;
	warm->step = Min(b.nrows == 0 ? MAX_STEP :
					 Max((uint64) warm->step * warm->batch / b.nrows, 1),
					 Min(4 * warm->step, MAX_STEP));
	return warm->next < warm->end ? RTC_WARM_MORE : RTC_WARM_DONE;
}

RtcWarmResult
rtc_warm_batch(RtcWarm *warm)
{
	RtcWarmResult result = RTC_WARM_DONE;
	Relation	rel;

	if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("the cache can be warmed in transactions that are READ COMMITTED and have not written")));
	rel = try_relation_open(warm->relid, RowExclusiveLock);
	if (rel == NULL)
		return RTC_WARM_NO_TABLE;
	look_at_storage(warm, rel);
	if (warm->next < warm->end)
		result = warm_blocks(warm, rel);
	relation_close(rel, NoLock);
	return result;
}
