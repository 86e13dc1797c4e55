/*-------------------------------------------------------------------------
 *
 * why_whole.c
 *		Why do answers depend on all of a relation?  For cache_explain.
 *
 * An answer depends on rows of a relation if the query says by "=" what the first
 * column of one of its indexes is (query_deps.c).  If it does not, this looks for
 * what comes nearest to it: an equality with a column that begins no index; else the
 * conditions on the relation, in this query, and what keeps each of them from being
 * an equality.  Of several, one on a column that begins an index is told.
 *
 * It is for people: what it overlooks does no harm.
 *
 * Model: called when a query is prepared, with its relations locked.  Reads catalogs,
 * allocates in the current memory context, keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "dep/value_hash.h"
#include "query/row_names.h"
#include "query/why_whole.h"

/* How near a condition comes to naming rows. */
typedef enum Nearness
{
	NO_CONDITION,
	OTHER_CONDITION,			/* on a column that begins no index */
	NEAR_CONDITION				/* on one that does */
} Nearness;

/* The search for the condition that comes nearest. */
typedef struct Search
{
	Relation	rel;
	const RtcScope *scope;
	Index		varno;
	List	   *leading;
	Nearness	nearness;
	AttrNumber	attnum;			/* the column it is on */
	char	   *reason;			/* what keeps it from naming rows */
} Search;

static char *
column_name(Relation rel, AttrNumber attnum)
{
	return attnum > 0 && attnum <= RelationGetDescr(rel)->natts ?
		pstrdup(quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel),
													   attnum - 1)->attname))) :
		pstrdup("the row");
}

/* Columns that are named as what would do. */
#define MAX_ADVISED		3

/* What would name rows: "=" on the column, if it begins an index, or on others. */
static char *
advise(Relation rel, List *leading, AttrNumber attnum)
{
	StringInfoData buf;
	int			n = 0;
	ListCell   *lc;

	if (leading == NIL)
		return pstrdup("an index, and \"=\" on its first column, would make it row");
	if (list_member_int(leading, attnum))
		leading = list_make1_int(attnum);
	initStringInfo(&buf);
	appendStringInfoString(&buf, "\"=\" on ");
	foreach(lc, leading)
	{
		if (n++ == MAX_ADVISED)
			break;
		appendStringInfo(&buf, "%s%s", n == 1 ? "" : " or ",
						 column_name(rel, lfirst_int(lc)));
	}
	appendStringInfoString(&buf, " would make it row");
	return buf.data;
}

/* Removes what changes the type or the collation but not the value. */
static Node *
strip(Node *node)
{
	for (;;)
	{
		if (node != NULL && IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (node != NULL && IsA(node, CollateExpr))
			node = (Node *) ((CollateExpr *) node)->arg;
		else
			return node;
	}
}

/* A column of the relation that was found in an expression. */
typedef struct ColumnSearch
{
	const Search *search;
	AttrNumber	found;			/* 0 = none so far */
} ColumnSearch;

/* Looks for columns; those of a join are those on the side that they come from. */
static bool
column_walker(Node *node, void *context)
{
	ColumnSearch *columns = context;
	const Search *search = columns->search;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;
		RangeTblEntry *rte;

		if (var->varlevelsup != 0 || var->varattno <= 0)
			return false;
		rte = rt_fetch(var->varno, search->scope->query->rtable);
		if (rte->rtekind == RTE_JOIN)
			return column_walker(list_nth(rte->joinaliasvars, var->varattno - 1),
								 context);
		if (var->varno != search->varno ||
			var->varattno > RelationGetDescr(search->rel)->natts)
			return false;
		if (columns->found == 0 ||
			list_member_int(search->leading, var->varattno))
			columns->found = var->varattno;
		return list_member_int(search->leading, var->varattno);
	}
	/* queries in expressions are looked at by themselves */
	if (IsA(node, Query))
		return false;
	return expression_tree_walker(node, column_walker, context);
}

/* The column of the relation in an expression; that of an index, if there is one. */
static AttrNumber
column_in(const Search *search, Node *node)
{
	ColumnSearch columns = {search, 0};

	(void) column_walker(node, &columns);
	return columns.found;
}

/* What is on one side of a comparison, if that is no column. */
static char *
describe_side(Node *node, const char *column)
{
	if (IsA(node, FuncExpr))
	{
		char	   *name = get_func_name(((FuncExpr *) node)->funcid);

		if (((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL)
			return psprintf("%s is converted to another type", column);
		if (name != NULL)
			return psprintf("the condition is on the function %s(%s)",
							quote_identifier(name), column);
	}
	return psprintf("the condition is on an expression of %s", column);
}

/* Why an operator with a column of the relation names no rows of it. */
static char *
judge_operator(const Search *search, Oid opno, List *args, bool any,
			   AttrNumber attnum)
{
	char	   *column = column_name(search->rel, attnum);
	Oid			type = TupleDescAttr(RelationGetDescr(search->rel),
									 attnum - 1)->atttypid;
	Node	   *left = strip(linitial(args));
	Node	   *right = list_length(args) > 1 ? strip(lsecond(args)) : NULL;
	Node	   *side = left;
	Node	   *other = right;

	if (column_in(search, left) != attnum)
	{
		side = right;
		other = left;
	}
	if (side == NULL || !IsA(side, Var))
		return describe_side(side == NULL ? left : side, column);
	if (!OidIsValid(rtc_hash_family(type)))
		return psprintf("values of %s cannot be named", column);
	if (get_op_opfamily_strategy(opno, rtc_hash_family(type)) == 0 ||
		(other != NULL && (IsA(other, Const) || IsA(other, Param))))
	{
		char	   *name = get_opname(opno);

		return psprintf(name != NULL && strcmp(name, "=") == 0 ?
						"the \"=\" on %s is not that of its type and collation" :
						"the condition on %s is no equality", column);
	}
	if (other != NULL && IsA(other, FuncExpr) &&
		((FuncExpr *) other)->funcformat != COERCE_EXPLICIT_CALL)
		return psprintf("%s is compared with a value that is converted", column);
	if (any)
		return psprintf("%s is compared with an array that is no constant or parameter",
						column);
	if (other != NULL && IsA(other, Var))
		return psprintf("%s equals a column that no condition binds", column);
	return psprintf("%s is compared with what is no constant or parameter", column);
}

/* Why a condition names no rows. */
static char *
judge_condition(const Search *search, Node *node, AttrNumber attnum)
{
	char	   *column = column_name(search->rel, attnum);

	if (IsA(node, BoolExpr))
		return psprintf(((BoolExpr *) node)->boolop == OR_EXPR ?
						"the condition on %s is one side of an OR" :
						"the condition on %s is negated", column);
	if (IsA(node, OpExpr))
		return judge_operator(search, ((OpExpr *) node)->opno,
							  ((OpExpr *) node)->args, false, attnum);
	if (IsA(node, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) node)->useOr)
		return judge_operator(search, ((ScalarArrayOpExpr *) node)->opno,
							  ((ScalarArrayOpExpr *) node)->args, true, attnum);
	return psprintf("the condition on %s is no equality", column);
}

/* Looks at the conditions that are joined by AND.  kept: see look_at_joins(). */
static void
look_at_conditions(Search *search, Node *node, bool kept)
{
	AttrNumber	attnum;
	Nearness	nearness;
	ListCell   *lc;

	if (node == NULL)
		return;
	check_stack_depth();
	if (IsA(node, List) ||
		(IsA(node, BoolExpr) && ((BoolExpr *) node)->boolop == AND_EXPR))
	{
		foreach(lc, IsA(node, List) ? (List *) node : ((BoolExpr *) node)->args)
			look_at_conditions(search, lfirst(lc), kept);
		return;
	}
	attnum = column_in(search, node);
	if (attnum == InvalidAttrNumber)
		return;
	nearness = list_member_int(search->leading, attnum) ? NEAR_CONDITION :
		OTHER_CONDITION;
	if (nearness <= search->nearness)
		return;
	search->nearness = nearness;
	search->attnum = attnum;
	search->reason = kept ?
		psprintf("the condition on %s is in ON of an outer join that keeps all rows",
				 column_name(search->rel, attnum)) :
		judge_condition(search, node, attnum);
}

/* Is the relation in a part of the tree of joins? */
static bool
is_in(const Search *search, Node *node)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblRef))
		return ((RangeTblRef *) node)->rtindex == search->varno;
	if (IsA(node, JoinExpr))
		return is_in(search, ((JoinExpr *) node)->larg) ||
			is_in(search, ((JoinExpr *) node)->rarg);
	if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			if (is_in(search, lfirst(lc)))
			return true;
	}
	return false;
}

/*
 * Looks at the conditions in a tree of joins.  Those in ON of an outer join say
 * nothing of the side whose rows are all kept.
 */
static void
look_at_joins(Search *search, Node *node)
{
	ListCell   *lc;

	if (node == NULL)
		return;
	check_stack_depth();
	if (IsA(node, FromExpr))
	{
		look_at_conditions(search, ((FromExpr *) node)->quals, false);
		foreach(lc, ((FromExpr *) node)->fromlist)
			look_at_joins(search, lfirst(lc));
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;
		bool		kept = join->jointype == JOIN_FULL ||
		(join->jointype == JOIN_LEFT && is_in(search, join->larg)) ||
		(join->jointype == JOIN_RIGHT && is_in(search, join->rarg));

		look_at_conditions(search, join->quals, kept);
		look_at_joins(search, join->larg);
		look_at_joins(search, join->rarg);
	}
}

/* Looks for a column of which the values are known. */
static AttrNumber
bound_column(Relation rel, Index varno, List *facts, List *leading, bool *many)
{
	AttrNumber	bound = InvalidAttrNumber;

	*many = false;
	for (AttrNumber attnum = 1; attnum <= RelationGetDescr(rel)->natts; attnum++)
	{
		List	   *about = rtc_facts_about(facts, varno, attnum);

		if (about == NIL)
			continue;
		if (bound == InvalidAttrNumber || list_member_int(leading, attnum))
		{
			bound = attnum;
			*many = list_length(((RtcFact *) linitial(about))->values->nodes) >
				RTC_MAX_PINNED;
		}
		if (list_member_int(leading, attnum))
			break;
	}
	return bound;
}

/* Those columns of which the values can be named. */
static List *
nameable(Relation rel, List *columns)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, columns)
	{
		AttrNumber	attnum = lfirst_int(lc);

		if (OidIsValid(rtc_hash_function(TupleDescAttr(RelationGetDescr(rel),
													   attnum - 1)->atttypid)))
			result = lappend_int(result, attnum);
	}
	return result;
}

/* Is this a query into which no condition on its result is carried? */
static bool
keeps_out(const Query *query)
{
	return query->limitCount != NULL || query->limitOffset != NULL ||
		query->hasAggs || query->groupClause != NIL ||
		query->groupingSets != NIL || query->havingQual != NULL ||
		query->hasWindowFuncs || query->hasDistinctOn || query->hasTargetSRFs;
}

char *
rtc_why_whole(Relation rel, const RtcScope *scope, Index varno, List *facts,
			  List *leading)
{
	Search		search = {rel, scope, varno, leading};
	AttrNumber	bound;
	bool		many;

	if (rel->rd_rel->relkind == RELKIND_MATVIEW)
		return pstrdup("a materialized view changes as a whole");

	bound = bound_column(rel, varno, facts, leading, &many);
	if (bound != InvalidAttrNumber)
	{
		char	   *column = column_name(rel, bound);

		if (!list_member_int(leading, bound))
			return psprintf("no index begins with %s; one that does would make it row",
							column);
		return many ? psprintf("more than %d values", RTC_MAX_PINNED) :
			psprintf("values of %s cannot be named", column);
	}

	search.leading = leading = nameable(rel, leading);
	look_at_joins(&search, (Node *) scope->query->jointree);
	if (search.reason == NULL)
		search.reason = scope->outer == NULL ? "no condition" :
			keeps_out(scope->query) ?
			"no condition in its subquery, and LIMIT, groups and the like let none in" :
			"no condition in its subquery";
	return psprintf("%s; %s", search.reason, advise(rel, leading, search.attnum));
}
