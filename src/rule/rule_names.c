/*-------------------------------------------------------------------------
 *
 * rule_names.c
 *		The names that {.schema} and {.table} stand for.
 *
 * They are those of the table that the rule was made on.  A row of a partition
 * has the key that the partitioned table gives it, wherever it is moved, so
 * clones in partitions use the names of the original's table.  An inheritance
 * child has triggers of its own, and so names of its own.
 *
 * A table can lose its name by being renamed or moved, by its schema being
 * renamed, and by being dropped.  The keys under the name that it had must go,
 * so the names are also read from the catalog rows that this transaction has
 * deleted.
 *
 * MODEL: called inside a transaction.  Reads catalogs; takes no lock on the
 * table.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/catalog_row.h"
#include "rule/rule_names.h"

Oid
rtc_rule_table(Oid tgoid, bool dropped)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	Oid			relid = InvalidOid;

	while (OidIsValid(tgoid))
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(tgoid));
		scan = systable_beginscan(catalog, TriggerOidIndexId, true,
								  dropped ? SnapshotAny : NULL, 1, &key);
		tuple = systable_getnext(scan);
		tgoid = InvalidOid;
		if (HeapTupleIsValid(tuple))
		{
			/* all versions of a trigger have the same parent */
			relid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
			tgoid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgparentid;
		}
		systable_endscan(scan);
	}
	table_close(catalog, AccessShareLock);
	return relid;
}

void
rtc_names_of(Oid relid, RtcNames *names)
{
	names->relid = relid;
	names->table = get_rel_name(relid);
	names->schema = names->table == NULL ? NULL :
		get_namespace_name(get_rel_namespace(relid));
}

/* Adds names to a list that does not have them. */
static List *
add_names(List *list, Oid relid, const char *schema, const char *table)
{
	RtcNames   *names;
	ListCell   *lc;

	foreach(lc, list)
	{
		names = lfirst(lc);
		if (strcmp(names->schema, schema) == 0 &&
			strcmp(names->table, table) == 0)
			return list;
	}
	names = palloc(sizeof(RtcNames));
	names->relid = relid;
	names->schema = pstrdup(schema);
	names->table = pstrdup(table);
	return lappend(list, names);
}

/* The names, as texts, that a schema has or had in this transaction. */
static List *
schema_names(Oid schema)
{
	Relation	catalog = table_open(NamespaceRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *name = get_namespace_name(schema);
	List	   *list = name != NULL ? list_make1(name) : NIL;

	ScanKeyInit(&key, Anum_pg_namespace_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(schema));
	scan = systable_beginscan(catalog, NamespaceOidIndexId, true, SnapshotAny,
							  1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_namespace form = (Form_pg_namespace) GETSTRUCT(tuple);

		if (rtc_deleted_here(tuple))
			list = lappend(list, pstrdup(NameStr(form->nspname)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return list;
}

/* Adds the names that one version of a table's row in pg_class tells. */
static List *
add_version(List *list, Form_pg_class form)
{
	ListCell   *lc;

	foreach(lc, schema_names(form->relnamespace))
		list = add_names(list, form->oid, lfirst(lc), NameStr(form->relname));
	return list;
}

List *
rtc_names_had(Oid relid)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *list = NIL;

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (HeapTupleIsValid(tuple))
	{
		list = add_version(list, (Form_pg_class) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, SnapshotAny,
							  1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		if (rtc_deleted_here(tuple))
			list = add_version(list, (Form_pg_class) GETSTRUCT(tuple));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return list != NIL ? list : list_make1(palloc0(sizeof(RtcNames)));
}
