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

#include "nodes/pg_list.h"

#include "write/row_image.h"

typedef struct RtcTrack RtcTrack;	/* what to do when a row changes */

/*
 * Works out what to do for a relation, in the current memory context.  It holds
 * until one of the relations that it has, or an operator class, is invalidated.
 */
extern RtcTrack *rtc_track_make(Oid relid);

/* Is this the relation, or one of its ancestors?  Raises nothing. */
extern bool rtc_track_has(const RtcTrack *track, Oid relid);

/*
 * A row has changed.  Raises like rtc_oplist_add_dep(), and what the hash
 * function of a type may raise.
 */
extern void rtc_track_row(RtcTrack *track, const RtcRowChange *change);

/*
 * All rows of a relation may have changed (TRUNCATE); with them those that its
 * ancestors show.
 */
extern void rtc_track_all_rows(Oid relid);

/*
 * DDL of this transaction has changed or dropped a relation; its descendants may
 * have changed with it.
 */
extern void rtc_track_ddl(Oid relid);

/* A relation and its ancestors, in a list of OIDs. */
extern List *rtc_track_ancestors(Oid relid);

#endif							/* RTC_ROW_CHANGES_H */
