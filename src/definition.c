/*-------------------------------------------------------------------------
 *
 * definition.c
 *		Definitions on which the answers of any query may depend.
 *
 * An answer is named after the relations that it comes from.  Some of what
 * makes it is none, and no list of the query's functions and types would be
 * complete, since a function may call others: so DDL on these clears the cache
 * of the database.
 *
 * -   A function, or an aggregate, that is replaced, altered or dropped.  A new
 *	   one is called by nobody yet; triggers cannot be called at all.
 *
 * -   A type or domain that is altered.
 *
 * -   A relation whose row type is that of a column elsewhere, or of what a
 *	   function takes or gives: with it, those values look different.
 *
 * -   A cast, which decides how values of a type become JSON.
 *
 * -   A configuration or dictionary of text search: functions that use it are
 *	   IMMUTABLE all the same.
 *
 * Functions in a temporary schema do not count: queries that call them are not
 * cached (cacheable.c), and everybody may make one.
 *
 * MODEL: called by the event triggers (ddl.c), in the transaction of the DDL.
 * Reads catalogs, keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "catalog_row.h"
#include "definition.h"
#include "track.h"

/* Can a query have called this function, by whatever way? */
static bool
is_called(Form_pg_proc function)
{
	return function->prorettype != TRIGGEROID &&
		function->prorettype != EVENT_TRIGGEROID &&
		!isAnyTempNamespace(function->pronamespace);
}

/* Was a function there before the current command made or altered it? */
static bool
function_altered(Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	bool		altered;

	if (!HeapTupleIsValid(tuple))
		return false;
	altered = (tuple->t_data->t_infomask & HEAP_UPDATED) != 0 &&
		is_called((Form_pg_proc) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	return altered;
}

bool
rtc_definition_altered(Oid classid, Oid objid, const char *tag)
{
	static const char text_search[] = "ALTER TEXT SEARCH";

	return classid == CastRelationId ||
		(classid == ProcedureRelationId && function_altered(objid)) ||
		strcmp(tag, "ALTER TYPE") == 0 ||
		strcmp(tag, "ALTER DOMAIN") == 0 ||
		strncmp(tag, text_search, strlen(text_search)) == 0;
}

bool
rtc_definition_dropped(Oid classid, Oid objid)
{
	Relation	catalog;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		called = false;

	if (classid != ProcedureRelationId)
		return classid == CastRelationId;

	catalog = table_open(ProcedureRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_proc_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(objid));
	scan = systable_beginscan(catalog, ProcedureOidIndexId, true, SnapshotAny,
							  1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		if (rtc_deleted_here(tuple))
			called |= is_called((Form_pg_proc) GETSTRUCT(tuple));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return called;
}

/* Does anything use a type, but what belongs to it? */
static bool
type_used(Oid typid)
{
	Relation	catalog;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		used = false;

	if (!OidIsValid(typid))
		return false;
	catalog = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(TypeRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(typid));
	scan = systable_beginscan(catalog, DependReferenceIndexId, true, NULL,
							  2, key);
	while (!used && (tuple = systable_getnext(scan)) != NULL)
		used = ((Form_pg_depend) GETSTRUCT(tuple))->deptype != DEPENDENCY_INTERNAL;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return used;
}

bool
rtc_row_type_used(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		Oid			type = get_rel_type_id(lfirst_oid(lc));

		if (type_used(type) || type_used(get_array_type(type)))
			return true;
	}
	return false;
}
