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

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* The rows of an event; NULL where the event has none. */
typedef struct RtcRowChange
{
	Relation	rel;
	TupleDesc	desc;
	HeapTuple	oldrow;
	HeapTuple	newrow;
	TupleTableSlot *oldslot;	/* holds oldrow */
	TupleTableSlot *newslot;	/* holds newrow */
} RtcRowChange;

typedef struct RtcTrack RtcTrack;	/* what to do when a row changes */

/*
 * Makes the track of a relation, in the current memory context.  It is valid
 * until one of its relations, or an operator class, is invalidated.
 */
extern RtcTrack *rtc_track_make(Oid relid);

/* Is this the relation of the track, or an ancestor?  Raises nothing. */
extern bool rtc_track_has(const RtcTrack *track, Oid relid);

/*
 * Notes a change of a row.  Raises like rtc_oplist_add_dep(), and what the
 * hash function of a type raises.
 */
extern void rtc_track_row(RtcTrack *track, const RtcRowChange *change);

/* Notes a change of all rows of a relation and of its ancestors (TRUNCATE). */
extern void rtc_track_all_rows(Oid relid);

/*
 * Notes that this transaction has changed or dropped a relation, and with it
 * its descendants.
 */
extern void rtc_track_ddl(Oid relid);

/* A relation and its ancestors, in a list of OIDs. */
extern List *rtc_track_ancestors(Oid relid);

#endif							/* RTC_ROW_CHANGES_H */
