/*-------------------------------------------------------------------------
 *
 * query_deps.c
 *		What the answers of a query depend on.
 *
 * For each relation of the rewritten query, that is
 *
 * -   the rows with some known values in the first column of an index, if each
 *	   row that can have a part in an answer has one of them,
 *
 * -   nothing, if it has no rules,
 *
 * -   otherwise all of it.
 *
 * If its rules do not see every write (coverage.c), the writes that they see
 * end the answer.
 *
 * When is "column = value" known?
 *
 * We go down the tree of joins with a list of facts.  A row for which a fact
 * at its place does not hold has no part in the answer, nor has anything that
 * is made of it further up.  So it may be there or not.
 *
 * -   WHERE, and ON of an inner join, make facts for all below.
 *
 * -   ON of a left join makes facts for the right side: a row that does not
 *	   meet it is not joined, and a left row without a match is extended by
 *	   NULLs in any case.  It makes none for the left side, whose rows survive
 *	   anyway.  Facts from above hold on both sides: equality is strict, so a
 *	   left row that is extended by NULLs does not pass a condition on the right
 *	   side.
 *
 * -   ON of a full join makes none.
 *
 * A query in FROM is entered with what is known of its columns, as if that was
 * in its WHERE; so is each arm of a UNION and its kin.  That is wrong where a
 * row that does not meet the condition has a part in others that do: LIMIT,
 * groups, window functions, DISTINCT ON, functions that return sets, and
 * DISTINCT unless its equality is the same.  A WITH query is analyzed by
 * itself, since it may be used more than once.
 *
 * A query in an expression, or a lateral one, is computed for each row and
 * matters for those that survive.  So a column of the outer query equals what
 * is known where the query stands.
 *
 * What is not understood makes no facts.  A relation that is not found in the
 * tree of joins counts as a whole.
 *
 * Model: analyzed when a query is prepared; the result lives with the plan.
 * Evaluated at each lookup (row_names.c).  Backend-private state only.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "dep/value_hash.h"
#include "query/equalities.h"
#include "query/query_deps.h"
#include "query/row_names.h"
#include "query/why_whole.h"
#include "rule/coverage.h"

/* The analysis of one statement. */
typedef struct Walk
{
	RtcDepPlan *plan;
	MemoryContext context;		/* of the plan */
	List	   *seen;			/* Query: those that have been looked at */
	List	   *watched;		/* of the plan */
	const RtcScope *scope;		/* of the expression being searched */
} Walk;

static void analyze_query(Walk *walk, Query *query, RtcScope *outer,
						  List *known);

/* ---------------- relations ---------------- */

/* Notes a relation, and whether it is covered. */
static RtcRelationDeps *
note_relation(Walk *walk, Oid relid, bool inh)
{
	RtcRelationDeps *deps = NULL;
	ListCell   *lc;
	MemoryContext oldcontext;
	bool		has_rules;

	foreach(lc, walk->plan->relations)
	{
		RtcRelationDeps *known = lfirst(lc);

		if (known->relid == relid)
			deps = known;
	}
	if (deps != NULL && (deps->inh || !inh))
		return deps;

	if (deps == NULL)
	{
		oldcontext = MemoryContextSwitchTo(walk->context);
		deps = palloc0(sizeof(RtcRelationDeps));
		deps->relid = relid;
		deps->relation = rtc_dep_relation(relid);
		deps->bulk = rtc_dep_bulk(relid);
		walk->plan->relations = lappend(walk->plan->relations, deps);
		MemoryContextSwitchTo(oldcontext);
	}
	deps->inh = inh;
	deps->uncovered = rtc_uncovered(relid, inh, &walk->watched, &has_rules);
	deps->told = deps->uncovered == NULL || has_rules;
	if (deps->uncovered != NULL)
		deps->uncovered = MemoryContextStrdup(walk->context, deps->uncovered);
	return deps;
}

/*
 * Has every writer of children seen this index of their parent?  CREATE INDEX
 * waits for them (event_triggers.c).  But a REINDEX, which tells nobody, may
 * make an index valid that CREATE INDEX CONCURRENTLY has left invalid.  A
 * writer from before the index is older than the transaction of the REINDEX,
 * so all of them have ended when all older transactions have.
 */
static bool
seen_by_children(Relation rel, HeapTuple index)
{
	return rel->rd_rel->relkind != RELKIND_RELATION ||
		!has_subclass(RelationGetRelid(rel)) ||
		TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->t_data),
							  GetActiveSnapshot()->xmin);
}

/*
 * The leading columns of usable indexes: those that name one row, and others.
 * Writers name the values in these and more.
 */
static void
leading_columns(Relation rel, List **unique, List **others)
{
	List	   *indexes;
	ListCell   *lc;

	*unique = NIL;
	*others = NIL;

	/* a materialized view changes as a whole */
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return;

	indexes = RelationGetIndexList(rel);
	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID,
											ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;
		AttrNumber	attnum;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		attnum = index->indkey.values[0];
		if (index->indisvalid && index->indisready && index->indislive &&
			attnum > 0 && seen_by_children(rel, tuple))
		{
			if (index->indisunique && index->indnkeyatts == 1)
				*unique = list_append_unique_int(*unique, attnum);
			else
				*others = list_append_unique_int(*others, attnum);
		}
		ReleaseSysCache(tuple);
	}
}

/* The pin with the fewest values on one of some columns; NULL = none. */
static RtcPin *
best_pin(Walk *walk, Relation rel, List *columns, Index varno, List *facts)
{
	RtcPin	   *best = NULL;
	ListCell   *lc;

	foreach(lc, columns)
	{
		AttrNumber	attnum = lfirst_int(lc);
		Oid			type = TupleDescAttr(RelationGetDescr(rel),
										 attnum - 1)->atttypid;
		List	   *about = rtc_facts_about(facts, varno, attnum);
		ListCell   *cell;

		foreach(cell, about)
		{
			RtcFact    *fact = lfirst(cell);
			MemoryContext oldcontext;
			RtcPin	   *pin;

			if (fact->opfamily != rtc_hash_family(type))
				continue;
			oldcontext = MemoryContextSwitchTo(walk->context);
			pin = rtc_pin_make(rel, attnum, fact->values);
			MemoryContextSwitchTo(oldcontext);
			if (pin != NULL &&
				(best == NULL || rtc_pin_cost(pin) < rtc_pin_cost(best)))
				best = pin;
		}
	}
	return best;
}

/* One use of a relation, where these facts are known. */
static void
add_use(Walk *walk, const RtcScope *scope, RangeTblEntry *rte, Index varno,
		List *facts)
{
	RtcRelationDeps *deps;
	RtcPin	   *pin;
	Relation	rel;
	List	   *unique;
	List	   *others;
	MemoryContext oldcontext;

	/* too many to be named already */
	if (list_length(walk->plan->relations) > RTC_MAX_NAMED_DEPS)
		return;
	deps = note_relation(walk, rte->relid, rte->inh);
	if (!deps->told || deps->whole)
		return;
	rel = relation_open(rte->relid, NoLock);
	leading_columns(rel, &unique, &others);
	pin = best_pin(walk, rel, unique, varno, facts);
	if (pin == NULL)
		pin = best_pin(walk, rel, others, varno, facts);
	if (pin == NULL)
	{
		char	   *why = rtc_why_whole(rel, scope, varno, facts,
										list_concat_unique_int(unique, others));

		deps->whole = true;
		deps->why = MemoryContextStrdup(walk->context, why);
	}
	relation_close(rel, NoLock);
	if (pin == NULL)
		return;
	oldcontext = MemoryContextSwitchTo(walk->context);
	deps->pins = lappend(deps->pins, pin);
	MemoryContextSwitchTo(oldcontext);
	walk->plan->has_params |= pin->has_params;
	walk->plan->reads_settings |= pin->reads_settings;
	walk->plan->reads_catalogs |= pin->reads_catalogs;
}

/* ---------------- queries in queries ---------------- */

/* Looks for queries in an expression. */
static bool
expression_walker(Node *node, void *context)
{
	Walk	   *walk = context;

	if (node == NULL)
		return false;
	CHECK_FOR_INTERRUPTS();
	if (IsA(node, Query))
	{
		if (!list_member_ptr(walk->seen, node))
		{
			const RtcScope *scope = walk->scope;
			RtcScope	outer = *scope;

			analyze_query(walk, (Query *) node, &outer, NIL);
			walk->scope = scope;
		}
		return false;
	}
	if (IsA(node, RangeTblEntry))
		return false;
	return expression_tree_walker(node, expression_walker, context);
}

/* Analyzes the queries in an expression, where these facts are known. */
static void
search_expression(Walk *walk, const RtcScope *scope, Node *node, List *facts)
{
	RtcScope	here = *scope;

	here.facts = facts;
	walk->scope = &here;
	(void) expression_walker(node, walk);
	walk->scope = NULL;
}

/*
 * Does a condition on a result column of a query select the same rows as one
 * on the column in its FROM?
 */
static bool
passes_conditions(const Query *query)
{
	return query->limitCount == NULL && query->limitOffset == NULL &&
		!query->hasAggs && query->groupClause == NIL &&
		query->groupingSets == NIL && query->havingQual == NULL &&
		!query->hasWindowFuncs && !query->hasDistinctOn &&
		!query->hasTargetSRFs;
}

/* Has DISTINCT the equality of a fact? */
static bool
same_distinction(List *clauses, Index ref, const RtcFact *fact)
{
	ListCell   *lc;

	foreach(lc, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);

		if (clause->tleSortGroupRef == ref)
			return get_op_opfamily_strategy(clause->eqop, fact->opfamily) ==
				HTEqualStrategyNumber;
	}
	return true;
}

/*
 * Turns facts about the result columns of a query (varno is not used) into
 * facts about its own columns.
 */
static List *
carry_facts(const RtcScope *scope, List *known)
{
	Query	   *query = scope->query;
	List	   *facts = NIL;
	ListCell   *lc;

	if (!passes_conditions(query))
		return NIL;
	foreach(lc, known)
	{
		RtcFact    *fact = lfirst(lc);
		TargetEntry *tle = get_tle_by_resno(query->targetList, fact->attnum);
		RtcFact    *carried;

		if (tle == NULL || tle->resjunk ||
			!same_distinction(query->distinctClause, tle->ressortgroupref,
							  fact))
			continue;
		carried = rtc_facts_carry(scope, (Node *) tle->expr, fact);
		if (carried != NULL)
			facts = lappend(facts, carried);
	}
	return facts;
}

/*
 * Does a fact about a column of a UNION, INTERSECT or EXCEPT hold for its
 * arms?  The column must have one type and one collation everywhere, and
 * duplicates must be removed by the equality of the fact.
 */
static bool
passes_set_operation(Node *node, const Query *query, const RtcFact *fact,
					 Oid type, Oid collation)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (IsA(node, SetOperationStmt))
	{
		SetOperationStmt *op = (SetOperationStmt *) node;
		int			column = fact->attnum - 1;

		if (column >= list_length(op->colTypes) ||
			list_nth_oid(op->colTypes, column) != type ||
			list_nth_oid(op->colCollations, column) != collation)
			return false;
		if (op->groupClauses != NIL &&
			get_op_opfamily_strategy(list_nth_node(SortGroupClause,
												   op->groupClauses,
												   column)->eqop,
									 fact->opfamily) != HTEqualStrategyNumber)
			return false;
		return passes_set_operation(op->larg, query, fact, type, collation) &&
			passes_set_operation(op->rarg, query, fact, type, collation);
	}
	else
	{
		RangeTblEntry *rte = rt_fetch(castNode(RangeTblRef, node)->rtindex,
									  query->rtable);
		TargetEntry *tle;

		if (rte->rtekind != RTE_SUBQUERY)
			return false;
		tle = get_tle_by_resno(rte->subquery->targetList, fact->attnum);
		return tle != NULL && !tle->resjunk &&
			exprType((Node *) tle->expr) == type &&
			exprCollation((Node *) tle->expr) == collation;
	}
}

/* Analyzes the arms of a UNION, INTERSECT or EXCEPT. */
static void
analyze_arms(Walk *walk, RtcScope *scope, Node *node, List *known)
{
	check_stack_depth();
	if (IsA(node, SetOperationStmt))
	{
		SetOperationStmt *op = (SetOperationStmt *) node;

		analyze_arms(walk, scope, op->larg, known);
		analyze_arms(walk, scope, op->rarg, known);
	}
	else if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) node)->rtindex,
									  scope->query->rtable);

		if (rte->rtekind == RTE_SUBQUERY)
			analyze_query(walk, rte->subquery, scope, known);
	}
}

static void
analyze_set_operation(Walk *walk, RtcScope *scope, List *known)
{
	SetOperationStmt *top = castNode(SetOperationStmt,
									 scope->query->setOperations);
	List	   *passing = NIL;
	ListCell   *lc;

	foreach(lc, known)
	{
		RtcFact    *fact = lfirst(lc);
		int			column = fact->attnum - 1;

		if (passes_conditions(scope->query) &&
			column < list_length(top->colTypes) &&
			passes_set_operation((Node *) top, scope->query, fact,
								 list_nth_oid(top->colTypes, column),
								 list_nth_oid(top->colCollations, column)))
			passing = lappend(passing, fact);
	}
	analyze_arms(walk, scope, (Node *) top, passing);
}

/* ---------------- the tree of joins ---------------- */

/* A query in FROM. */
static void
analyze_subquery(Walk *walk, const RtcScope *scope, RangeTblEntry *rte,
				 Index varno)
{
	RtcScope	outer = *scope;
	List	   *known = NIL;
	ListCell   *lc;

	foreach(lc, rte->subquery->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		ListCell   *cell;

		if (tle->resjunk)
			continue;
		foreach(cell, rtc_facts_about(scope->facts, varno, tle->resno))
		{
			RtcFact    *fact = palloc(sizeof(RtcFact));

			*fact = *(RtcFact *) lfirst(cell);
			fact->attnum = tle->resno;
			known = lappend(known, fact);
		}
	}
	analyze_query(walk, rte->subquery, &outer, known);
}

/* Goes down the tree of joins with scope->facts; fills *found. */
static void
descend(Walk *walk, const RtcScope *scope, Node *node, Bitmapset **found)
{
	RtcScope	below = *scope;
	ListCell   *lc;

	if (node == NULL)
		return;
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (IsA(node, RangeTblRef))
	{
		Index		varno = ((RangeTblRef *) node)->rtindex;
		RangeTblEntry *rte = rt_fetch(varno, scope->query->rtable);

		*found = bms_add_member(*found, varno);
		if (rte->rtekind == RTE_RELATION)
			add_use(walk, scope, rte, varno, scope->facts);
		else if (rte->rtekind == RTE_SUBQUERY)
			analyze_subquery(walk, scope, rte, varno);
	}
	else if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;

		below.facts = rtc_facts_add(scope, from->quals);
		foreach(lc, from->fromlist)
			descend(walk, &below, lfirst(lc), found);
		search_expression(walk, scope, from->quals, below.facts);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;
		bool		left = join->jointype == JOIN_INNER ||
		join->jointype == JOIN_RIGHT;
		bool		right = join->jointype == JOIN_INNER ||
		join->jointype == JOIN_LEFT;

		below.facts = rtc_facts_add(scope, join->quals);
		descend(walk, left ? &below : scope, join->larg, found);
		descend(walk, right ? &below : scope, join->rarg, found);
		search_expression(walk, scope, join->quals,
						  left || right ? below.facts : NIL);
	}
}

/*
 * Analyzes a query that stands where the facts of "outer" hold.  known: facts
 * about its result columns.
 */
static void
analyze_query(Walk *walk, Query *query, RtcScope *outer, List *known)
{
	RtcScope	scope = {outer, query, NIL};
	RtcScope	nothing = {NULL, query, NIL};
	Bitmapset  *found = NULL;
	ListCell   *lc;
	Index		varno = 0;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	walk->seen = lappend(walk->seen, query);

	if (query->setOperations != NULL)
		analyze_set_operation(walk, &scope, known);
	else
	{
		scope.facts = carry_facts(&scope, known);
		descend(walk, &scope, (Node *) query->jointree, &found);
		if (query->jointree != NULL)
			scope.facts = rtc_facts_add(&scope, query->jointree->quals);
		search_expression(walk, &scope, (Node *) query->targetList,
						  scope.facts);
	}

	/* nothing is known where the rest stands */
	walk->scope = &nothing;
	(void) query_tree_walker(query, expression_walker, walk, 0);
	walk->scope = NULL;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		varno++;
		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW &&
			!bms_is_member(varno, found))
			add_use(walk, &nothing, rte, varno, NIL);
	}
}

RtcDepPlan *
rtc_deps_analyze(List *queries, const RtcDep *definition, int ndefinitions,
				 MemoryContext context)
{
	Walk		walk = {0};
	ListCell   *lc;
	MemoryContext oldcontext;

	walk.context = context;
	walk.plan = MemoryContextAllocZero(context, sizeof(RtcDepPlan));
	walk.plan->ndefinitions = ndefinitions;
	memcpy(walk.plan->definition, definition, ndefinitions * sizeof(RtcDep));
	foreach(lc, queries)
		analyze_query(&walk, lfirst_node(Query, lc), NULL, NIL);
	if (list_length(walk.plan->relations) + ndefinitions > RTC_MAX_NAMED_DEPS)
		return NULL;
	oldcontext = MemoryContextSwitchTo(context);
	walk.plan->watched = list_copy(walk.watched);
	MemoryContextSwitchTo(oldcontext);
	return walk.plan;
}
