/*-------------------------------------------------------------------------
 *
 * row_changes.c
 *		Which dependencies a change of a relation moves.
 *
 * A reader whose query compares a column depends on the rows with that value
 * if an index leads with the column, else on the whole relation (dep.c).  So a
 * writer names, for each row that it changes,
 *
 *		the relation
 *		the OLD and the NEW value of each column that leads an index
 *
 * and both again for each ancestor, partitioned table or inheritance parent,
 * under the ancestor's OID, column number, indexes and collation, since a
 * query of the ancestor sees the row too.  A column that an UPDATE leaves
 * alone is named: other columns of the row have changed.  NULL is not named,
 * since equality does not find it.
 *
 * Any index counts, also one that is not valid yet or any more.  All writers
 * must see an index before readers use it, and for as long as there are
 * answers named after it.
 *
 * A transaction that names RTC_TRACK_MAX_VALUES values of one relation says
 * instead that anything in it may have changed (rtc_dep_bulk).
 *
 * Model: runs in the backend that writes, from AFTER triggers and from event
 * triggers.  Tracks are kept by rule_cache.c.  Ancestors are not locked:
 * locking a parent after its child invites deadlocks.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/catalog_rows.h"
#include "dep/value_hash.h"
#include "write/oplist.h"
#include "write/row_changes.h"

/* Values of one relation that a transaction names at most. */
#define RTC_TRACK_MAX_VALUES 1000

/* A column of the relation or of an ancestor. */
typedef struct TrackName
{
	Oid			relid;
	AttrNumber	attnum;
} TrackName;

/* A column whose values are named. */
typedef struct TrackColumn
{
	AttrNumber	attnum;			/* in the relation that is written */
	Oid			typid;
	int16		typlen;
	bool		typbyval;
	Oid			collation;
	FmgrInfo	hash;			/* extended hash function of the type */
	int			nnames;			/* the same column of the relation and its
								 * ancestors, where an index leads with it */
	TrackName  *name;
} TrackColumn;

struct RtcTrack
{
	int			nrelids;		/* the relation itself first, then ancestors */
	Oid		   *relids;
	int			ncolumns;
	TrackColumn *column;

	/* the current transaction */
	FullTransactionId fxid;
	int			nvalues;		/* values that it has named */
	bool		bulk;			/* too many; the whole relation counts */
};

/* Appends the parents of a relation to a list. */
static List *
append_parents(List *relids, Oid relid, RtcRowVersions versions)
{
	ListCell   *lc;

	foreach(lc, rtc_catalog_rows(InheritsRelationId, InheritsRelidSeqnoIndexId,
								 Anum_pg_inherits_inhrelid, relid, versions))
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT((HeapTuple) lfirst(lc));

		relids = list_append_unique_oid(relids, form->inhparent);
	}
	return relids;
}

/* A relation and its ancestors; former: and those that it had before. */
static List *
with_ancestors(Oid relid, bool former)
{
	List	   *relids = list_make1_oid(relid);

	for (int i = 0; i < list_length(relids); i++)
	{
		Oid			child = list_nth_oid(relids, i);

		relids = append_parents(relids, child, RTC_ROWS_NOW);
		if (former)
			relids = append_parents(relids, child, RTC_ROWS_DELETED);
	}
	return relids;
}

List *
rtc_track_ancestors(Oid relid)
{
	return with_ancestors(relid, false);
}

/* The columns that lead an index of a relation. */
static List *
leading_columns(Oid relid)
{
	List	   *attnums = NIL;
	ListCell   *lc;

	foreach(lc, rtc_catalog_rows(IndexRelationId, IndexIndrelidIndexId,
								 Anum_pg_index_indrelid, relid, RTC_ROWS_NOW))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT((HeapTuple) lfirst(lc));

		/* 0 is an expression */
		if (form->indkey.values[0] > 0)
			attnums = list_append_unique_int(attnums, form->indkey.values[0]);
	}
	return attnums;
}

/*
 * Adds a column of the relation or of an ancestor.  Without a hash function
 * readers cannot name its values either.
 */
static void
add_column(RtcTrack *track, Oid relid, AttrNumber attnum)
{
	Oid			self = track->relids[0];
	AttrNumber	own = attnum;
	Oid			typid;
	int32		typmod;
	Oid			collation;
	Oid			hash;
	TrackColumn *column = NULL;

	if (relid != self)
	{
		char	   *name = get_attname(relid, attnum, true);

		own = name != NULL ? get_attnum(self, name) : InvalidAttrNumber;
		if (own == InvalidAttrNumber)
			return;
	}
	get_atttypetypmodcoll(relid, attnum, &typid, &typmod, &collation);
	hash = rtc_hash_function(typid);
	if (!OidIsValid(hash))
		return;

	/* types and collations may differ within a tree */
	for (int i = 0; i < track->ncolumns; i++)
	{
		if (track->column[i].attnum == own &&
			track->column[i].typid == typid &&
			track->column[i].collation == collation)
			column = &track->column[i];
	}
	if (column == NULL)
	{
		track->column = track->column == NULL
			? palloc(sizeof(TrackColumn))
			: repalloc(track->column,
					   (track->ncolumns + 1) * sizeof(TrackColumn));
		column = &track->column[track->ncolumns++];
		memset(column, 0, sizeof(*column));
		column->attnum = own;
		column->typid = typid;
		column->collation = collation;
		get_typlenbyval(typid, &column->typlen, &column->typbyval);
		fmgr_info_cxt(hash, &column->hash, CurrentMemoryContext);
		column->name = palloc(track->nrelids * sizeof(TrackName));
	}
	column->name[column->nnames].relid = relid;
	column->name[column->nnames].attnum = attnum;
	column->nnames++;
}

RtcTrack *
rtc_track_make(Oid relid)
{
	RtcTrack   *track = palloc0(sizeof(RtcTrack));
	List	   *relids = with_ancestors(relid, false);
	ListCell   *lc;

	track->relids = palloc(list_length(relids) * sizeof(Oid));
	foreach(lc, relids)
		track->relids[track->nrelids++] = lfirst_oid(lc);
	for (int i = 0; i < track->nrelids; i++)
	{
		foreach(lc, leading_columns(track->relids[i]))
			add_column(track, track->relids[i], lfirst_int(lc));
	}
	return track;
}

bool
rtc_track_has(const RtcTrack *track, Oid relid)
{
	for (int i = 0; i < track->nrelids; i++)
	{
		if (track->relids[i] == relid)
			return true;
	}
	return false;
}

/* Notes that anything in a relation may have changed. */
static void
add_bulk(Oid relid)
{
	(void) rtc_oplist_add_dep(rtc_dep_relation(relid), relid);
	(void) rtc_oplist_add_dep(rtc_dep_bulk(relid), relid);
}

/* Names a value.  The track may be stale, but stays in memory. */
static void
add_value(RtcTrack *track, TrackColumn *column, Datum value)
{
	uint64		hash = DatumGetUInt64(FunctionCall2Coll(&column->hash,
														column->collation,
														value,
														Int64GetDatum(0)));

	for (int i = 0; i < column->nnames; i++)
	{
		TrackName  *name = &column->name[i];

		if (rtc_oplist_add_dep(rtc_dep_value(name->relid, name->attnum, hash),
							   name->relid))
			track->nvalues++;
	}
}

void
rtc_track_row(RtcTrack *track, const RtcRowChange *change)
{
	FullTransactionId fxid = GetTopFullTransactionId();

	if (!FullTransactionIdEquals(track->fxid, fxid))
	{
		for (int i = 0; i < track->nrelids; i++)
			(void) rtc_oplist_add_dep(rtc_dep_relation(track->relids[i]),
									  track->relids[i]);
		track->fxid = fxid;
		track->nvalues = 0;
		track->bulk = false;
	}
	if (track->bulk)
		return;

	if (track->nvalues >= RTC_TRACK_MAX_VALUES)
	{
		for (int i = 0; i < track->nrelids; i++)
			add_bulk(track->relids[i]);
		track->bulk = true;
		return;
	}

	for (int i = 0; i < track->ncolumns; i++)
	{
		TrackColumn *column = &track->column[i];
		Datum		oldvalue = (Datum) 0;
		Datum		newvalue = (Datum) 0;
		bool		oldnull = true;
		bool		newnull = true;

		if (change->oldrow != NULL)
			oldvalue = heap_getattr(change->oldrow, column->attnum,
									change->desc, &oldnull);
		if (change->newrow != NULL)
			newvalue = heap_getattr(change->newrow, column->attnum,
									change->desc, &newnull);
		if (!oldnull)
			add_value(track, column, oldvalue);
		if (!newnull &&
			(oldnull || !datumIsEqual(oldvalue, newvalue, column->typbyval,
									  column->typlen)))
			add_value(track, column, newvalue);
	}
}

void
rtc_track_all_rows(Oid relid)
{
	ListCell   *lc;

	foreach(lc, with_ancestors(relid, false))
		add_bulk(lfirst_oid(lc));
}

void
rtc_track_ddl(Oid relid)
{
	ListCell   *lc;

	foreach(lc, with_ancestors(relid, true))
		add_bulk(lfirst_oid(lc));
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
	{
		foreach(lc, find_all_inheritors(relid, NoLock, NULL))
			add_bulk(lfirst_oid(lc));
	}
}
