/*-------------------------------------------------------------------------
 *
 * shmem.h
 *		The one shared-memory struct of rtcache.  See shmem.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SHMEM_H
#define RTC_SHMEM_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "dep/interest.h"
#include "dep/stamps.h"
#include "op.h"
#include "read/single_flight.h"
#include "redis/breaker.h"
#include "stats.h"
#include "wal/seal.h"
#include "write/commit_wait.h"

#define RTC_MAX_PREFIXES	256 /* databases with a cache, per server */
#define RTC_ERROR_LEN		512
#define RTC_POLICY_LEN		32
#define RTC_OWNER_LEN		17	/* 16 hex digits and NUL */

/* What the relay is doing; shown by rtcache_relay. */
typedef enum RtcRelayState
{
	RTC_RELAY_STOPPED = 0,		/* not running */
	RTC_RELAY_STANDBY,			/* running, waits for a promotion */
	RTC_RELAY_OFF,				/* running, no redis_url */
	RTC_RELAY_CONNECTING,		/* Redis cannot be reached, or was just lost */
	RTC_RELAY_REPLAYING,		/* applying what Redis missed */
	RTC_RELAY_CLEARING,			/* deleting what rtcache owns in Redis */
	RTC_RELAY_DRAINING,			/* cleared; transactions from before still run */
	RTC_RELAY_FULL,				/* Redis is out of memory: keys are only
								 * deleted */
	RTC_RELAY_STREAMING,		/* caught up */
	RTC_RELAY_FENCED			/* another server owns the prefix */
} RtcRelayState;

/* One database's prefix in Redis.  Protected by RtcShared.lock. */
typedef enum RtcPrefixState
{
	RTC_PREFIX_FREE = 0,
	RTC_PREFIX_REQUESTED,		/* a backend wants it, the relay has to act */
	RTC_PREFIX_READY,			/* registered in Redis, empty or coherent */
	RTC_PREFIX_CLEARING,		/* ops are applied, but readers stay away
								 * until a job of the relay has deleted what
								 * is old */
	RTC_PREFIX_CLOSED,			/* Redis has refused an op for good: neither
								 * reads nor writes, until it accepts them */
	RTC_PREFIX_UNUSABLE			/* another database has it; asked again when a
								 * name or the setting changes */
} RtcPrefixState;

typedef struct RtcPrefix
{
	RtcPrefixState state;
	Oid			dboid;
	char		dbname[NAMEDATALEN];
	XLogRecPtr	named_at;		/* dbname is the name at this LSN */
	char		prefix[RTC_MAX_PREFIX_LEN]; /* in force when READY; else the
											 * one to clear, or "" */

	/*
	 * Only the relay uses what is below.  "unnoted": the position in Redis
	 * may still say that the prefix, or the one from before, is in use
	 * (closed.c).
	 */
	bool		unnoted;
	char		old[RTC_MAX_PREFIX_LEN];	/* the one from before, if it is
											 * to be cleared, too; else "" */
	XLogRecPtr	closed_at;		/* since the commit that ends here */
	int64		retry_ms;		/* CLOSED: when to try again, monotonic */
	int			retries;		/* CLOSED: how often it was tried in vain */
	char		why[RTC_ERROR_LEN]; /* CLOSED: for people */
} RtcPrefix;

#define RTC_MAX_JOBS	32
#define RTC_JOB_PATTERN_LEN 128

/* What the relay does that takes long; shown by rtcache_progress. */
typedef enum RtcJobKind
{
	RTC_JOB_CLEAR_ALL,			/* what is ours in Redis is deleted */
	RTC_JOB_REGISTER,			/* a database gets a prefix, cleared */
	RTC_JOB_CLEAR,				/* cache_clear() */
	RTC_JOB_PATTERN,			/* cache_del_pattern() */
	RTC_JOB_SWEEP				/* tag sets are looked for after connecting */
} RtcJobKind;

typedef struct RtcJobInfo
{
	RtcJobKind	kind;
	Oid			dboid;			/* InvalidOid = unknown, or none */
	char		pattern[RTC_JOB_PATTERN_LEN];	/* printable ASCII, cut */
	int			pass;			/* from 1 on, */
	int			passes;			/* of so many */
	uint64		looked;			/* keys looked at in this pass, about */
	uint64		deleted;		/* keys deleted */
	uint64		total;			/* keys in this database of Redis when the job
								 * began */
	int			resumed;		/* connections lost meanwhile */
	TimestampTz started_at;
} RtcJobInfo;

/* What the relay tells about itself.  Protected by RtcShared.lock. */
typedef struct RtcRelayInfo
{
	int			pid;			/* 0 = not running */
	RtcRelayState state;
	TimeLineID	timeline;
	TimestampTz last_commit_at; /* commit time of the newest applied commit */
	int64		waits_since;	/* rtc_clock_ms(): a commit has not been
								 * visible since then; 0 = none, or not for
								 * long */
	TimestampTz connected_at;	/* 0 = not connected */
	TimestampTz last_error_at;
	char		last_error[RTC_ERROR_LEN];
	uint32		url_hash;		/* of the redis_url in use */
	char		address[64];	/* numeric address of Redis, "" for unix */
	char		slot_problem[RTC_ERROR_LEN];	/* "" = slot in use */
	char		policy[RTC_POLICY_LEN]; /* maxmemory-policy; "" = unknown */
} RtcRelayInfo;

/*
 * Everything that processes share.  All zero bytes is a safe state: the gate
 * is closed, the queue is as shmem.c sets it, Redis is not trusted.
 */
typedef struct RtcShared
{
	LWLock	   *lock;			/* protects prefix[], relay, job[] and sweep */
	LWLock	   *wait_lock;		/* protects waiters */

	/* The seal; written once at startup. */
	uint8		seal_key[RTC_SEAL_KEY_LEN];
	char		key_id[RTC_KEY_ID_LEN]; /* names the key without showing it */

	/*
	 * Do ops go to WAL?  Only the relay (and startup) writes it.  A writer
	 * gets its xid first and reads this second; the relay sets it first and
	 * reads the next xid second.
	 */
	pg_atomic_uint32 queue_on;
	pg_atomic_uint32 gap_logged;	/* a gap message is in WAL */

	/*
	 * End of the message in WAL since which TAG ops may be missing that
	 * nobody was interested in; 0 = none is.
	 */
	pg_atomic_uint64 omitted_lsn;

	/*
	 * Nothing is read from a cache until the gate is open: transactions from
	 * before the start of this server could commit without a stamp.
	 */
	pg_atomic_uint32 gate_open;

	/*
	 * Trust in Redis: odd = open (what it holds is as fresh as the stamps
	 * say), even = closed.  Each change adds one, so that a reader can see
	 * that it was closed in between.  Only the relay writes it.
	 */
	pg_atomic_uint64 l2_generation;

	/*
	 * Moves when the relay has connected anew.  A backend's connection that
	 * was verified before that is no good any more.
	 */
	pg_atomic_uint64 server_generation;

	/*
	 * Names that connection in the position (position.c).  The relay writes
	 * it when l2_generation is even.
	 */
	pg_atomic_uint64 epoch;

	pg_atomic_uint64 read_lsn;	/* WAL read up to here */
	pg_atomic_uint64 applied_lsn;	/* Redis has every commit up to here */
	pg_atomic_uint64 stored_lsn;	/* position verified to be stored in Redis */
	pg_atomic_uint64 floor_lsn; /* where the relay has caught up last: what is
								 * behind that may have no stamps */
	pg_atomic_uint64 tell_lsn;	/* a lookup waits for stored_lsn to get here */
	pg_atomic_uint64 wake_lsn;	/* newest commit that Redis is to know of; the
								 * relay polls for its flush */
	pg_atomic_uint64 prefix_generation; /* moves when prefix[] changes */
	pg_atomic_uint32 nclearing; /* entries of prefix[] that are CLEARING, or
								 * more */

	/*
	 * The newest LSN that anybody waits for, and: does the relay let commits
	 * collect, so that only those who wait need to wake it?
	 */
	pg_atomic_uint64 wait_lsn;
	pg_atomic_uint32 lingers;

	/*
	 * Since when the relay has not been at work on Redis, by rtc_clock_ms();
	 * 0 = it is.  The relay writes it.
	 */
	pg_atomic_uint64 down_since;

	/*
	 * When the oldest commit that is not applied was made, by rtc_clock_ms();
	 * 0 = there is none.  And where to look for it while Redis is away; 0 =
	 * not known.  The relay writes both.
	 */
	pg_atomic_uint64 behind_since;
	pg_atomic_uint64 lag_restart_lsn;

	dlist_head	waiters;		/* of RtcWaiter, by LSN */
	ConditionVariable applied_cv;	/* broadcast when applied_lsn moves, when
									 * tell_lsn is reached, and when queue_on
									 * goes off */
	Latch	   *relay_latch;	/* the relay's, NULL = not running */

	pg_atomic_uint64 relay_batches; /* batches applied */
	pg_atomic_uint64 relay_ops; /* ops applied */
	pg_atomic_uint64 relay_commits; /* commits applied */
	pg_atomic_uint64 stats_reset;	/* TimestampTz */

	RtcBreaker	breaker;
	RtcInterest interest;
	RtcRelayInfo relay;
	RtcPrefix	prefix[RTC_MAX_PREFIXES];
	bool		unnoted;		/* one of these may be "unnoted"; the relay's */
	int			njobs;
	RtcJobInfo	job[RTC_MAX_JOBS];
	bool		sweeping;		/* the first pass over the tag sets goes on */
	RtcJobInfo	sweep;
	RtcFlight	flight[RTC_FLIGHTS];
	RtcStatStripe stats[RTC_STAT_STRIPES];

	/* Arrays behind the struct, in the same allocation. */
	uint32		bucket_mask;	/* number of buckets - 1 */
	RtcBucket  *bucket;
	int			nprepared;
	RtcPreparedSlot *prepared;
	RtcWaiter  *waiter;			/* by number of the process */
} RtcShared;

/* NULL when not preloaded. */
extern RtcShared *rtc_shared;

/* Installs the shared-memory hooks; from _PG_init while preloading. */
extern void rtc_shmem_init(void);

/* Raises 55000 with the shared_preload_libraries hint when not preloaded. */
extern void rtc_require_preload(void);

/* Is Redis open to readers in this moment?  The generation to compare with. */
static inline bool
rtc_l2_open(uint64 *generation)
{
	*generation = pg_atomic_read_u64(&rtc_shared->l2_generation);
	pg_read_barrier();
	return (*generation & 1) != 0 &&
		pg_atomic_read_u32(&rtc_shared->gate_open) != 0;
}

/* Wakes the relay.  Async-signal and COMMIT-callback safe. */
extern void rtc_wake_relay(void);

/* Moves one of the LSNs above, forwards only. */
static inline void
rtc_raise_lsn(pg_atomic_uint64 *lsn, XLogRecPtr to)
{
	uint64		last = pg_atomic_read_u64(lsn);

	while (last < to && !pg_atomic_compare_exchange_u64(lsn, &last, to))
		;
}

/*
 * Copies the prefix of the current database, asking the relay for it if need
 * be.  False = not ready (yet): Redis cannot be used.
 */
extern bool rtc_my_prefix(char prefix[RTC_MAX_PREFIX_LEN]);

/*
 * Has Redis all that the current database committed up to lsn?  Not while what
 * was to be deleted by then is still being looked for.
 */
extern bool rtc_is_applied(XLogRecPtr lsn);

#endif							/* RTC_SHMEM_H */
