/*-------------------------------------------------------------------------
 *
 * stats.h
 *		Counters of rtcache.  See stats.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STATS_H
#define RTC_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"

#include "base/shared.h"

/* Every counter, in the order of the columns of rtcache_stats. */
typedef enum RtcCounter
{
	RTC_STAT_L1_HITS,			/* lookups answered from shared memory;
								 * counted by read/families.c */
	RTC_STAT_L2_HITS,			/* lookups answered by Redis */
	RTC_STAT_MISSES,			/* lookups that ran the query, cache usable */
	RTC_STAT_FILLS,				/* computed values stored in a cache */
	RTC_STAT_FILLS_REFUSED,		/* computed values not stored: lease lost */
	RTC_STAT_BYPASS_DISABLED,	/* rtcache.enabled is off */
	RTC_STAT_BYPASS_NOT_READY,	/* no Redis, or the relay has not caught up */
	RTC_STAT_BYPASS_WROTE,		/* the transaction has written */
	RTC_STAT_BYPASS_ISOLATION,	/* REPEATABLE READ or SERIALIZABLE */
	RTC_STAT_BYPASS_QUERY,		/* the query is not cacheable */
	RTC_STAT_BYPASS_PENDING,	/* a writer of the key is committing */
	RTC_STAT_BYPASS_LAG,		/* Redis has not yet a write of the key */
	RTC_STAT_BYPASS_BREAKER,	/* the breaker is open */
	RTC_STAT_BYPASS_ERROR,		/* Redis failed during the lookup */
	RTC_STAT_LEASE_BUSY,		/* misses that another reader was filling */
	RTC_STAT_FILL_WAITS,		/* hits on what another reader computed
								 * meanwhile */
	RTC_STAT_ERRORS,			/* Redis errors and timeouts, all processes */
	RTC_STAT_CORRUPT,			/* values in Redis that were not JSON */
	RTC_STAT_TOO_LARGE,			/* values above rtcache.max_value_size */
	RTC_STAT_SETS,				/* SETs applied by the relay */
	RTC_STAT_DELS,				/* DELs applied by the relay */
	RTC_STAT_TAG_DROPS,			/* keys deleted because of a tag */
	RTC_STAT_PATTERN_DELS,		/* keys deleted by pattern or clear */
	RTC_STAT_BYTES_READ,		/* value bytes read from Redis by lookups */
	RTC_STAT_BYTES_WRITTEN,		/* value bytes sent by relay and fills */
	RTC_STAT_MESSAGES,			/* WAL messages written */
	RTC_STAT_MESSAGE_BYTES,		/* their bytes */
	RTC_STAT_MESSAGES_REFUSED,	/* WAL messages that failed the seal check */
	RTC_STAT_CLEARS,			/* whole-prefix clears by the relay */
	RTC_STAT_COMMIT_WAITS,		/* commits that waited for Redis */
	RTC_STAT_COMMIT_WAITS_GIVEN_UP, /* in vain */
	/* from here on not in cache_stats(), whose columns are those of 1.0 */
	RTC_STAT_SETS_REFUSED,		/* SETs that Redis refused: the key is deleted */
	RTC_STAT_CLOSINGS,			/* databases that were given up */
	RTC_STAT_KEY_CONFLICTS,		/* lookups that found the answer to another
								 * question, or replaced it */
	RTC_STAT_SAVED_US,			/* microseconds that it had taken to compute
								 * the answers of hits; counted there, too */
	RTC_STAT_REFRESHES,			/* answers that workers have computed again */
	RTC_STAT_REFRESHES_FAILED,	/* questions that ended in an error */
	RTC_STAT_WORK_DROPPED,		/* work that was dropped: no room, or nobody
								 * can do it */
	RTC_STAT_COUNT
} RtcCounter;

#define RTC_STAT_BYPASS_FIRST RTC_STAT_BYPASS_DISABLED
#define RTC_STAT_BYPASS_LAST RTC_STAT_BYPASS_ERROR

/* Stripes spread concurrent writers over cache lines; reads add them up. */
#define RTC_STAT_STRIPES 32

typedef union RtcStatStripe
{
	pg_atomic_uint64 counter[RTC_STAT_COUNT];
	char		pad[((RTC_STAT_COUNT * 8 + 127) / 128) * 128];
} RtcStatStripe;

extern const RtcSharedRoom rtc_stats_room;

/* Adds to a counter; does nothing when not preloaded.  Never raises. */
extern void rtc_stat_add(RtcCounter counter, uint64 n);

/*
 * The value of a counter, over all processes; 0 for one that is counted elsewhere.
 * When they were set to zero, and to do so.  Only where rtcache was preloaded.
 */
extern uint64 rtc_stat_read(RtcCounter counter);
extern TimestampTz rtc_stats_reset_at(void);
extern void rtc_stats_reset(void);

/* The part of lookups that were hits; NULL if there were none. */
extern Datum rtc_hit_ratio(uint64 hits, uint64 misses, bool *isnull);

#define rtc_stat_inc(counter) rtc_stat_add((counter), 1)

#endif							/* RTC_STATS_H */
