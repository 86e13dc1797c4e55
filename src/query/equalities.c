/*-------------------------------------------------------------------------
 *
 * equalities.c
 *		Which columns equal what, wherever it matters.
 *
 * A fact is an equality that holds for every row that can have a part in the
 * answer.  query_deps.c knows where a condition makes one.  The operator must
 * be the equality of the default hash family of the column's type, be strict,
 * and compare by the collation of the column, or by one that makes no
 * difference.  Then equal values have the same hash, whatever their types are.
 * Columns that equal each other under one family form a class: what one
 * equals, all equal.
 *
 * Values are constants and parameters.  A column of an outer query stands for
 * the values that it equals there.
 *
 * Model: called when a query is prepared.  Reads catalogs, allocates in the
 * current memory context, keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/hash.h"
#include "access/stratnum.h"
#include "access/transam.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "dep/value_hash.h"
#include "query/equalities.h"

/* Facts at one place, at most.  To know less is never wrong. */
#define MAX_FACTS	256

/* Conversions of constants that cannot fail. */
static const Oid safe_casts[] = {
	F_INT4_INT2,
	F_INT8_INT2,
	F_INT8_INT4,
	F_NUMERIC_INT2,
	F_NUMERIC_INT4,
	F_NUMERIC_INT8
};

/* A side of an equality that is a column of this query or an outer one. */
typedef struct Column
{
	const RtcScope *scope;		/* the query that has it */
	Index		varno;
	AttrNumber	attnum;
	Oid			type;
	Oid			collation;
} Column;

/* Strips what changes the type or the collation but not the value. */
static Node *
strip(Node *node)
{
	while (node != NULL)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, CollateExpr))
			node = (Node *) ((CollateExpr *) node)->arg;
		else if (IsA(node, ArrayCoerceExpr))
		{
			/* the same for arrays, if it is so for each element */
			ArrayCoerceExpr *coerce = (ArrayCoerceExpr *) node;

			if (!IsA(coerce->elemexpr, RelabelType) ||
				!IsA(((RelabelType *) coerce->elemexpr)->arg, CaseTestExpr))
				break;
			node = (Node *) coerce->arg;
		}
		else
			break;
	}
	return node;
}

/* Is this a plain column?  One of a join is looked up on its side. */
static bool
is_column(const RtcScope *scope, Node *node, Column *column)
{
	int			level = 0;

	for (;;)
	{
		Var		   *var;
		RangeTblEntry *rte;

		node = strip(node);
		if (node == NULL || !IsA(node, Var))
			return false;
		var = (Var *) node;
		for (level = var->varlevelsup; level > 0 && scope != NULL; level--)
			scope = scope->outer;
		if (scope == NULL || var->varattno <= 0)
			return false;

		rte = rt_fetch(var->varno, scope->query->rtable);
		if (rte->rtekind != RTE_JOIN)
		{
			column->scope = scope;
			column->varno = var->varno;
			column->attnum = var->varattno;
			column->type = var->vartype;
			column->collation = var->varcollid;
			return true;
		}
		node = list_nth(rte->joinaliasvars, var->varattno - 1);
	}
}

/* The constant or parameter that an expression is; NULL = neither. */
static Node *
as_value(Node *node)
{
	check_stack_depth();
	node = strip(node);
	if (node == NULL)
		return NULL;
	if (IsA(node, Const))
		return node;
	if (IsA(node, Param))
	{
		/* a domain may reject or change what it is given */
		Oid			type = ((Param *) node)->paramtype;

		return ((Param *) node)->paramkind == PARAM_EXTERN &&
			getBaseType(type) == type ? node : NULL;
	}
	if (IsA(node, FuncExpr) && list_length(((FuncExpr *) node)->args) == 1)
	{
		FuncExpr   *func = (FuncExpr *) node;
		Node	   *arg = as_value(linitial(func->args));

		for (int i = 0; i < lengthof(safe_casts); i++)
		{
			if (func->funcid == safe_casts[i] && arg != NULL && IsA(arg, Const))
			{
				node = eval_const_expressions(NULL, node);
				return IsA(node, Const) ? node : NULL;
			}
		}
	}
	return NULL;
}

/* The value, or the values in an array, that an expression is; NULL = none. */
static RtcFactValues *
as_values(Node *node, Oid type, bool is_array)
{
	RtcFactValues *values = palloc0(sizeof(RtcFactValues));
	ListCell   *lc;

	values->type = type;
	node = strip(node);
	if (is_array && node != NULL && IsA(node, ArrayExpr))
	{
		if (((ArrayExpr *) node)->multidims)
			return NULL;
		foreach(lc, ((ArrayExpr *) node)->elements)
		{
			Node	   *element = as_value(lfirst(lc));

			CHECK_FOR_INTERRUPTS();
			if (element == NULL)
				return NULL;
			values->nodes = lappend(values->nodes, element);
		}
		return values;
	}

	node = as_value(node);
	if (node == NULL)
		return NULL;
	if (is_array)
	{
		Oid			elemtype = get_element_type(exprType(node));

		if (!OidIsValid(elemtype) || getBaseType(elemtype) != elemtype)
			return NULL;
	}
	values->is_array = is_array;
	values->nodes = list_make1(node);
	return values;
}

/* Do two collations agree on equality?  Deterministic ones do if builtin. */
static bool
collations_agree(Oid a, Oid b, bool builtin)
{
	return a == b ||
		(builtin &&
		 (!OidIsValid(a) || get_collation_isdeterministic(a)) &&
		 (!OidIsValid(b) || get_collation_isdeterministic(b)));
}

/*
 * Do equal values under a collation have the same hash?  Those of "name" do
 * not if it is nondeterministic, since their hash ignores it.
 */
static bool
hash_honours(Oid collation, Oid opfamily, Oid type)
{
	return !OidIsValid(collation) || get_collation_isdeterministic(collation) ||
		get_opfamily_proc(opfamily, type, type,
						  HASHEXTENDED_PROC) != F_HASHNAMEEXTENDED;
}

/*
 * Is an operator the equality of a column's type?  Fills in what a fact tells
 * of it, and the types of its sides.
 */
static bool
is_equality(Oid opno, Oid collation, const Column *column, RtcFact *fact,
			Oid type[2])
{
	int			strategy;

	fact->opfamily = rtc_hash_family(column->type);
	fact->collation = collation;
	fact->builtin = get_opcode(opno) < FirstNormalObjectId;
	if (!OidIsValid(fact->opfamily) || !op_strict(opno) ||
		get_op_opfamily_strategy(opno, fact->opfamily) != HTEqualStrategyNumber)
		return false;
	get_op_opfamily_properties(opno, fact->opfamily, false, &strategy,
							   &type[0], &type[1]);
	return collations_agree(column->collation, collation, fact->builtin) &&
		hash_honours(collation, fact->opfamily, type[0]) &&
		hash_honours(collation, fact->opfamily, type[1]);
}

/* Adds a fact about a column of the scope's query. */
static List *
add_fact(List *facts, const RtcFact *like, const Column *column,
		 const Column *other, RtcFactValues *values)
{
	RtcFact    *fact;

	if (list_length(facts) >= MAX_FACTS)
		return facts;
	fact = palloc(sizeof(RtcFact));
	*fact = *like;
	fact->varno = column->varno;
	fact->attnum = column->attnum;
	fact->other_varno = other != NULL ? other->varno : 0;
	fact->other_attnum = other != NULL ? other->attnum : 0;
	fact->values = values;
	return lappend(facts, fact);
}

/* Adds the equality of a column of ours and another one. */
static List *
add_columns(List *facts, const RtcScope *scope, OpExpr *op,
			const Column *column, const Column *other)
{
	RtcFact		fact;
	RtcFact		back;
	Oid			type[2];
	ListCell   *lc;

	if (!is_equality(op->opno, op->inputcollid, column, &fact, type) ||
		!is_equality(op->opno, op->inputcollid, other, &back, type) ||
		fact.opfamily != back.opfamily)
		return facts;

	if (other->scope == scope)
		return add_fact(facts, &fact, column, other, NULL);

	/* an outer one stands for what it equals there */
	foreach(lc, rtc_facts_about(other->scope->facts, other->varno,
								other->attnum))
	{
		RtcFact    *known = lfirst(lc);

		facts = add_fact(facts, &fact, column, NULL, known->values);
	}
	return facts;
}

/*
 * Adds "column = other".  side: of the column, 0 = left.  any: other is an
 * array of values.
 */
static List *
add_values(List *facts, Oid opno, Oid collation, const Column *column,
		   Node *other, int side, bool any)
{
	RtcFact		fact;
	RtcFactValues *values;
	Oid			type[2];

	if (!is_equality(opno, collation, column, &fact, type))
		return facts;
	values = as_values(other, type[1 - side], any);
	return values == NULL ? facts :
		add_fact(facts, &fact, column, NULL, values);
}

/* Adds what one condition says, if it is an equality. */
static List *
add_operator(List *facts, const RtcScope *scope, OpExpr *op)
{
	Column		column;
	Column		other;

	for (int side = 0; side < 2 && list_length(op->args) == 2; side++)
	{
		Node	   *node = list_nth(op->args, 1 - side);

		if (!is_column(scope, list_nth(op->args, side), &column) ||
			column.scope != scope)
			continue;
		if (is_column(scope, node, &other))
			return add_columns(facts, scope, op, &column, &other);
		return add_values(facts, op->opno, op->inputcollid, &column, node, side,
						  false);
	}
	return facts;
}

/* Adds what "column = ANY (array)" says. */
static List *
add_any(List *facts, const RtcScope *scope, ScalarArrayOpExpr *any)
{
	Column		column;

	if (!any->useOr || !is_column(scope, linitial(any->args), &column) ||
		column.scope != scope)
		return facts;
	return add_values(facts, any->opno, any->inputcollid, &column,
					  lsecond(any->args), 0, true);
}

/* Adds what a condition says. */
static List *
add_quals(List *facts, const RtcScope *scope, Node *quals)
{
	if (quals == NULL || list_length(facts) >= MAX_FACTS)
		return facts;
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	if (IsA(quals, List) ||
		(IsA(quals, BoolExpr) && ((BoolExpr *) quals)->boolop == AND_EXPR))
	{
		List	   *all = IsA(quals, List) ? (List *) quals :
		((BoolExpr *) quals)->args;
		ListCell   *lc;

		foreach(lc, all)
			facts = add_quals(facts, scope, lfirst(lc));
	}
	else if (IsA(quals, OpExpr))
		facts = add_operator(facts, scope, (OpExpr *) quals);
	else if (IsA(quals, ScalarArrayOpExpr))
		facts = add_any(facts, scope, (ScalarArrayOpExpr *) quals);
	return facts;
}

List *
rtc_facts_add(const RtcScope *scope, Node *quals)
{
	return add_quals(list_copy(scope->facts), scope, quals);
}

/* Walks over the class of a column. */
List *
rtc_facts_about(List *facts, Index varno, AttrNumber attnum)
{
	List	   *found = NIL;
	List	   *class = list_make1(list_make2_int(varno, attnum));
	ListCell   *member;

	/* the list grows at its end */
	foreach(member, class)
	{
		int			no = linitial_int(lfirst(member));
		int			att = lsecond_int(lfirst(member));
		ListCell   *lc;

		foreach(lc, facts)
		{
			RtcFact    *fact = lfirst(lc);
			bool		here = fact->varno == no && fact->attnum == att;
			bool		there = fact->other_varno == no &&
			fact->other_attnum == att;

			if (here && fact->values != NULL)
				found = list_append_unique_ptr(found, fact);
			else if (here || there)
			{
				List	   *next = here ?
				list_make2_int(fact->other_varno, fact->other_attnum) :
				list_make2_int(fact->varno, fact->attnum);

				/* compares as lists of integers do */
				class = list_append_unique(class, next);
			}
		}
	}
	return found;
}

RtcFact *
rtc_facts_carry(const RtcScope *scope, Node *node, const RtcFact *fact)
{
	Column		column;
	RtcFact    *carried;

	if (!is_column(scope, node, &column) || column.scope != scope ||
		rtc_hash_family(column.type) != fact->opfamily ||
		!collations_agree(column.collation, fact->collation, fact->builtin))
		return NULL;
	carried = palloc(sizeof(RtcFact));
	*carried = *fact;
	carried->varno = column.varno;
	carried->attnum = column.attnum;
	carried->other_varno = 0;
	return carried;
}
