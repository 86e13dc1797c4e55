/*-------------------------------------------------------------------------
 *
 * warm_tables.c
 *		Which tables can be warmed, by whom, and which of their rows.
 *
 * Tables are named by those who may read them; a partitioned table stands for its
 * partitions.  A condition comes from a user, too, and becomes part of a query.
 *
 * Model: as warm.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "optimizer/plancat.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "refresh/warm_tables.h"

/* Raises if the current user may not read it. */
static void
check_select(Oid relid)
{
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

List *
rtc_warm_tables(Oid relid, double *total)
{
	char		relkind = get_rel_relkind(relid);
	List	   *tables = NIL;
	ListCell   *lc;

	if (relkind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	/* before the lock: nobody locks the tables of others */
	check_select(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", get_rel_name(relid)),
				 errdetail("Only ordinary and partitioned tables can be warmed.")));

	foreach(lc, relkind == RELKIND_RELATION ? list_make1_oid(relid) :
			find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Oid			table = lfirst_oid(lc);
		Relation	rel;
		BlockNumber pages;
		double		tuples;
		double		visible;

		if (get_rel_relkind(table) != RELKIND_RELATION)
			continue;
		check_select(table);
		rel = try_relation_open(table, AccessShareLock);
		if (rel == NULL)
			continue;
		estimate_rel_size(rel, NULL, &pages, &tuples, &visible);
		*total += tuples;
		relation_close(rel, NoLock);
		tables = lappend_oid(tables, table);
	}
	return tables;
}

bool
rtc_can_warm(const Trigger *trigger, RtcRuleKind kind)
{
	return kind == RTC_RULE_WRITE_THROUGH && rtc_rule_sees_rows(trigger);
}

bool
rtc_warm_has_rule(List *tables)
{
	ListCell   *lc;
	bool		found = false;

	foreach(lc, tables)
	{
		Relation	rel = try_relation_open(lfirst_oid(lc), AccessShareLock);
		const Trigger *trigger;
		RtcRuleKind kind;

		if (rel == NULL)
			continue;
		for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
			found |= rtc_can_warm(trigger, kind);
		relation_close(rel, NoLock);
	}
	return found;
}

/*
 * The condition will stand between parentheses in a query.  So it must be one
 * expression, and nothing that only becomes one in there.
 */
void
rtc_warm_check_where(const char *where)
{
	List	   *parsed = raw_parser(where, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *stmt = castNode(SelectStmt,
								linitial_node(RawStmt, parsed)->stmt);

	if (list_length(stmt->targetList) != 1 ||
		linitial_node(ResTarget, stmt->targetList)->name != NULL ||
		stmt->distinctClause != NIL || stmt->fromClause != NIL ||
		stmt->whereClause != NULL || stmt->groupClause != NIL ||
		stmt->havingClause != NULL || stmt->windowClause != NIL ||
		stmt->sortClause != NIL || stmt->limitOffset != NULL ||
		stmt->limitCount != NULL || stmt->lockingClause != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("argument \"%s\" must be an expression", "where_clause"),
				 errdetail("It is what stands behind WHERE in a query over the table, and no more.")));
}
