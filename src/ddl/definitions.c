/*-------------------------------------------------------------------------
 *
 * definitions.c
 *		What DDL on functions, types, operator classes and the like ends.
 *
 * A lookup after the DDL asks another question (meaning.c).  This is for
 * programs that read Redis themselves, and for cache_peek().
 *
 * -   Answers depend on the functions and types that their queries are made of
 *	   (rtc_dep_definition()), and end when one is altered, replaced or dropped.
 *	   If a function may call others, nobody knows which, so all count.  Nobody
 *	   uses a new function or type yet, but a new cast decides how values become
 *	   JSON.
 *
 * -   Rows that rules have stored are deleted if the text of a column may have
 *	   changed.
 *
 * A relation counts as a type if a column elsewhere or a function uses its row
 * type.  Functions in a temporary schema do not count: queries that call them
 * are not cached (cacheable.c).
 *
 * -   The hash function that names rows is that of the operator class of the
 *	   type (value_hash.c).  Readers and writers remember it.  When DDL gives a
 *	   type another one, a writer that remembers the former must not commit after
 *	   a reader has learned the new one.  So the writers of all tables concerned
 *	   are waited for, and others are kept out until the DDL commits.
 *
 * Model: called by event_triggers.c, in the transaction of the DDL.  Reads
 * catalogs, locks tables that have rules, keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_ts_config.h"
#include "catalog/pg_ts_dict.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/catalog_rows.h"
#include "ddl/definitions.h"
#include "dep/value_hash.h"
#include "rule/rule_catalog.h"
#include "write/forget.h"
#include "write/oplist.h"

/* Can a query call this function? */
static bool
is_called(Form_pg_proc function)
{
	return function->prorettype != TRIGGEROID &&
		function->prorettype != EVENT_TRIGGEROID &&
		!isAnyTempNamespace(function->pronamespace);
}

/* Has the current command altered a function that was there before? */
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
	ListCell   *lc;

	if (classid != ProcedureRelationId)
		return classid == CastRelationId;
	foreach(lc, rtc_catalog_rows(ProcedureRelationId, ProcedureOidIndexId,
								 Anum_pg_proc_oid, objid, RTC_ROWS_DELETED))
	{
		if (is_called((Form_pg_proc) GETSTRUCT((HeapTuple) lfirst(lc))))
			return true;
	}
	return false;
}

/* Does anything but its own parts use a type? */
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

/* ---------------- what such a change ends ---------------- */

/* Does a function that is not the server's write values of this type? */
static bool
is_written_by_function(Oid typid)
{
	Oid			output;
	bool		isvarlena;

	getTypeOutputInfo(typid, &output, &isvarlena);
	return output >= FirstNormalObjectId ||
		SearchSysCacheExists2(CASTSOURCETARGET, ObjectIdGetDatum(typid),
							  ObjectIdGetDatum(JSONOID));
}

/*
 * Can the text of values of this type have changed, by a change of functions
 * or of any definition?
 */
static bool
type_concerned(Oid typid, bool functions_only)
{
	Oid			element = get_element_type(typid);
	bool		concerned = false;

	check_stack_depth();
	if (OidIsValid(element))
		return type_concerned(element, functions_only);
	if (typid < FirstNormalObjectId)
		return false;
	if (!functions_only || is_written_by_function(typid))
		return true;
	if (get_typtype(typid) == TYPTYPE_DOMAIN)
		return type_concerned(getBaseType(typid), functions_only);
	if (get_typtype(typid) == TYPTYPE_COMPOSITE)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc(typid, -1);

		for (int i = 0; i < desc->natts && !concerned; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);

			concerned = !att->attisdropped &&
				type_concerned(att->atttypid, functions_only);
		}
		ReleaseTupleDesc(desc);
	}
	return concerned;
}

/* The same for a row of a table.  Takes no lock. */
static bool
row_concerned(Oid relid, bool functions_only)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int			natts;

	if (!HeapTupleIsValid(tuple))
		return false;
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);

	for (AttrNumber attnum = 1; attnum <= natts; attnum++)
	{
		Oid			typid = get_atttype(relid, attnum);

		if (OidIsValid(typid) && type_concerned(typid, functions_only))
			return true;
	}
	return false;
}

/* Deletes the rows that rules have stored of tables that are concerned. */
static void
forget_rows(bool functions_only)
{
	ListCell   *lc;

	/* clones have the keys of the original */
	foreach(lc, rtc_all_rules(false))
	{
		RtcRuleRow *rule = lfirst(lc);

		if (rule->text.kind != RTC_RULE_WRITE_THROUGH ||
			!row_concerned(rule->relid, functions_only))
			continue;
		rule->text.del = NIL;
		rule->text.tag = NIL;
		rtc_forget_rule_ever(&rule->text, rule->relid);
	}
}

void
rtc_definition_note(RtcDefinitionChange *change, Oid classid, Oid objid)
{
	if (classid == ProcedureRelationId)
		change->functions = true;
	else
		change->others = true;
	if (classid == RelationRelationId)
	{
		classid = TypeRelationId;	/* of its rows */
		objid = get_rel_type_id(objid);
	}
	if (classid == TSDictionaryRelationId)
		classid = TSConfigRelationId;
	if (classid == CastRelationId || classid == TSConfigRelationId)
		objid = InvalidOid;
	(void) rtc_oplist_add_dep(rtc_dep_definition(classid, objid), InvalidOid);
	(void) rtc_oplist_add_dep(rtc_dep_definition(InvalidOid, InvalidOid),
							  InvalidOid);
}

void
rtc_definition_forget_rows(const RtcDefinitionChange *change)
{
	if (change->functions || change->others)
		forget_rows(!change->others);
}

/* ---------------- how values are hashed ---------------- */

/* The hash family that an object is or belongs to; InvalidOid = none. */
static Oid
family_of(Oid classid, Oid objid)
{
	Oid			family = InvalidOid;
	HeapTuple	tuple;

	if (classid == OperatorClassRelationId)
		objid = get_opclass_family(objid);
	else if (classid != OperatorFamilyRelationId)
		return InvalidOid;
	tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(objid));
	if (HeapTupleIsValid(tuple))
	{
		if (((Form_pg_opfamily) GETSTRUCT(tuple))->opfmethod == HASH_AM_OID)
			family = objid;
		ReleaseSysCache(tuple);
	}
	return family;
}

/* Does a relation have a column whose values are hashed by this family? */
static bool
has_column_of(Oid relid, Oid family)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		found = false;

	if (rel == NULL)
		return false;
	for (int i = 0; i < RelationGetDescr(rel)->natts && !found; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		found = !att->attisdropped && rtc_hash_family(att->atttypid) == family;
	}
	relation_close(rel, NoLock);
	return found;
}

/* Has all readers and writers begin anew. */
static void
start_over(void)
{
	rtc_forget_all();
	CacheInvalidateRelcacheAll();
}

void
rtc_hashing_altered(Oid classid, Oid objid)
{
	Oid			family = family_of(classid, objid);
	bool		concerned = false;
	List	   *relids = NIL;
	ListCell   *lc;

	if (!OidIsValid(family))
		return;
	foreach(lc, rtc_all_rules(true))
		relids = list_append_unique_oid(relids,
										((RtcRuleRow *) lfirst(lc))->relid);

	/* in the order of OIDs, as others lock tables of a tree */
	list_sort(relids, list_oid_cmp);
	foreach(lc, relids)
	{
		if (has_column_of(lfirst_oid(lc), family))
		{
			LockRelationOid(lfirst_oid(lc), ShareLock);
			concerned = true;
		}
	}
	if (concerned)
		start_over();
}

/* Writers may know more than readers, so nobody is waited for. */
void
rtc_hashing_dropped(Oid classid)
{
	if (classid == OperatorClassRelationId ||
		classid == OperatorFamilyRelationId ||
		classid == AccessMethodProcedureRelationId ||
		classid == AccessMethodOperatorRelationId)
		start_over();
}
