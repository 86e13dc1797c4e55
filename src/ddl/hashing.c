/*-------------------------------------------------------------------------
 *
 * hashing.c
 *		What DDL on operator classes does to rows that are named by values.
 *
 * The hash function that names rows is that of the operator class of the type
 * (value_hash.c).  Readers and writers remember it.  When DDL gives a type
 * another one, a writer that remembers the former must not commit after a
 * reader has learned the new one.  So the writers of all tables concerned are
 * waited for, and others are kept out until the DDL commits.
 *
 * Model: called by the event triggers, in the transaction of the DDL.  Locks
 * tables that have rules.  May raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "ddl/hashing.h"
#include "dep/value_hash.h"
#include "rule/rule_catalog.h"
#include "write/forget.h"

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
