/*-------------------------------------------------------------------------
 *
 * value_hash.c
 *		By which function values are hashed, when rows are named after them.
 *
 * Writers must name whatever readers may name, so both ask here.  A writer
 * keeps what it was told (row_changes.c) until it hears of a change, and it may have
 * written before that.  So it must not happen that values which had no hash
 * function get one behind its back.
 *
 * -   A composite type, and a range of the user's, is hashable if its parts
 *	   are, which come and go with ALTER TYPE: these are not named.  Arrays are
 *	   if their elements come with the server, or are enums.
 *
 * -   A base type, be it of an extension, is as hashable as its operator class
 *	   says.  DDL on that waits for the writers of all tables that it concerns
 *	   and locks others out until it commits.
 *
 * MODEL: any backend, inside a transaction.  Reads catalogs and caches of the
 * server, keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/hash.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "dep/value_hash.h"
#include "rule/rule.h"

Oid
rtc_hash_family(Oid typid)
{
	return lookup_type_cache(typid, TYPECACHE_HASH_OPFAMILY)->hash_opf;
}

Oid
rtc_hash_function(Oid typid)
{
	Oid			base = getBaseType(typid);
	Oid			element = get_element_type(base);
	bool		compound = OidIsValid(element);
	TypeCacheEntry *type;

	if (compound)
		base = getBaseType(element);
	switch (get_typtype(base))
	{
		case TYPTYPE_ENUM:
			break;
		case TYPTYPE_BASE:
			if (compound && base >= FirstNormalObjectId)
				return InvalidOid;
			break;
		case TYPTYPE_RANGE:
		case TYPTYPE_MULTIRANGE:
			if (base >= FirstNormalObjectId)
				return InvalidOid;
			compound = true;
			break;
		default:
			return InvalidOid;
	}

	/* The type cache tells whether the parts are hashable, ... */
	if (compound)
		return lookup_type_cache(typid, TYPECACHE_HASH_EXTENDED_PROC)->hash_extended_proc;

	/* ... and is not told when a family gets or loses a function. */
	type = lookup_type_cache(typid, TYPECACHE_HASH_OPFAMILY);
	if (!OidIsValid(type->hash_opf))
		return InvalidOid;
	return get_opfamily_proc(type->hash_opf, type->hash_opintype,
							 type->hash_opintype, HASHEXTENDED_PROC);
}

/* ---------------- changes ---------------- */

/* The family of an operator class, or it itself; invalid if it cannot hash. */
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

/* Does a relation have a column whose values are compared by this family? */
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

/* The tables that have rules. */
static List *
tables_with_rules(void)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *relids = NIL;

	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!list_member_oid(relids, trigger->tgrelid) &&
			rtc_rule_kind(trigger->tgfoid) != RTC_RULE_NONE)
			relids = lappend_oid(relids, trigger->tgrelid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relids;
}

/* What readers and writers keep is to be made anew. */
static void
start_over(void)
{
	rtc_add_clear_op();
	CacheInvalidateRelcacheAll();
}

void
rtc_hashing_altered(Oid classid, Oid objid)
{
	Oid			family = family_of(classid, objid);
	bool		concerned = false;
	List	   *relids;
	ListCell   *lc;

	if (!OidIsValid(family))
		return;

	/* in the order of their OIDs, as others lock tables of a tree */
	relids = tables_with_rules();
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

/* Writers may know more than readers, so nobody need be waited for. */
void
rtc_hashing_dropped(Oid classid)
{
	if (classid == OperatorClassRelationId ||
		classid == OperatorFamilyRelationId ||
		classid == AccessMethodProcedureRelationId ||
		classid == AccessMethodOperatorRelationId)
		start_over();
}
