/*-------------------------------------------------------------------------
 *
 * row_changes.h
 *		Which dependencies a change of a relation moves.  See row_changes.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ROW_CHANGES_H
#define RTC_ROW_CHANGES_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "nodes/pg_list.h"

/*
 * A row of a relation has changed: oldrow or newrow may be NULL.  Raises like
 * rtc_oplist_add_dep(), and what the hash function of a type may raise.
 */
extern void rtc_track_row(Oid relid, TupleDesc desc, HeapTuple oldrow,
						  HeapTuple newrow);

/*
 * All rows of a relation may have changed (TRUNCATE); with them those that its
 * ancestors show.
 */
extern void rtc_track_all_rows(Oid relid);

/*
 * A relation itself has changed (DDL), perhaps with its descendants, or has
 * been dropped by this transaction.
 */
extern void rtc_track_ddl(Oid relid);

/* A relation and its ancestors, in a list of OIDs. */
extern List *rtc_track_ancestors(Oid relid);

#endif							/* RTC_ROW_CHANGES_H */
