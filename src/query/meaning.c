/*-------------------------------------------------------------------------
 *
 * meaning.c
 *		What a query text means.
 *
 * An answer in a cache is found by the query that it answers.  The text is not
 * enough: its objects may have been replaced by others of the same name, or
 * altered.  So a query is identified by its text, by the tree that the parser
 * and the rewriter have made of it (with the OIDs that its names resolve to),
 * and by the definitions of these objects in the catalogs.  If DDL changes a
 * definition, it is another query.  If DDL leaves all of them alone or is
 * undone, it is the same query with the same answers.
 *
 * The server's own objects do not change, except configurations and
 * dictionaries of text search, which may be altered.
 *
 * A function in SQL or in a procedural language is opaque: its body finds
 * functions, operators, casts and so on by name.  So all of those count that
 * are not the server's, and the order of schemas in the search path.  A
 * function in C does what the library does.  One that is IMMUTABLE says that
 * it depends on no table.
 *
 * Rows of catalogs are described by a hash of their bytes, which are the same
 * on a standby.
 *
 * Model: called when a query is prepared (plan.c), in a transaction with the
 * relations of the query locked.  Reads catalogs.  Hashes of whole catalogs
 * are kept until one of their rows changes (catalog_watch.c).
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
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_ts_config.h"
#include "catalog/pg_ts_config_map.h"
#include "catalog/pg_ts_dict.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "query/catalog_watch.h"
#include "query/meaning.h"

/* Groups of catalogs that count as a whole */
typedef enum PartGroup
{
	GROUP_CODE,					/* what the body of a function can name */
	GROUP_TYPES,				/* types, which change more often */
	GROUP_CLASSES,				/* how values are compared */
	GROUP_TEXT_SEARCH
} PartGroup;

typedef struct Part
{
	PartGroup	group;
	Oid			catalog;
	Oid			index;			/* on the first column, an OID, first */
} Part;

static const Part parts[] = {
	{GROUP_CODE, ProcedureRelationId, ProcedureOidIndexId},
	{GROUP_CODE, AggregateRelationId, AggregateFnoidIndexId},
	{GROUP_CODE, OperatorRelationId, OperatorOidIndexId},
	{GROUP_CODE, CastRelationId, CastOidIndexId},
	{GROUP_CODE, EnumRelationId, EnumOidIndexId},
	{GROUP_CODE, CollationRelationId, CollationOidIndexId},
	{GROUP_CODE, NamespaceRelationId, NamespaceOidIndexId},
	{GROUP_TYPES, TypeRelationId, TypeOidIndexId},
	{GROUP_TYPES, RelationRelationId, ClassOidIndexId},
	{GROUP_TYPES, ConstraintRelationId, ConstraintOidIndexId},
	{GROUP_CLASSES, OperatorClassRelationId, OpclassOidIndexId},
	{GROUP_CLASSES, AccessMethodOperatorRelationId,
	AccessMethodOperatorOidIndexId},
	{GROUP_CLASSES, AccessMethodProcedureRelationId,
	AccessMethodProcedureOidIndexId},
	{GROUP_TEXT_SEARCH, TSConfigRelationId, TSConfigOidIndexId},
	{GROUP_TEXT_SEARCH, TSConfigMapRelationId, TSConfigMapIndexId},
	{GROUP_TEXT_SEARCH, TSDictionaryRelationId, TSDictionaryOidIndexId}
};

/* The hash of a group, as of a count of changes; 0 = unknown. */
typedef struct GroupHash
{
	uint64		changes;		/* of the catalogs, + 1 */
	uint64		hash;
} GroupHash;

static GroupHash group_hash[GROUP_TEXT_SEARCH + 1];

/* ---------------- what it is made of ---------------- */

/* Does the body of a function find other objects by name? */
static bool
is_opaque(Oid funcid)
{
	Oid			language = GetSysCacheOid1(PROCOID, Anum_pg_proc_prolang,
										   ObjectIdGetDatum(funcid));

	/* aggregates are internal too */
	return OidIsValid(language) && language != INTERNALlanguageId &&
		language != ClanguageId;
}

/* Does text search depend on values of this type? */
static bool
is_text_search_type(Oid typid)
{
	return typid == TSVECTOROID || typid == TSQUERYOID ||
		typid == REGCONFIGOID || typid == REGDICTIONARYOID;
}

void
rtc_meaning_find(RtcMeaning *meaning, List *functions, List *types)
{
	ListCell   *lc;

	memset(meaning, 0, sizeof(RtcMeaning));
	foreach(lc, functions)
	{
		Oid			funcid = lfirst_oid(lc);

		if (funcid < FirstNormalObjectId)
			continue;
		meaning->functions = lappend_oid(meaning->functions, funcid);
		meaning->opaque |= is_opaque(funcid);
	}
	foreach(lc, types)
	{
		Oid			typid = lfirst_oid(lc);

		meaning->text_search |= is_text_search_type(typid);
		if (typid < FirstNormalObjectId ||
			OidIsValid(get_element_type(typid)))
			continue;
		meaning->types = lappend_oid(meaning->types, typid);
		if (get_typtype(typid) == TYPTYPE_COMPOSITE)
			meaning->row_relations = lappend_oid(meaning->row_relations,
												 get_typ_typrelid(typid));
	}
}

int
rtc_meaning_deps(const RtcMeaning *meaning, RtcDep *dep)
{
	int			n = 0;
	ListCell   *lc;

	if (meaning->opaque ||
		list_length(meaning->functions) + list_length(meaning->types) >
		RTC_MAX_MEANING_DEPS - 2)
	{
		dep[0] = rtc_dep_definition(InvalidOid, InvalidOid);
		return 1;
	}
	foreach(lc, meaning->functions)
		dep[n++] = rtc_dep_definition(ProcedureRelationId, lfirst_oid(lc));
	foreach(lc, meaning->types)
		dep[n++] = rtc_dep_definition(TypeRelationId, lfirst_oid(lc));
	if (meaning->types != NIL)
		dep[n++] = rtc_dep_definition(CastRelationId, InvalidOid);
	if (meaning->text_search)
		dep[n++] = rtc_dep_definition(TSConfigRelationId, InvalidOid);
	return n;
}

/* ---------------- how it is defined ---------------- */

/* Hashes a row of a catalog without its header, on top of another hash. */
static uint64
hash_row(HeapTuple tuple, uint64 hash)
{
	size_t		start = offsetof(HeapTupleHeaderData, t_bits);

	return hash_bytes_extended((unsigned char *) tuple->t_data + start,
							   tuple->t_len - start, hash);
}

static void
append_hash(StringInfo buf, uint64 hash)
{
	appendStringInfo(buf, " " UINT64_FORMAT, hash);
}

/* Appends a row. */
static void
describe_row(StringInfo buf, int cacheid, Oid objid)
{
	HeapTuple	tuple = SearchSysCache1(cacheid, ObjectIdGetDatum(objid));

	if (!HeapTupleIsValid(tuple))
		return;
	append_hash(buf, hash_row(tuple, 0));
	ReleaseSysCache(tuple);
}

/*
 * Does a row not count?  Schemas of temporary objects belong to one session.
 * Arrays, and the types of tables, are made with their tables; composite types
 * count by their rows in pg_class.  Constraints of tables do not concern
 * types.
 */
static bool
is_left_out(Oid catalog, HeapTuple tuple)
{
	if (catalog == NamespaceRelationId)
		return isAnyTempNamespace(((Form_pg_namespace) GETSTRUCT(tuple))->oid);
	if (catalog == TypeRelationId)
	{
		Form_pg_type form = (Form_pg_type) GETSTRUCT(tuple);

		return form->typtype == TYPTYPE_COMPOSITE || OidIsValid(form->typelem);
	}
	if (catalog == RelationRelationId)
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		return form->relkind != RELKIND_COMPOSITE_TYPE ||
			isOtherTempNamespace(form->relnamespace);
	}
	return catalog == ConstraintRelationId &&
		!OidIsValid(((Form_pg_constraint) GETSTRUCT(tuple))->contypid);
}

/*
 * Hashes rows of a catalog on top of another hash: those with this OID
 * (F_OIDEQ), or this one and all that follow (F_OIDGE), in the first column of
 * an index.
 */
static uint64
hash_rows(Oid catalogid, Oid index, AttrNumber attnum, RegProcedure compare,
		  Oid oid, uint64 hash)
{
	Relation	catalog = table_open(catalogid, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, attnum, compare == F_OIDEQ ? BTEqualStrategyNumber :
				BTGreaterEqualStrategyNumber, compare, ObjectIdGetDatum(oid));
	scan = systable_beginscan(catalog, index, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_left_out(catalogid, tuple))
			hash = hash_row(tuple, hash);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return hash;
}

/* Appends the names and types of columns. */
static void
describe_desc(StringInfo buf, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		appendStringInfo(buf, " %s %u %d %d;", NameStr(att->attname),
						 att->atttypid, att->atttypmod, att->attisdropped);
	}
	for (int i = 0; desc->constr != NULL && i < desc->constr->num_defval; i++)
	{
		AttrDefault *expression = &desc->constr->defval[i];

		if (is_computed_compat(TupleDescAttr(desc, expression->adnum - 1)))
			appendStringInfo(buf, " %d:%s;", expression->adnum,
							 expression->adbin);
	}
}

static void
describe_type(StringInfo buf, Oid typid)
{
	char		typtype = get_typtype(typid);

	/* and the cast to json, which to_json() calls */
	appendStringInfo(buf, " t%u %u", typid,
					 GetSysCacheOid2(CASTSOURCETARGET, Anum_pg_cast_castfunc,
									 ObjectIdGetDatum(typid),
									 ObjectIdGetDatum(JSONOID)));
	switch (typtype)
	{
		case TYPTYPE_COMPOSITE:
			{
				TupleDesc	desc = lookup_rowtype_tupdesc(typid, -1);

				describe_desc(buf, desc);
				ReleaseTupleDesc(desc);
				return;
			}
		case TYPTYPE_DOMAIN:
			append_hash(buf, hash_rows(ConstraintRelationId,
									   ConstraintTypidIndexId,
									   Anum_pg_constraint_contypid, F_OIDEQ,
									   typid, 0));
			break;
		case TYPTYPE_ENUM:
			append_hash(buf, hash_rows(EnumRelationId,
									   EnumTypIdSortOrderIndexId,
									   Anum_pg_enum_enumtypid, F_OIDEQ, typid,
									   0));
			break;
		case TYPTYPE_RANGE:
			describe_row(buf, RANGETYPE, typid);
			break;
		default:
			break;
	}
	describe_row(buf, TYPEOID, typid);
}

/* Appends the hash of a group. */
static void
describe_group(StringInfo buf, PartGroup group)
{
	GroupHash  *known = &group_hash[group];

	/* the server's own rows do not change, but for text search */
	Oid			from = group == GROUP_TEXT_SEARCH ? 0 : FirstNormalObjectId;
	uint64		changes = 1 + (group == GROUP_TYPES ? rtc_catalog_changes() :
							   rtc_definition_changes());

	if (known->changes != changes)
	{
		uint64		hash = 0;

		for (int i = 0; i < lengthof(parts); i++)
		{
			if (parts[i].group == group)
				hash = hash_rows(parts[i].catalog, parts[i].index, 1, F_OIDGE,
								 from, hash);
		}
		known->hash = hash;
		known->changes = changes;
	}
	append_hash(buf, known->hash);
}

void
rtc_meaning_describe(const RtcMeaning *meaning, StringInfo buf)
{
	ListCell   *lc;

	foreach(lc, meaning->functions)
	{
		appendStringInfo(buf, " f%u", lfirst_oid(lc));
		describe_row(buf, PROCOID, lfirst_oid(lc));
		describe_row(buf, AGGFNOID, lfirst_oid(lc));
	}
	foreach(lc, meaning->types)
		describe_type(buf, lfirst_oid(lc));

	if (meaning->opaque)
	{
		describe_group(buf, GROUP_CODE);
		describe_group(buf, GROUP_TYPES);
	}
	if (meaning->opaque || meaning->types != NIL)
		describe_group(buf, GROUP_CLASSES);
	if (meaning->opaque || meaning->text_search)
		describe_group(buf, GROUP_TEXT_SEARCH);
}

void
rtc_meaning_end_kept_plans(void)
{
	static uint64 ended = 0;	/* rtc_catalog_changes() + 1, then */

	if (ended == rtc_catalog_changes() + 1)
		return;
	ended = rtc_catalog_changes() + 1;
	ResetPlanCache();
}

void
rtc_describe_columns(StringInfo buf, Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);

	appendStringInfo(buf, " r%u", relid);
	describe_desc(buf, RelationGetDescr(rel));
	relation_close(rel, NoLock);
}
