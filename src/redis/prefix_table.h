/*-------------------------------------------------------------------------
 *
 * prefix_table.h
 *		Which database has which key prefix in Redis: what the relay and
 *		readers share of it.  See prefix_table.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PREFIX_TABLE_H
#define RTC_PREFIX_TABLE_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "base/shared.h"
#include "op.h"

#define RTC_MAX_PREFIXES	256 /* databases with a cache, per server */

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

/* One database's prefix in Redis.  Protected by the table's lock. */
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

typedef struct RtcPrefixTable
{
	pg_atomic_uint64 generation;	/* moves when an entry changes */
	pg_atomic_uint32 nclearing; /* entries that are CLEARING, or more */
	bool		unnoted;		/* an entry may be "unnoted"; the relay's */
	RtcPrefix	entry[RTC_MAX_PREFIXES];	/* under the lock */
} RtcPrefixTable;

extern RtcPrefixTable *rtc_prefixes;
extern const RtcSharedRoom rtc_prefix_room;

/* ---- readers ---- */

/*
 * Copies the prefix of the current database, asking the relay for it if need
 * be.  False = not ready (yet): Redis cannot be used.
 */
extern bool rtc_my_prefix(char prefix[RTC_MAX_PREFIX_LEN]);

/* Moves when that may have changed. */
extern uint64 rtc_prefix_generation(void);

/*
 * Does a job still look for what the current database has deleted up to lsn?
 */
extern bool rtc_prefix_is_clearing(XLogRecPtr lsn);

/* ---- anybody ---- */

/* Copies a database's entry; false = it has none. */
extern bool rtc_prefix_copy(Oid dboid, RtcPrefix *copy);

/* Its state; FREE = it has none. */
extern RtcPrefixState rtc_prefix_state(Oid dboid);

/* ---- whoever changes entries: the relay, and rtc_my_prefix() ---- */

extern void rtc_prefix_lock(LWLockMode mode);
extern void rtc_prefix_unlock(void);

/* Takes the lock, exclusive, and finds a database's entry; NULL = it has none. */
extern RtcPrefix *rtc_prefix_change(Oid dboid);

/* Entries have changed: tells readers, and releases the lock. */
extern void rtc_prefix_changed(void);

/* The entry alone.  Needs the lock. */
extern RtcPrefix *rtc_prefix_entry(Oid dboid);

/* A free entry, set to zero, or NULL.  Needs the lock, exclusive. */
extern RtcPrefix *rtc_prefix_new_entry(Oid dboid);

#endif							/* RTC_PREFIX_TABLE_H */
