/*-------------------------------------------------------------------------
 *
 * cacheable.c
 *		May the answer of a query be cached?
 *
 * Yes, if everybody who asks the question at the same time gets the same
 * answer, and only writes to tables change it.  The verdict is about the
 * analyzed and rewritten query tree, so views are looked into.
 *
 * One visitor goes through the tree and tells judge.c and its kin what each
 * node makes the executor call.  They find more expressions (default
 * arguments, checks of domains, bodies of functions), which are visited in
 * turn.
 *
 * Literals and arguments are texts that can be searched for words like 'today'
 * (literal.c).  What other texts of a date say is not known before the query
 * runs.
 *
 * Model: called by plan.c when a query is prepared, in a transaction with the
 * relations of the query locked and a snapshot.  Reads catalogs, keeps no
 * state.  Takes time in proportion to the query; can be cancelled.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "compat.h"
#include "query/cacheable.h"
#include "query/judge.h"
#include "query/literal.h"

/* Reasons, which users see: short and stable. */
#define REASON_CATALOG		"system catalog"
#define REASON_TEMPORARY	"temporary table"
#define REASON_SEQUENCE		"sequence"
#define REASON_ROW_LOCK		"row lock"
#define REASON_RLS			"row-level security"
#define REASON_SAMPLE		"table sample"
#define REASON_SYSTEM_COLUMN "system column"
#define REASON_TABLE		"table"

typedef struct Visitor
{
	RtcVerdict *verdict;
	RtcJudge   *judge;
	bool		unseen;			/* in an expression that the query brings
								 * along */
	const char *text;			/* source of the tree; NULL = none */
	List	   *literals;		/* of the text; NIL = not read yet */
	Query	   *query;			/* the one that is being visited */
	Node	   *call;			/* whose functions are being judged */
} Visitor;

static void visit(Visitor *visitor, Node *node, bool typed);

static void
object(Visitor *visitor, const char *reason)
{
	rtc_judge_object(visitor->judge, reason);
}

/* ---------------- nodes ---------------- */

/*
 * Finds 'now', 'today' and the like.  The parser has already turned such a
 * literal into a date, but the constant tells where the literal began.
 */
static void
judge_constant(Visitor *visitor, Const *constant)
{
	const char *literal;

	if (visitor->text == NULL || constant->location < 0 ||
		constant->constisnull || visitor->verdict->names_moment)
		return;
	if (visitor->literals == NIL)
		visitor->literals = rtc_literals_scan(visitor->text);
	literal = rtc_literals_find(visitor->literals, constant->location);
	if (literal == NULL || rtc_text_names_moment(literal, strlen(literal)))
	{
		visitor->verdict->names_moment = true;
		object(visitor, RTC_UNCACHEABLE_TIME);
	}
}

/* ---------------- relations ---------------- */

/* Does a relation show rows of this session's temporary tables? */
static bool
has_temporary_child(Oid relid)
{
	ListCell   *lc;

	if (!has_subclass(relid))
		return false;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (isTempNamespace(get_rel_namespace(lfirst_oid(lc))))
			return true;
	}
	return false;
}

/* Notes a lock that executing the query takes. */
static void
note_lock(RtcVerdict *verdict, Oid relid, int lockmode)
{
	ListCell   *lc;
	ListCell   *mode;

	forboth(lc, verdict->relids, mode, verdict->lockmodes)
	{
		if (lfirst_oid(lc) == relid && lfirst_int(mode) == lockmode)
			return;
	}
	verdict->relids = lappend_oid(verdict->relids, relid);
	verdict->lockmodes = lappend_int(verdict->lockmodes, lockmode);
}

/* Visits the expressions of columns that are computed on reading. */
static void
visit_computed_columns(Visitor *visitor, Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
	{
		AttrDefault *def = &constr->defval[i];

		if (is_computed_compat(TupleDescAttr(RelationGetDescr(rel),
											 def->adnum - 1)))
			visit(visitor, stringToNode(def->adbin), true);
	}
	relation_close(rel, NoLock);
}

/* Judges one relation, and notes it. */
static void
judge_relation(Visitor *visitor, RangeTblEntry *rte)
{
	/* a function does not check who reads a table */
	if (visitor->unseen)
	{
		object(visitor, REASON_TABLE);
		return;
	}

	/* not set: a view, in whose place its query is visited */
	if (rte->rellockmode != NoLock)
		note_lock(visitor->verdict, rte->relid, rte->rellockmode);

	/* a view counts as its contents */
	if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW)
		return;

	if (IsCatalogRelationOid(rte->relid))
		object(visitor, REASON_CATALOG);
	else if (rte->relkind == RELKIND_SEQUENCE)
		object(visitor, REASON_SEQUENCE);
	else if (get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP ||
			 (rte->inh && has_temporary_child(rte->relid)))
		object(visitor, REASON_TEMPORARY);
	else if (check_enable_rls(rte->relid,
							  check_as_user_compat(visitor->query, rte),
							  true) == RLS_ENABLED)
		object(visitor, REASON_RLS);
	else
		visit_computed_columns(visitor, rte->relid);
}

/* ---------------- the visitor ---------------- */

static bool
judge_function(Oid funcid, void *context)
{
	Visitor    *visitor = context;

	if (funcid >= FirstNormalObjectId)
		visitor->verdict->functions = lappend_oid(visitor->verdict->functions,
												  funcid);
	rtc_judge_call(visitor->judge, funcid, visitor->call);
	return false;
}

/* Judges the functions and operators that a node names. */
static void
judge_calls(Visitor *visitor, Node *node)
{
	RtcJudge   *judge = visitor->judge;
	ListCell   *lc;

	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			rtc_judge_operator(judge, ((OpExpr *) node)->opno);
			break;
		case T_ScalarArrayOpExpr:
			rtc_judge_operator(judge, ((ScalarArrayOpExpr *) node)->opno);
			break;
		case T_RowCompareExpr:
			foreach(lc, ((RowCompareExpr *) node)->opnos)
				rtc_judge_operator(judge, lfirst_oid(lc));
			break;
		case T_SortGroupClause:
			rtc_judge_operator(judge, ((SortGroupClause *) node)->eqop);
			rtc_judge_operator(judge, ((SortGroupClause *) node)->sortop);
			break;
		case T_CTECycleClause:
			rtc_judge_operator(judge,
							   ((CTECycleClause *) node)->cycle_mark_neop);
			break;
		case T_WindowClause:
			if (OidIsValid(((WindowClause *) node)->startInRangeFunc))
				rtc_judge_call(judge, ((WindowClause *) node)->startInRangeFunc,
							   NULL);
			if (OidIsValid(((WindowClause *) node)->endInRangeFunc))
				rtc_judge_call(judge, ((WindowClause *) node)->endInRangeFunc,
							   NULL);
			break;
		case T_CoerceViaIO:
			return;				/* judged by its types */
		default:
			break;
	}
	visitor->call = IsA(node, RowCompareExpr) ? NULL : node;
	(void) check_functions_in_node(node, judge_function, visitor);
}

/* Judges types that are read from text, and written. */
static void
judge_columns(Visitor *visitor, List *types)
{
	ListCell   *lc;

	foreach(lc, types)
	{
		(void) rtc_judge_type(visitor->judge, lfirst_oid(lc),
							  RTC_ASPECT_READING);
		(void) rtc_judge_type(visitor->judge, lfirst_oid(lc),
							  RTC_ASPECT_VALUES);
	}
}

/*
 * Judges what reads text as a type without naming the input function, and what
 * checks values.  A literal whose type does not matter ("typed") is not read.
 */
static void
judge_reading(Visitor *visitor, Node *node, bool typed)
{
	RtcJudge   *judge = visitor->judge;

	switch (nodeTag(node))
	{
		case T_CoerceViaIO:
			(void) rtc_judge_type(judge, exprType(node), RTC_ASPECT_READING);
			(void) rtc_judge_type(judge,
								  exprType((Node *) ((CoerceViaIO *) node)->arg),
								  RTC_ASPECT_VALUES);
			break;
		case T_CoerceToDomain:
			(void) rtc_judge_type(judge, exprType(node), RTC_ASPECT_CHECKS);
			break;
		case T_FuncExpr:
			if (typed && rtc_reads_its_type(((FuncExpr *) node)->funcid))
				(void) rtc_judge_type(judge, exprType(node),
									  RTC_ASPECT_READING);
			break;
		case T_Const:
			if (typed)
				(void) rtc_judge_type(judge, exprType(node),
									  RTC_ASPECT_READING_KNOWN);
			if (rtc_judge_type(judge, exprType(node), RTC_ASPECT_MOMENTS))
				judge_constant(visitor, (Const *) node);
			visitor->verdict->names_literal |= exprType(node) == REGCLASSOID ||
				exprType(node) == REGTYPEOID;
			break;
		case T_Var:
			/* configurations of text search count in any case */
			if (!typed)
				(void) rtc_judge_type(judge, exprType(node),
									  RTC_ASPECT_MOMENTS);
			break;
		case T_Param:
			/* query.c searches arguments; a function gets a value */
			if (typed && !visitor->unseen)
				(void) rtc_judge_type(judge, exprType(node),
									  RTC_ASPECT_READING_KNOWN);
			break;
		case T_TableFunc:
			judge_columns(visitor, ((TableFunc *) node)->coltypes);
			break;
		default:
			if (reads_json_compat(node))
				judge_columns(visitor, list_make1_oid(exprType(node)));
			break;
	}
}

/*
 * Judges the type of an expression.  It matters wherever it stands: functions
 * write or compare what they are given, rows contain it.  Every value comes
 * from one of these nodes.
 */
static void
judge_type(Visitor *visitor, Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			rtc_judge_returned(visitor->judge, (FuncExpr *) node);
			break;
		case T_Aggref:
		case T_ArrayCoerceExpr:
		case T_ArrayExpr:
		case T_CoerceToDomain:
		case T_CoerceViaIO:
		case T_Const:
		case T_ConvertRowtypeExpr:
		case T_OpExpr:
		case T_Param:
		case T_RelabelType:
		case T_RowExpr:
		case T_Var:
		case T_WindowFunc:
			(void) rtc_judge_type(visitor->judge, exprType(node),
								  RTC_ASPECT_VALUES);
			break;
		default:
			break;
	}
}

/*
 * Visits the arguments of a function.  Constants and columns need not be
 * judged by type if the function takes just their type: to_tsvector('english',
 * ...), tableoid = 'city'::regclass.
 */
static void
visit_args(Visitor *visitor, Oid funcid, List *args)
{
	Oid		   *argtypes;
	int			nargs = 0;
	int			i = 0;
	ListCell   *lc;

	if (funcid < FirstNormalObjectId)
		(void) get_func_signature(funcid, &argtypes, &nargs);
	foreach(lc, args)
	{
		Node	   *arg = lfirst(lc);

		visit(visitor, arg,
			  !((IsA(arg, Const) || IsA(arg, Var)) && i < nargs &&
				argtypes[i] == exprType(arg)));
		i++;
	}
}

static bool
visit_walker(Node *node, void *context)
{
	visit(context, node, true);
	return false;
}

static void
visit_children(Visitor *visitor, Node *node)
{
	Query	   *outer;

	switch (nodeTag(node))
	{
		case T_Query:
			outer = visitor->query;
			visitor->query = (Query *) node;
			(void) query_tree_walker(visitor->query, visit_walker, visitor,
									 QTW_EXAMINE_RTES_BEFORE |
									 QTW_EXAMINE_SORTGROUP);
			visitor->query = outer;
			break;
		case T_RangeTblEntry:
			break;				/* query_tree_walker goes into it */
		case T_FuncExpr:
			check_stack_depth();
			visit_args(visitor, ((FuncExpr *) node)->funcid,
					   ((FuncExpr *) node)->args);
			break;
		case T_OpExpr:
			check_stack_depth();
			visit_args(visitor, get_opcode(((OpExpr *) node)->opno),
					   ((OpExpr *) node)->args);
			break;
		case T_RelabelType:
			{
				RelabelType *relabel = (RelabelType *) node;

				/* an OID becomes a number */
				check_stack_depth();
				visit(visitor, (Node *) relabel->arg,
					  relabel->resulttype != OIDOID || IsA(relabel->arg, Param));
			}
			break;
		case T_RangeTblFunction:
			{
				RangeTblFunction *function = (RangeTblFunction *) node;

				/* the columns are those of the record */
				visit(visitor, function->funcexpr,
					  function->funccoltypes == NIL);
				judge_columns(visitor, function->funccoltypes);
			}
			break;
		case T_SetOperationStmt:
			visit(visitor, (Node *) ((SetOperationStmt *) node)->groupClauses,
				  true);
			(void) expression_tree_walker(node, visit_walker, visitor);
			break;
		default:
			(void) expression_tree_walker(node, visit_walker, visitor);
			break;
	}
}

/* Judges a node, whatever its type is. */
static void
judge_node(Visitor *visitor, Node *node)
{
	switch (nodeTag(node))
	{
		case T_Query:
			if (((Query *) node)->commandType != CMD_SELECT)
				object(visitor, REASON_VOLATILE);
			if (((Query *) node)->rowMarks != NIL)
				object(visitor, REASON_ROW_LOCK);
			break;
		case T_RangeTblEntry:
			{
				RangeTblEntry *rte = (RangeTblEntry *) node;

				if ((rte->rtekind == RTE_RELATION ||
					 rte->rtekind == RTE_SUBQUERY) && OidIsValid(rte->relid))
					judge_relation(visitor, rte);
			}
			break;
		case T_Var:
			/* ctid, xmin and others change without a write */
			if (((Var *) node)->varattno < 0 &&
				((Var *) node)->varattno != TableOidAttributeNumber)
				object(visitor, REASON_SYSTEM_COLUMN);
			break;
		case T_SQLValueFunction:
			/* CURRENT_DATE and its kin precede CURRENT_USER and others */
			object(visitor, ((SQLValueFunction *) node)->op <=
				   SVFOP_LOCALTIMESTAMP_N ? RTC_UNCACHEABLE_TIME :
				   REASON_SESSION);
			break;
		case T_NextValueExpr:
			object(visitor, REASON_VOLATILE);
			break;
		case T_TableSampleClause:
			object(visitor, REASON_SAMPLE);
			break;
		default:
			break;
	}
}

/* Visits a node.  typed: its type matters. */
static void
visit(Visitor *visitor, Node *node, bool typed)
{
	if (node == NULL)
		return;
	CHECK_FOR_INTERRUPTS();
	judge_calls(visitor, node);
	judge_reading(visitor, node, typed);
	if (typed)
		judge_type(visitor, node);
	judge_node(visitor, node);
	visit_children(visitor, node);
}

void
rtc_judge_query(List *queries, const char *text, RtcVerdict *verdict)
{
	Visitor		visitor = {0};
	const RtcUnseen *unseen;
	bool		body = false;

	memset(verdict, 0, sizeof(RtcVerdict));
	visitor.verdict = verdict;
	visitor.judge = rtc_judge_begin();
	visitor.text = text;
	visit(&visitor, (Node *) queries, true);

	visitor.unseen = true;
	visitor.literals = NIL;
	while ((unseen = rtc_judge_next(visitor.judge)) != NULL)
	{
		if (unseen->text != visitor.text)
			visitor.literals = NIL;
		visitor.text = unseen->text;
		body |= IsA(unseen->tree, Query);
		visit(&visitor, unseen->tree, true);
	}

	/* the planner may have computed for good what is not immutable */
	verdict->reason = visitor.judge->reason;
	verdict->names_moment |= body && verdict->reason != NULL;
	list_sort(verdict->functions, list_oid_cmp);
	list_deduplicate_oid(verdict->functions);
	verdict->called = visitor.judge->functions;
	verdict->types = visitor.judge->types;
	list_sort(verdict->called, list_oid_cmp);
	list_sort(verdict->types, list_oid_cmp);
	list_deduplicate_oid(verdict->types);
	verdict->money = verdict->functions != NIL ||
		list_member_oid(verdict->types, MONEYOID) ||
		(verdict->called != NIL &&
		 llast_oid(verdict->called) >= FirstNormalObjectId);
}
