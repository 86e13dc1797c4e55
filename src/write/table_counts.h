/*-------------------------------------------------------------------------
 *
 * table_counts.h
 *		What the current transaction has done, by table.  See table_counts.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TABLE_COUNTS_H
#define RTC_TABLE_COUNTS_H

#include "postgres.h"

/*
 * An op that a rule of the table has made goes to WAL.  stores: it stores a value;
 * otherwise it deletes a key.  Allocates in TopTransactionContext; may raise.
 */
extern void rtc_table_counts_op(Oid relid, bool stores);

/* The table has been dropped.  As above. */
extern void rtc_table_counts_dropped(Oid relid);

/*
 * COMMIT and PREPARE: counts what has been noted.  ABORT: forgets it.  No
 * allocation, no error.
 */
extern void rtc_table_counts_commit(void);
extern void rtc_table_counts_abort(void);

#endif							/* RTC_TABLE_COUNTS_H */
