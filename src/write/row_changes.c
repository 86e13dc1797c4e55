/*-------------------------------------------------------------------------
 *
 * row_changes.c
 *		Which dependencies a change of a relation moves.
 *
 * A reader that pins a column by equality depends on the rows with that value
 * if some index leads with the column, else on all of the relation (dep.c).  So
 * a writer names, for each row it changes,
 *
 *		the relation
 *		the OLD and the NEW value of each column that leads an index
 *
 * and both again for each ancestor, partitioned table or inheritance parent,
 * under the ancestor's OID, column number, indexes and collation: whoever reads
 * the ancestor sees the row as well.  A column that an UPDATE leaves alone is
 * named too, for other columns of that row have changed.  NULL is not: equality
 * does not find it.
 *
 * Any index counts, also one that is not valid yet, or not any more: an index
 * that readers may use must have been seen by all writers before, and is to be
 * seen by them for as long as there are answers that were named after it.
 *
 * A transaction that names RTC_TRACK_MAX_VALUES values for the rows of one
 * relation says instead that anything in it may have changed (rtc_dep_bulk),
 * and hashes no more.
 *
 * MODEL: runs in the backend that writes, from AFTER triggers.  What to do for
 * a relation is worked out once and kept in track_hash.  That looks at
 * catalogs without a lock on the ancestors, because a lock on a parent behind
 * one on its child invites deadlocks; invalidation of any relation involved
 * marks the entry stale, and one that arrives while the entry is being made
 * has it made again.  A stale entry may be in use further up the stack, if the
 * hash function of a type is written in SQL; so it is forgotten by an outermost
 * trigger only, and what it occupies when it is made again deeper down lives on
 * to the end of the transaction.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/catalog_row.h"
#include "dep/value_hash.h"
#include "write/oplist.h"
#include "write/row_changes.h"

/* Values of one relation that a transaction names before it gives up. */
#define RTC_TRACK_MAX_VALUES 1000

/* How often an entry is made again when catalogs change meanwhile. */
#define RTC_TRACK_TRIES 10

/* A column as some relation knows it: what its values are named after. */
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
	int			nnames;			/* the relation and its ancestors, those that
								 * have an index on the column */
	TrackName  *name;
} TrackColumn;

/* What to do when a row of a relation changes. */
typedef struct Track
{
	Oid			relid;			/* hash key */
	bool		stale;			/* make it again before use */
	MemoryContext cxt;			/* holds the arrays */
	int			nrelids;		/* the relation itself first, then ancestors */
	Oid		   *relids;
	int			ncolumns;
	TrackColumn *column;

	/* about one transaction */
	FullTransactionId fxid;		/* this one */
	int			nvalues;		/* values that it has named */
	bool		bulk;			/* too many: all of the relation counts */
} Track;

static HTAB *track_hash = NULL;
static bool have_stale = false; /* some entry is */
static uint64 invalidations = 0;	/* seen so far */

static void
relation_invalidated(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	Track	   *track;

	invalidations++;
	if (hash_get_num_entries(track_hash) == 0)
		return;

	hash_seq_init(&seq, track_hash);
	while ((track = hash_seq_search(&seq)) != NULL)
	{
		for (int i = 0; i < track->nrelids; i++)
		{
			if (relid == InvalidOid || track->relids[i] == relid)
				track->stale = have_stale = true;
		}
	}
}

/* An operator class: it may be the one that makes a type hashable. */
static void
opclass_invalidated(Datum arg, int cacheid, uint32 hashvalue)
{
	relation_invalidated(arg, InvalidOid);
}

static void
track_hash_init(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(Track);
	ctl.hcxt = TopMemoryContext;
	track_hash = hash_create("rtcache tracked relations", 32, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(CLAOID, opclass_invalidated, (Datum) 0);
}

/*
 * Appends the parents of a relation to a list.  deleted: those that this
 * transaction has taken from it, instead of those it has.
 */
static List *
append_parents(List *relids, Oid relid, bool deleted)
{
	Relation	catalog = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true,
							  deleted ? SnapshotAny : NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);

		if (!deleted || rtc_deleted_here(tuple))
			relids = list_append_unique_oid(relids, form->inhparent);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relids;
}

/* A relation and its ancestors; deleted: former ones as well. */
static List *
with_ancestors(Oid relid, bool deleted)
{
	List	   *relids = list_make1_oid(relid);

	for (int i = 0; i < list_length(relids); i++)
	{
		Oid			child = list_nth_oid(relids, i);

		relids = append_parents(relids, child, false);
		if (deleted)
			relids = append_parents(relids, child, true);
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
	Relation	catalog = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *attnums = NIL;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, IndexIndrelidIndexId, true, NULL,
							  1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		AttrNumber	attnum = ((Form_pg_index) GETSTRUCT(tuple))->indkey.values[0];

		/* 0 is an expression */
		if (attnum > 0)
			attnums = list_append_unique_int(attnums, attnum);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return attnums;
}

/*
 * Adds a column of a relation or of an ancestor, in the current memory
 * context.  What has no hash function cannot be named by readers either.
 */
static void
add_column(Track *track, Oid relid, AttrNumber attnum)
{
	AttrNumber	own = attnum;
	Oid			typid;
	int32		typmod;
	Oid			collation;
	Oid			hash;
	TrackColumn *column = NULL;

	if (relid != track->relid)
	{
		char	   *name = get_attname(relid, attnum, true);

		own = name != NULL ? get_attnum(track->relid, name) : InvalidAttrNumber;
		if (own == InvalidAttrNumber)
			return;
	}
	get_atttypetypmodcoll(relid, attnum, &typid, &typmod, &collation);
	hash = rtc_hash_function(typid);
	if (!OidIsValid(hash))
		return;

	/* Types and collations are the same all over a tree; but who knows. */
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

/* Works out what to do for a relation, in a memory context of its own. */
static void
make_track(Track *made, Oid relid)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "rtcache tracked relation",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext oldcxt = MemoryContextSwitchTo(cxt);
	List	   *relids = with_ancestors(relid, false);
	ListCell   *lc;

	memset(made, 0, sizeof(*made));
	made->relid = relid;
	made->cxt = cxt;
	made->relids = palloc(list_length(relids) * sizeof(Oid));
	foreach(lc, relids)
		made->relids[made->nrelids++] = lfirst_oid(lc);

	for (int i = 0; i < made->nrelids; i++)
	{
		foreach(lc, leading_columns(made->relids[i]))
			add_column(made, made->relids[i], lfirst_int(lc));
	}
	MemoryContextSwitchTo(oldcxt);
}

/*
 * Forgets all stale entries, those of dropped relations among them; only when
 * none can be in use.
 */
static void
sweep_tracks(void)
{
	HASH_SEQ_STATUS seq;
	Track	   *track;

	hash_seq_init(&seq, track_hash);
	while ((track = hash_seq_search(&seq)) != NULL)
	{
		if (track->stale)
		{
			MemoryContextDelete(track->cxt);
			(void) hash_search(track_hash, &track->relid, HASH_REMOVE, NULL);
		}
	}
	have_stale = false;
}

/* As for find_rule() in trigger.c: in a trigger of a trigger, one may be. */
static Track *
find_track(Oid relid)
{
	Track	   *track;
	Track		made;
	uint64		before;
	bool		found;

	if (track_hash == NULL)
		track_hash_init();

	if (have_stale &&
		DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) <= 1)
		sweep_tracks();

	track = hash_search(track_hash, &relid, HASH_FIND, NULL);
	if (track != NULL && !track->stale)
		return track;

	for (int tries = 1;; tries++)
	{
		before = invalidations;
		make_track(&made, relid);
		if (before == invalidations || tries == RTC_TRACK_TRIES)
			break;
		MemoryContextDelete(made.cxt);
	}
	made.stale = before != invalidations;
	have_stale |= made.stale;

	track = hash_search(track_hash, &relid, HASH_ENTER, &found);
	if (found)
		MemoryContextSetParent(track->cxt, TopTransactionContext);
	*track = made;
	MemoryContextSetParent(track->cxt, TopMemoryContext);
	return track;
}

/* Says that anything in these relations may have changed. */
static void
add_bulk(Oid relid)
{
	(void) rtc_oplist_add_dep(rtc_dep_relation(relid));
	(void) rtc_oplist_add_dep(rtc_dep_bulk(relid));
}

/* Names a value.  The track may have become stale, but it is there. */
static void
add_value(Track *track, TrackColumn *column, Datum value)
{
	uint64		hash = DatumGetUInt64(FunctionCall2Coll(&column->hash,
														column->collation,
														value,
														Int64GetDatum(0)));

	for (int i = 0; i < column->nnames; i++)
	{
		TrackName  *name = &column->name[i];

		if (rtc_oplist_add_dep(rtc_dep_value(name->relid, name->attnum, hash)))
			track->nvalues++;
	}
}

void
rtc_track_row(Oid relid, TupleDesc desc, HeapTuple oldrow, HeapTuple newrow)
{
	Track	   *track = find_track(relid);
	FullTransactionId fxid = GetTopFullTransactionId();
	TrackColumn *columns;
	int			ncolumns;

	if (!FullTransactionIdEquals(track->fxid, fxid))
	{
		for (int i = 0; i < track->nrelids; i++)
			(void) rtc_oplist_add_dep(rtc_dep_relation(track->relids[i]));
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

	/* If a hash function writes, the track may be made again meanwhile. */
	columns = track->column;
	ncolumns = track->ncolumns;
	for (int i = 0; i < ncolumns; i++)
	{
		TrackColumn *column = &columns[i];
		Datum		oldvalue = (Datum) 0;
		Datum		newvalue = (Datum) 0;
		bool		oldnull = true;
		bool		newnull = true;

		if (oldrow != NULL)
			oldvalue = heap_getattr(oldrow, column->attnum, desc, &oldnull);
		if (newrow != NULL)
			newvalue = heap_getattr(newrow, column->attnum, desc, &newnull);
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
