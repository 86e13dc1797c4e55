/*-------------------------------------------------------------------------
 *
 * judge_function.c
 *		What the call of a function makes the executor call.
 *
 * See judge.c for what counts, and why.
 *
 * Model: as judge.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/functions.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "parser/parse_node.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "compat.h"
#include "query/function_list.h"
#include "query/judge.h"
#include "query/literal.h"

/* Reasons; short and stable, as in cacheable.c. */
#define REASON_FUNCTION		"function that is not immutable"
#define REASON_TEMP_FUNCTION "temporary function"
#define REASON_UNKNOWN		"function whose argument types are not known"
#define REASON_RECORD		"record of unknown columns"

/*
 * Has the default arguments of a call judged.  Returns the call with all its
 * arguments, in their order.
 */
static Node *
add_defaults(RtcJudge *judge, HeapTuple proc, Node *call)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(proc);
	List	   *given;
	List	   *args = NIL;
	List	   *all;
	FuncExpr   *func;
	ListCell   *lc;

	if (call == NULL || !(IsA(call, FuncExpr) || IsA(call, WindowFunc)))
		return call;
	given = IsA(call, FuncExpr) ? ((FuncExpr *) call)->args :
		((WindowFunc *) call)->args;
	all = expand_function_arguments(given, false, exprType(call), proc);
	if (all == given)
		return call;			/* it has all of them */

	foreach(lc, given)
		args = lappend(args, IsA(lfirst(lc), NamedArgExpr) ?
					   (Node *) ((NamedArgExpr *) lfirst(lc))->arg :
					   lfirst(lc));
	foreach(lc, list_difference_ptr(all, args))
		rtc_judge_later(judge, InvalidOid, lfirst(lc), NULL,
						psprintf("a default of function %s",
								 format_procedure(form->oid)));

	func = makeNode(FuncExpr);
	func->funcid = form->oid;
	func->funcresulttype = exprType(call);
	func->args = all;
	func->location = -1;
	return (Node *) func;
}

/* Judges that a value is assigned to what a function returns. */
static void
judge_assignment(RtcJudge *judge, Oid source, Oid target)
{
	Oid			funcid;

	switch (find_coercion_pathway(target, source, COERCION_ASSIGNMENT,
								  &funcid))
	{
		case COERCION_PATH_FUNC:
			rtc_judge_call(judge, funcid, NULL);
			break;
		case COERCION_PATH_ARRAYCOERCE:
			judge_assignment(judge, get_element_type(getBaseType(source)),
							 get_element_type(getBaseType(target)));
			break;
		case COERCION_PATH_COERCEVIAIO:
			(void) rtc_judge_type(judge, source, RTC_ASPECT_VALUES);
			(void) rtc_judge_type(judge, target, RTC_ASPECT_READING);
			break;
		default:
			break;
	}
}

/* Judges that the rows of a body become the result of its function. */
static void
judge_result(RtcJudge *judge, Oid funcid, Node *call, const Query *last)
{
	List	   *columns = NIL;
	TupleDesc	desc = NULL;
	Oid			type;
	ListCell   *lc;

	foreach(lc, last->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!tle->resjunk)
			columns = lappend_oid(columns, exprType((Node *) tle->expr));
	}
	if (call == NULL)
		(void) get_func_result_type(funcid, &type, &desc);
	else if (IsA(call, FuncExpr))
		(void) get_expr_result_type(call, &type, &desc);
	else
		type = exprType(call);
	if (list_length(columns) == 1)
		judge_assignment(judge, linitial_oid(columns), type);
	if (desc == NULL)
		return;

	for (int i = 0, n = 0; i < desc->natts && n < list_length(columns); i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped)
			judge_assignment(judge, list_nth_oid(columns, n++), att->atttypid);
	}
}

/* A body that is being parsed. */
typedef struct Body
{
	const char *name;			/* of the function */
	const char *text;
} Body;

/* Shows where in the body an error is, not where in the query. */
static void
body_error_callback(void *arg)
{
	const Body *body = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(body->text);
	}
	errcontext("SQL function \"%s\"", body->name);
}

/* Parses and analyzes a body. */
static List *
parse_body(HeapTuple proc, Node *call, const char *text)
{
	Body		body = {NameStr(((Form_pg_proc) GETSTRUCT(proc))->proname), text};
	ErrorContextCallback callback;
	SQLFunctionParseInfoPtr info;
	List	   *queries = NIL;
	ListCell   *lc;

	callback.callback = body_error_callback;
	callback.arg = &body;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	info = prepare_sql_fn_parse_info(proc, call, InvalidOid);
	foreach(lc, pg_parse_query(text))
	{
		ParseState *pstate = make_parsestate(NULL);

		CHECK_FOR_INTERRUPTS();
		pstate->p_sourcetext = text;
		sql_fn_parser_setup(pstate, info);
		queries = lappend(queries,
						  transformTopLevelStmt(pstate, lfirst(lc)));
		free_parsestate(pstate);
	}
	error_context_stack = callback.previous;
	return queries;
}

/*
 * Returns the queries that a function in SQL runs, analyzed but not rewritten.
 * A body that was given as a text is parsed at each call, with the search_path
 * and the user that the function runs with; so it is here.  Another one is
 * stored.  call: has all arguments; NULL = not known, the function is not
 * polymorphic.  *source: the text of the queries; NULL = none.  Settings and
 * user are put back, after an error by the abort of the (sub)transaction.
 * Errors: those of analyzing the function when it is called.
 */
static List *
read_body(HeapTuple proc, Node *call, const char **source)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(proc);
	List	   *queries;
	Node	   *parsed;
	Datum		value;
	Oid			user;
	int			context;
	int			nestlevel = -1;
	bool		isnull;

	*source = NULL;
	value = SysCacheGetAttr(PROCOID, proc, Anum_pg_proc_prosqlbody, &isnull);
	if (!isnull)
	{
		/* a list with a list of queries, or one query */
		parsed = stringToNode(TextDatumGetCString(value));
		return IsA(parsed, List) ? linitial_node(List, (List *) parsed) :
			list_make1(parsed);
	}

	value = SysCacheGetAttr(PROCOID, proc, Anum_pg_proc_prosrc, &isnull);
	if (isnull)
		elog(ERROR, "null prosrc for function %u", form->oid);
	*source = TextDatumGetCString(value);

	GetUserIdAndSecContext(&user, &context);
	if (form->prosecdef)
		SetUserIdAndSecContext(form->proowner,
							   context | SECURITY_LOCAL_USERID_CHANGE);
	value = SysCacheGetAttr(PROCOID, proc, Anum_pg_proc_proconfig, &isnull);
	if (!isnull)
	{
		nestlevel = NewGUCNestLevel();
		ProcessGUCArray(DatumGetArrayTypeP(value),
						superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION,
						GUC_ACTION_SAVE);
	}
	queries = parse_body(proc, call, *source);
	if (nestlevel >= 0)
		AtEOXact_GUC(true, nestlevel);
	if (form->prosecdef)
		SetUserIdAndSecContext(user, context);
	return queries;
}

/*
 * Was the body judged already?  It is another one for other types of
 * polymorphic arguments.
 */
static bool
body_is_judged(RtcJudge *judge, Form_pg_proc form, Node *call)
{
	List	   *key = list_make1_oid(form->oid);

	for (int i = 0; i < form->pronargs; i++)
	{
		if (IsPolymorphicType(form->proargtypes.values[i]))
			key = lappend_oid(key, get_call_expr_argtype(call, i));
	}
	if (list_member(judge->bodies, key))	/* compares as lists of OIDs do */
		return true;
	judge->bodies = lappend(judge->bodies, key);
	return false;
}

/* Judges the body of a function in SQL. */
static void
judge_body(RtcJudge *judge, HeapTuple proc, Node *call)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(proc);
	const char *before = judge->place;
	char	   *name;
	List	   *queries;
	const char *text;
	ListCell   *lc;

	for (int i = 0; call == NULL && i < form->pronargs; i++)
	{
		if (IsPolymorphicType(form->proargtypes.values[i]))
		{
			rtc_judge_object(judge, REASON_UNKNOWN);
			return;
		}
	}
	if (body_is_judged(judge, form, call))
		return;

	/* parsing runs input functions, maybe as the owner */
	if (proc_aclcheck_compat(form->oid, GetUserId()) != ACLCHECK_OK)
	{
		rtc_judge_object(judge, REASON_FUNCTION);
		return;
	}

	queries = read_body(proc, call, &text);
	name = format_procedure(form->oid);
	foreach(lc, queries)
		rtc_judge_later(judge, InvalidOid, lfirst(lc), text,
						psprintf("the body of function %s", name));
	if (queries != NIL && form->prorettype != VOIDOID)
	{
		judge->place = psprintf("the result of function %s", name);
		judge_result(judge, form->oid, call, llast_node(Query, queries));
		judge->place = before;
	}
}

/* Judges the initial value of an aggregate, a text; NULL = none. */
static void
judge_initial_value(RtcJudge *judge, Oid aggid, Oid transtype,
					const char *text, Node *call)
{
	if (text == NULL)
		return;
	if (IsPolymorphicType(transtype))
	{
		Oid			argtype[FUNC_MAX_ARGS];
		int			nargs = 0;
		ListCell   *lc;

		if (call != NULL && IsA(call, Aggref))
			nargs = get_aggregate_argtypes((Aggref *) call, argtype);
		else if (call != NULL && IsA(call, WindowFunc))
		{
			foreach(lc, ((WindowFunc *) call)->args)
				argtype[nargs++] = exprType(lfirst(lc));
		}
		if (nargs == 0)
		{
			rtc_judge_object(judge, REASON_UNKNOWN);
			return;
		}
		transtype = resolve_aggregate_transtype(aggid, transtype, argtype,
												nargs);
	}
	(void) rtc_judge_type(judge, transtype, RTC_ASPECT_READING_KNOWN);
	if (rtc_judge_type(judge, transtype, RTC_ASPECT_MOMENTS) &&
		rtc_text_names_moment(text, strlen(text)))
		rtc_judge_object(judge, RTC_UNCACHEABLE_TIME);
}

/* The text of a column of pg_aggregate; NULL = none. */
static char *
get_text(HeapTuple aggregate, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(AGGFNOID, aggregate, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Judges what an aggregate is made of. */
static void
judge_aggregate(RtcJudge *judge, Oid aggid, Node *call)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggid));
	Form_pg_aggregate form;

	if (!HeapTupleIsValid(tuple))
	{
		rtc_judge_object(judge, REASON_FUNCTION);	/* dropped meanwhile */
		return;
	}
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	if (aggid >= FirstNormalObjectId)
	{
		const Oid	funcid[] = {
			form->aggtransfn, form->aggfinalfn, form->aggcombinefn,
			form->aggserialfn, form->aggdeserialfn, form->aggmtransfn,
			form->aggminvtransfn, form->aggmfinalfn
		};

		for (int i = 0; i < lengthof(funcid); i++)
		{
			if (OidIsValid(funcid[i]))
				rtc_judge_call(judge, funcid[i], NULL);
		}
		judge_initial_value(judge, aggid, form->aggtranstype,
							get_text(tuple, Anum_pg_aggregate_agginitval),
							call);
		judge_initial_value(judge, aggid, form->aggmtranstype,
							get_text(tuple, Anum_pg_aggregate_aggminitval),
							call);
	}

	/* min() and max() may read an index instead */
	if (OidIsValid(form->aggsortop))
		rtc_judge_operator(judge, form->aggsortop);
	ReleaseSysCache(tuple);
}

/* Judges the constraints in what a function takes and gives. */
static void
judge_declared_types(RtcJudge *judge, HeapTuple proc)
{
	Oid		   *type;
	char	  **name;
	char	   *mode;
	int			n = get_func_arg_info(proc, &type, &name, &mode);

	for (int i = 0; i < n; i++)
		(void) rtc_judge_type(judge, type[i], RTC_ASPECT_CHECKS);
	(void) rtc_judge_type(judge,
						  ((Form_pg_proc) GETSTRUCT(proc))->prorettype,
						  RTC_ASPECT_CHECKS);
}

static void
judge_user_function(RtcJudge *judge, Oid funcid, Node *call, bool first)
{
	HeapTuple	proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc form;

	if (!HeapTupleIsValid(proc))
	{
		rtc_judge_object(judge, REASON_FUNCTION);	/* dropped meanwhile */
		return;
	}
	form = (Form_pg_proc) GETSTRUCT(proc);
	if (isAnyTempNamespace(form->pronamespace))
		rtc_judge_object(judge, REASON_TEMP_FUNCTION);
	else if (form->prokind == PROKIND_AGGREGATE)
		judge_aggregate(judge, funcid, call);
	else if (form->provolatile == PROVOLATILE_VOLATILE)
		rtc_judge_object(judge, REASON_VOLATILE);
	else if (form->provolatile != PROVOLATILE_IMMUTABLE)
		rtc_judge_object(judge, REASON_FUNCTION);
	else
	{
		if (first)
			judge_declared_types(judge, proc);
		call = add_defaults(judge, proc, call);
		if (call != NULL)
			(void) rtc_judge_type(judge, exprType(call), RTC_ASPECT_CHECKS);
		if (form->prolang == SQLlanguageId)
			judge_body(judge, proc, call);
	}
	ReleaseSysCache(proc);
}

void
rtc_judge_call(RtcJudge *judge, Oid funcid, Node *call)
{
	bool		first;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (judge->reason != NULL)
		return;
	if (funcid < FirstNormalObjectId && call != NULL && IsA(call, FuncExpr))
	{
		rtc_judge_object(judge, rtc_judge_server_function(funcid,
														  (FuncExpr *) call));
		return;
	}
	(void) rtc_judge_remember(judge, RTC_ASPECT_CALL, funcid, &first);
	if (funcid >= FirstNormalObjectId)
		judge_user_function(judge, funcid, call, first);
	else if (first)
	{
		rtc_judge_object(judge, rtc_judge_server_function(funcid, NULL));
		if (get_func_prokind(funcid) == PROKIND_AGGREGATE)
			judge_aggregate(judge, funcid, call);
	}
}

void
rtc_judge_returned(RtcJudge *judge, FuncExpr *func)
{
	TupleDesc	desc;

	(void) rtc_judge_type(judge, func->funcresulttype, RTC_ASPECT_VALUES);
	if (func->funcid < FirstNormalObjectId ||
		func->funcresulttype != RECORDOID)
		return;

	/* its columns may be the OUT arguments of the function */
	if (get_expr_result_type((Node *) func, NULL, &desc) != TYPEFUNC_COMPOSITE)
	{
		rtc_judge_object(judge, REASON_RECORD);
		return;
	}
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			(void) rtc_judge_type(judge, TupleDescAttr(desc, i)->atttypid,
								  RTC_ASPECT_VALUES);
	}
}

const RtcUnseen *
rtc_judge_next(RtcJudge *judge)
{
	while (judge->reason == NULL && judge->next < list_length(judge->pending))
	{
		const RtcUnseen *unseen = list_nth(judge->pending, judge->next++);

		judge->place = unseen->place;
		if (unseen->tree != NULL)
			return unseen;
		rtc_judge_call(judge, unseen->funcid, NULL);
	}
	return NULL;
}
