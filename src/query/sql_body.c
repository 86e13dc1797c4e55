/*-------------------------------------------------------------------------
 *
 * sql_body.c
 *		The bodies of functions in SQL.
 *
 * A body that was given as a text is parsed at each call, with the search_path
 * and the user that the function runs with; so it is here.  One that was parsed
 * when the function was made is kept by the server.
 *
 * Model: called by judge.c when a query is prepared, in a transaction with a
 * snapshot.  Locks the relations in the body, reads catalogs, keeps no state.
 * Settings and the user are put back, on an error by the abort of the
 * (sub)transaction.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "executor/functions.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parse_node.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "query/sql_body.h"

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

/* The queries of a body that the server keeps parsed: a list of lists, or one. */
static List *
take_apart(Node *body)
{
	List	   *queries = NIL;
	ListCell   *lc;

	if (!IsA(body, List))
		return list_make1(body);
	foreach(lc, linitial_node(List, castNode(List, body)))
		queries = lappend(queries, lfirst(lc));
	return queries;
}

List *
rtc_sql_body(HeapTuple proc, Node *call, const char **source)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(proc);
	List	   *queries;
	Datum		value;
	Oid			user;
	int			context;
	int			nestlevel = -1;
	bool		isnull;

	*source = NULL;
	value = SysCacheGetAttr(PROCOID, proc, Anum_pg_proc_prosqlbody, &isnull);
	if (!isnull)
		return take_apart(stringToNode(TextDatumGetCString(value)));

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
