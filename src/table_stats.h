/*-------------------------------------------------------------------------
 *
 * table_stats.h
 *		Counters of tables.  See table_stats.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TABLE_STATS_H
#define RTC_TABLE_STATS_H

#include "postgres.h"

#include "base/shared.h"

/* What is counted of a table, in the order of the columns of rtcache_tables. */
typedef enum RtcTableCounter
{
	RTC_TABLE_SETS,				/* values that its rules have given to Redis */
	RTC_TABLE_DELS,				/* keys that its rules have deleted there */
	RTC_TABLE_ANSWERS_ENDED,	/* answers that were found to be ended by
								 * writes to it */
	RTC_TABLE_REFRESHES,		/* answers over it that workers have computed
								 * again */
	RTC_TABLE_WARM,				/* rows that a warm-up has stored */
	RTC_TABLE_COUNTERS
} RtcTableCounter;

extern const RtcSharedRoom rtc_table_stats_room;

/*
 * Adds to a counter of a table of a database.  Does nothing when not preloaded.
 * Takes no lock, allocates nothing, raises nothing.
 */
extern void rtc_table_stat_add(Oid dboid, Oid relid, RtcTableCounter counter,
							   uint64 n);

/*
 * A transaction of this database has changed a dependency (an RtcDep) that is one
 * of a table; then answers that depend on it have ended by that.  What is told
 * first is kept for a while, not for sure.  As rtc_table_stat_add().
 */
extern void rtc_table_stats_changed(uint64 dep, Oid relid);
extern void rtc_table_stats_ended(uint64 dep, uint64 answers);

/* Forgets a table that has been dropped.  As rtc_table_stat_add(). */
extern void rtc_table_stats_forget(Oid dboid, Oid relid);

/* Forgets all. */
extern void rtc_table_stats_reset(void);

#endif							/* RTC_TABLE_STATS_H */
