/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		The one shared-memory struct of rtcache.
 *
 * Everything that processes share is in RtcShared: one allocation, sized
 * here, with the bucket and prepared-slot arrays behind the struct.  Only the
 * memory of the cache itself is another one, which l1.c divides.
 *
 * Model: created by the postmaster, again after each crash restart, when all
 * of it starts from zero.  One LWLock protects the relay's report and the
 * prefixes, both rarely touched, one the queue of those who wait for Redis at
 * commit; everything else is atomics.  There are no
 * spinlocks.  No I/O is done under the lock.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "base/clock.h"
#include "base/key.h"
#include "compat.h"
#include "guc.h"
#include "l1/l1.h"
#include "shmem.h"

/* Of the cache in shared memory, and its locks. */
#define L1_NAME	RTC_NAME "_l1"

RtcShared  *rtc_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void shmem_request(void);
static void shmem_startup(void);
static Size shmem_size(void);
static uint32 bucket_count(void);
static void fill_zeroed(RtcShared *shared);

void
rtc_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

void
rtc_require_preload(void)
{
	if (rtc_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rtcache must be loaded via \"shared_preload_libraries\""),
				 errhint("Add rtcache to \"shared_preload_libraries\" and restart the server.")));
}

/*
 * Wakes the relay, if it runs.  Its latch belongs to a PGPROC, so that a
 * pointer read just before the relay exits is harmless.
 */
void
rtc_wake_relay(void)
{
	Latch	   *latch = rtc_shared->relay_latch;

	if (latch != NULL)
		SetLatch(latch);
}

/*
 * Copies the prefix of the current database.
 *
 * The answer is kept as long as nothing changes, so that a lookup does not
 * take the lock.  A database that the relay does not know under this name is
 * entered for it; until it has acted, Redis cannot be used.
 */
bool
rtc_my_prefix(char prefix[RTC_MAX_PREFIX_LEN])
{
	static char kept[RTC_MAX_PREFIX_LEN];
	static char dbname[NAMEDATALEN];
	static uint64 kept_generation = 0;
	static bool have_kept = false;
	uint64		generation;
	RtcPrefix  *entry = NULL;
	RtcPrefix  *unused = NULL;
	char		expanded[RTC_MAX_PREFIX_LEN];
	bool		requested = false;

	generation = pg_atomic_read_u64(&rtc_shared->prefix_generation);
	pg_read_barrier();
	if (have_kept && generation == kept_generation)
	{
		strlcpy(prefix, kept, RTC_MAX_PREFIX_LEN);
		return true;
	}

	if (dbname[0] == '\0')
	{
		char	   *name = get_database_name(MyDatabaseId);

		if (name == NULL)
			elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
		strlcpy(dbname, name, sizeof(dbname));
		pfree(name);
	}

	LWLockAcquire(rtc_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_PREFIXES && entry == NULL; i++)
	{
		RtcPrefix  *p = &rtc_shared->prefix[i];

		if (p->state == RTC_PREFIX_FREE)
		{
			if (unused == NULL)
				unused = p;
		}
		else if (p->dboid == MyDatabaseId)
			entry = p;
	}
	have_kept = false;

	/* known from the position in Redis, which does not tell the name */
	if (entry != NULL && entry->state == RTC_PREFIX_READY &&
		entry->dbname[0] == '\0' &&
		rtc_prefix_expand(rtc_key_prefix, dbname, expanded) &&
		strcmp(expanded, entry->prefix) == 0)
	{
		strlcpy(entry->dbname, dbname, sizeof(entry->dbname));
		entry->named_at = GetXLogInsertRecPtr();
	}

	if (entry != NULL && entry->state == RTC_PREFIX_READY &&
		strcmp(entry->dbname, dbname) == 0)
	{
		generation = pg_atomic_read_u64(&rtc_shared->prefix_generation);
		strlcpy(kept, entry->prefix, sizeof(kept));
		kept_generation = generation;
		have_kept = true;
	}
	else if (entry != NULL && strcmp(entry->dbname, dbname) != 0 &&
			 (entry->state != RTC_PREFIX_REQUESTED || entry->dbname[0] == '\0'))
	{
		/*
		 * Renamed: what has the old prefix is the relay's to clear.  Or it is
		 * asked for, but nobody has told the relay the name yet.
		 */
		entry->state = RTC_PREFIX_REQUESTED;
		entry->named_at = GetXLogInsertRecPtr();
		strlcpy(entry->dbname, dbname, sizeof(entry->dbname));
		pg_atomic_fetch_add_u64(&rtc_shared->prefix_generation, 1);
		requested = true;
	}
	else if (entry == NULL && unused != NULL)
	{
		memset(unused, 0, sizeof(*unused));
		unused->state = RTC_PREFIX_REQUESTED;
		unused->dboid = MyDatabaseId;
		unused->named_at = GetXLogInsertRecPtr();
		strlcpy(unused->dbname, dbname, sizeof(unused->dbname));
		requested = true;
	}
	LWLockRelease(rtc_shared->lock);

	if (requested)
		rtc_wake_relay();
	if (have_kept)
		strlcpy(prefix, kept, RTC_MAX_PREFIX_LEN);
	return have_kept;
}

bool
rtc_is_applied(XLogRecPtr lsn)
{
	bool		applied = true;

	if (pg_atomic_read_u64(&rtc_shared->applied_lsn) < lsn)
		return false;
	/* it was counted before applied_lsn was moved */
	pg_read_barrier();
	if (pg_atomic_read_u32(&rtc_shared->nclearing) == 0)
		return true;
	LWLockAcquire(rtc_shared->lock, LW_SHARED);
	for (int i = 0; i < RTC_MAX_PREFIXES && applied; i++)
		applied = rtc_shared->prefix[i].state != RTC_PREFIX_CLEARING ||
			rtc_shared->prefix[i].dboid != MyDatabaseId ||
			rtc_shared->prefix[i].closed_at > lsn;
	LWLockRelease(rtc_shared->lock);
	return applied;
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(shmem_size());
	RequestNamedLWLockTranche(RTC_NAME, 2);
	if (rtc_l1_size > 0)
	{
		RequestAddinShmemSpace(rtc_l1_size_bytes());
		RequestNamedLWLockTranche(L1_NAME, RTC_L1_LOCKS);
	}
}

static void
shmem_startup(void)
{
	bool		found;
	RtcShared  *shared;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(RTC_NAME, shmem_size(), &found);
	if (!found)
	{
		memset(shared, 0, shmem_size());
		fill_zeroed(shared);
		rtc_seal_load(shared->seal_key);
		rtc_seal_key_id(shared->seal_key, shared->key_id);
	}
	if (rtc_l1_size > 0)
	{
		void	   *place = ShmemInitStruct(L1_NAME, rtc_l1_size_bytes(),
											&found);

		rtc_l1_init(place, GetNamedLWLockTranche(L1_NAME), found);
	}
	LWLockRelease(AddinShmemInitLock);
	rtc_shared = shared;
}

/*
 * Sets what is not right as zero bytes.
 */
static void
fill_zeroed(RtcShared *shared)
{
	uint32		nbuckets = bucket_count();
	char	   *behind = (char *) shared + MAXALIGN(sizeof(RtcShared));

	shared->lock = &GetNamedLWLockTranche(RTC_NAME)[0].lock;
	shared->wait_lock = &GetNamedLWLockTranche(RTC_NAME)[1].lock;
	shared->bucket_mask = nbuckets - 1;
	shared->bucket = (RtcBucket *) behind;
	behind += MAXALIGN(nbuckets * sizeof(RtcBucket));
	shared->prepared = (RtcPreparedSlot *) behind;
	shared->nprepared = rtc_prepared_slots();
	behind += MAXALIGN(shared->nprepared * sizeof(RtcPreparedSlot));
	shared->waiter = (RtcWaiter *) behind;

	for (uint32 i = 0; i < nbuckets; i++)
	{
		pg_atomic_init_u64(&shared->bucket[i].version, 0);
		pg_atomic_init_u64(&shared->bucket[i].last_lsn, 0);
		pg_atomic_init_u64(&shared->bucket[i].commit_lsn, 0);
		pg_atomic_init_u32(&shared->bucket[i].pending, 0);
	}
	for (int i = 0; i < shared->nprepared; i++)
		pg_atomic_init_u32(&shared->prepared[i].xid, InvalidTransactionId);
	for (int i = 0; i < RTC_STAT_STRIPES; i++)
		for (int j = 0; j < RTC_STAT_COUNT; j++)
			pg_atomic_init_u64(&shared->stats[i].counter[j], 0);

	/* from the first write on, ops are logged if there is a Redis */
	pg_atomic_init_u32(&shared->queue_on, RtcRedisConfigured() ? 1 : 0);
	pg_atomic_init_u32(&shared->gap_logged, 0);
	pg_atomic_init_u64(&shared->omitted_lsn, 0);
	pg_atomic_init_u32(&shared->gate_open, 0);
	pg_atomic_init_u64(&shared->l2_generation, 0);
	pg_atomic_init_u64(&shared->server_generation, 0);
	pg_atomic_init_u64(&shared->epoch, 0);
	pg_atomic_init_u64(&shared->read_lsn, 0);
	pg_atomic_init_u64(&shared->applied_lsn, 0);
	pg_atomic_init_u64(&shared->stored_lsn, 0);
	pg_atomic_init_u64(&shared->floor_lsn, 0);
	pg_atomic_init_u64(&shared->tell_lsn, 0);
	pg_atomic_init_u64(&shared->wake_lsn, 0);
	pg_atomic_init_u64(&shared->wait_lsn, 0);
	pg_atomic_init_u32(&shared->lingers, 0);
	pg_atomic_init_u64(&shared->down_since, (uint64) rtc_clock_ms());
	dlist_init(&shared->waiters);
	pg_atomic_init_u64(&shared->behind_since, 0);
	pg_atomic_init_u64(&shared->lag_restart_lsn, 0);
	pg_atomic_init_u64(&shared->prefix_generation, 1);
	pg_atomic_init_u32(&shared->nclearing, 0);
	pg_atomic_init_u64(&shared->relay_batches, 0);
	pg_atomic_init_u64(&shared->relay_ops, 0);
	pg_atomic_init_u64(&shared->relay_commits, 0);
	pg_atomic_init_u64(&shared->stats_reset, GetCurrentTimestamp());
	rtc_interest_init(&shared->interest);
	pg_atomic_init_u32(&shared->breaker.state, RTC_BREAKER_CLOSED);
	pg_atomic_init_u32(&shared->breaker.failures, 0);
	pg_atomic_init_u32(&shared->breaker.trips, 0);
	pg_atomic_init_u64(&shared->breaker.retry_at, 0);
	ConditionVariableInit(&shared->applied_cv);
	for (int i = 0; i < RTC_FLIGHTS; i++)
	{
		pg_atomic_init_u64(&shared->flight[i].question, 0);
		pg_atomic_init_u64(&shared->flight[i].landings, 0);
		pg_atomic_init_u64(&shared->flight[i].in_vain, 0);
		ConditionVariableInit(&shared->flight[i].landed);
	}
}

static Size
shmem_size(void)
{
	Size		size = MAXALIGN(sizeof(RtcShared));

	size = add_size(size, MAXALIGN(mul_size(bucket_count(),
											sizeof(RtcBucket))));
	size = add_size(size, MAXALIGN(mul_size(rtc_prepared_slots(),
											sizeof(RtcPreparedSlot))));
	size = add_size(size, MAXALIGN(mul_size(rtc_waiter_slots(),
											sizeof(RtcWaiter))));
	return size;
}

static uint32
bucket_count(void)
{
	return pg_nextpower2_32(rtc_stamp_buckets);
}
