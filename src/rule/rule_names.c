/*-------------------------------------------------------------------------
 *
 * rule_names.c
 *		The names that {.schema} and {.table} stand for.
 *
 * They are those of the table that the rule was made on.  A row of a partition
 * has the key that the partitioned table gives it, so a clone uses the names
 * of the original's table.  An inheritance child has triggers of its own,
 * which use its own names.
 *
 * A table loses its name when it is renamed, moved or dropped, or when its
 * schema is renamed.  Keys under the former name must go, so names are also
 * read from catalog rows that this transaction has deleted.
 *
 * Model: called inside a transaction.  Reads catalogs without a lock on the
 * table.  Results are in the current memory context.
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/catalog_rows.h"
#include "rule/rule_names.h"

void
rtc_names_of(Oid relid, RtcNames *names)
{
	names->relid = relid;
	names->table = get_rel_name(relid);
	names->schema = names->table == NULL ? NULL :
		get_namespace_name(get_rel_namespace(relid));
}

/* Adds a pair of names that the list does not have. */
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

/* Adds the names in one version of a row of pg_class. */
/* Adds the names that one version of a table's row in pg_class tells. */
static List *
add_version(List *list, Form_pg_class form)
{
	char	   *schema = get_namespace_name(form->relnamespace);
	ListCell   *lc;

	if (schema != NULL)
		list = add_names(list, form->oid, schema, NameStr(form->relname));
	foreach(lc, rtc_catalog_rows(NamespaceRelationId, NamespaceOidIndexId,
								 Anum_pg_namespace_oid, form->relnamespace,
								 RTC_ROWS_DELETED))
	{
		Form_pg_namespace old = (Form_pg_namespace) GETSTRUCT((HeapTuple) lfirst(lc));

		list = add_names(list, form->oid, NameStr(old->nspname),
						 NameStr(form->relname));
	}
	return list;
}

List *
rtc_names_had(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	List	   *list = NIL;
	ListCell   *lc;

	if (HeapTupleIsValid(tuple))
	{
		list = add_version(list, (Form_pg_class) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}
	foreach(lc, rtc_catalog_rows(RelationRelationId, ClassOidIndexId,
								 Anum_pg_class_oid, relid, RTC_ROWS_DELETED))
		list = add_version(list, (Form_pg_class) GETSTRUCT((HeapTuple) lfirst(lc)));
	return list != NIL ? list : list_make1(palloc0(sizeof(RtcNames)));
}
