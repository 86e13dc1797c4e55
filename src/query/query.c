/*-------------------------------------------------------------------------
 *
 * query.c
 *		Prepares, checks and runs the query behind a cache lookup.
 *
 * Model: any backend, inside a transaction; backend-private state only.
 * Queries run as the current user, with the server's own checks.
 *
 * Every call holds a reference to its plan (plan.c).  A reset callback of the
 * memory context it was made in releases it, also after errors.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

#include "base/inject.h"
#include "base/pinned_settings.h"
#include "compat.h"
#include "query/cacheable.h"
#include "query/json_receiver.h"
#include "query/query.h"

/* The memory context of a call is reset. */
static void
release_query(void *arg)
{
	RtcQuery   *query = arg;

	if (query->plan != NULL)
		query->plan->refcount--;
}

/* The arguments as texts, NULL for a NULL. */
static int
split_args(ArrayType *args, char ***texts)
{
	Datum	   *values;
	bool	   *isnull;
	int			n;

	*texts = NULL;
	if (args == NULL || ARR_NDIM(args) == 0)
		return 0;
	deconstruct_array(args, TEXTOID, -1, false, TYPALIGN_INT, &values, &isnull,
					  &n);
	*texts = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
		(*texts)[i] = isnull[i] ? NULL : TextDatumGetCString(values[i]);
	return n;
}

/* Finds the plan of a call, and checks the arguments against it. */
static void
attach_plan(RtcQuery *query)
{
	ArrayType  *args = query->args;
	int			nargs = args == NULL ? 0 :
	ArrayGetNItems(ARR_NDIM(args), ARR_DIMS(args));
	RtcKeptPlan *plan = rtc_plan_find(query->text, query->textlen, &query->locked);

	plan->refcount++;
	query->plan = plan;
	query->id = &plan->id;
	query->privileges = plan->privileges;
	query->uncacheable = plan->verdict.reason;

	if (plan->name_twice != NULL && !query->to_explain)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column name \"%s\" appears more than once in cached query",
						plan->name_twice),
				 errdetail("A row becomes a JSON object, which has each name once."),
				 errhint("Give each column a name of its own with AS.")));
	if (nargs != plan->source->num_params &&
		!(query->to_explain && args == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wrong number of query arguments"),
				 errdetail_plural("The query has %d parameter, %d values were given.",
								  "The query has %d parameters, %d values were given.",
								  plan->source->num_params,
								  plan->source->num_params, nargs)));

	if (query->uncacheable == NULL && plan->moments != NULL && nargs > 0)
	{
		char	  **texts;

		split_args(args, &texts);
		for (int i = 0; i < nargs; i++)
		{
			if (texts[i] != NULL && bms_is_member(i, plan->moments) &&
				rtc_text_names_moment(texts[i], strlen(texts[i])))
				query->uncacheable = RTC_UNCACHEABLE_TIME;
		}
	}
}

RtcQuery *
rtc_query_prepare(const char *text, int len, ArrayType *args, bool to_explain)
{
	RtcQuery   *query = palloc(sizeof(RtcQuery));

	if (args != NULL && ARR_NDIM(args) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("query arguments must be a one-dimensional array")));

	query->plan = NULL;
	query->text = text;
	query->textlen = len;
	query->args = args;
	query->to_explain = to_explain;
	query->release.func = release_query;
	query->release.arg = query;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &query->release);
	attach_plan(query);
	return query;
}

void
rtc_query_lock(RtcQuery *query)
{
	while (!query->locked)
	{
		RtcKeptPlan *plan = query->plan;

		/* with the locks we have been told of every change */
		rtc_plan_lock(plan, true);
		if (rtc_plan_is_current(plan))
			query->locked = true;
		else
		{
			rtc_plan_lock(plan, false);
			rtc_plan_drop(plan);
			plan->refcount--;
			query->plan = NULL;
			attach_plan(query);
		}
	}
}

bool
rtc_query_is_current(const RtcQuery *query)
{
	AcceptInvalidationMessages();
	return rtc_plan_is_current(query->plan);
}

bool
rtc_query_may_run(const RtcQuery *query)
{
	/* hooks into privilege checks (to audit them, say) see every use */
	return query->plan->access_checked && ExecutorCheckPerms_hook == NULL;
}

int
rtc_query_deps(RtcQuery *query, RtcDep *dep)
{
	ErrorContextCallback callback;
	int			n;

	rtc_plan_push_error_context(&callback, query->plan->text);
	n = rtc_deps_evaluate(query->plan->deps, query->args, dep);
	error_context_stack = callback.previous;
	return n;
}

Oid
rtc_query_dep_relation(const RtcQuery *query, int i)
{
	return query->plan->deps->relid[i];
}

List *
rtc_query_explain(RtcQuery *query)
{
	ErrorContextCallback callback;
	List	   *infos;
	int			nestlevel;

	nestlevel = rtc_pin_query_settings(false);
	rtc_plan_push_error_context(&callback, query->plan->text);
	infos = rtc_deps_explain(query->plan->deps, query->args);
	error_context_stack = callback.previous;
	rtc_unpin_settings(nestlevel);
	return infos;
}

const char *
rtc_query_owned_key(RtcQuery *query, size_t *keylen)
{
	RtcKeptPlan *plan = query->plan;
	ErrorContextCallback callback;
	const char *key;

	if (plan->owned == NULL ||
		(query->args == NULL && plan->source->num_params > 0))
		return NULL;
	rtc_plan_push_error_context(&callback, plan->text);
	key = rtc_owned_key(plan->owned, query->args, keylen);
	error_context_stack = callback.previous;
	return key;
}

/* Reads the arguments as the query's parameter types; NULL = none. */
static ParamListInfo
bind_args(RtcQuery *query)
{
	CachedPlanSource *source = query->plan->source;
	ParamListInfo params;
	char	  **texts;

	if (source->num_params == 0)
		return NULL;

	split_args(query->args, &texts);
	params = makeParamList(source->num_params);
	for (int i = 0; i < source->num_params; i++)
	{
		ParamExternData *param = &params->params[i];
		char	   *text = texts != NULL ? texts[i] : NULL;
		Oid			input;
		Oid			ioparam;

		param->value = (Datum) 0;
		param->isnull = text == NULL;
		param->pflags = PARAM_FLAG_CONST;
		param->ptype = source->param_types[i];
		if (texts == NULL)
			continue;			/* to explain */
		getTypeInputInfo(param->ptype, &input, &ioparam);
		param->value = OidInputFunctionCall(input, text, ioparam, -1);
	}
	return params;
}

/* One execution of a query. */
typedef struct Execution
{
	ErrorContextCallback callback;
	int			nestlevel;		/* of the pinned settings */
	CachedPlan *cplan;
	QueryDesc  *desc;
} Execution;

/*
 * Plans the query and prepares its execution, with a snapshot that is not
 * older than the locks.  rehearse: only as far as EXPLAIN would go.
 */
static void
start_execution(Execution *exec, RtcQuery *query, DestReceiver *dest,
				bool rehearse)
{
	CachedPlanSource *source = query->plan->source;
	ParamListInfo params;

	exec->nestlevel = rtc_pin_query_settings(query->plan->verdict.money);
	rtc_plan_push_error_context(&exec->callback, query->plan->text);

	/* input functions, and the planner, may look at tables */
	PushActiveSnapshot(GetTransactionSnapshot());
	params = bind_args(query);

	exec->cplan = GetCachedPlan(source, params, CurrentResourceOwner, NULL);
	PopActiveSnapshot();

	/* a new one, because the planner may have waited for a lock */
	PushActiveSnapshot(GetTransactionSnapshot());
	RTC_INJECT("snapshot_taken");
	exec->desc = CreateQueryDesc(linitial_node(PlannedStmt,
											   exec->cplan->stmt_list),
								 query->plan->text, GetActiveSnapshot(),
								 InvalidSnapshot, dest, params, NULL, 0);
	ExecutorStart(exec->desc, rehearse ? EXEC_FLAG_EXPLAIN_ONLY : 0);
}

static void
end_execution(Execution *exec)
{
	ExecutorEnd(exec->desc);
	FreeQueryDesc(exec->desc);
	PopActiveSnapshot();
	ReleaseCachedPlan(exec->cplan, CurrentResourceOwner);
	error_context_stack = exec->callback.previous;
	rtc_unpin_settings(exec->nestlevel);
}

/*
 * Does the check for these arguments hold for any?  With some arguments a call
 * of a function is left out, and not checked.
 */
static bool
access_is_known(RtcQuery *query)
{
	ListCell   *lc;

	if (query->plan->source->num_params == 0)
		return true;
	foreach(lc, query->plan->verdict.functions)
	{
		if (proc_aclcheck_compat(lfirst_oid(lc), GetUserId()) != ACLCHECK_OK)
			return false;
	}
	return true;
}

void
rtc_query_check_access(RtcQuery *query)
{
	Execution	exec;
	MemoryContext context;
	MemoryContext oldcontext;

	if (rtc_query_may_run(query))
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "rtcache check",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	start_execution(&exec, query, None_Receiver, true);
	end_execution(&exec);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	query->plan->access_checked = access_is_known(query);
}

Jsonb *
rtc_query_run(RtcQuery *query, bool one_row, StringInfo text)
{
	Execution	exec;
	StringInfoData own;
	MemoryContext context;
	MemoryContext oldcontext;
	DestReceiver *collector;
	Jsonb	   *answer;
	Jsonb	   *result = NULL;

	context = AllocSetContextCreate(CurrentMemoryContext, "rtcache query",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);

	if (text == NULL)
	{
		initStringInfo(&own);
		text = &own;
	}
	collector = rtc_collector_create(one_row, text);
	start_execution(&exec, query, collector, false);
	/* the second row is one too many */
	ExecutorRun_compat(exec.desc, one_row ? 2 : 0);
	ExecutorFinish(exec.desc);
	answer = rtc_collector_result(collector);
	end_execution(&exec);

	MemoryContextSwitchTo(oldcontext);
	if (answer != NULL)
	{
		result = palloc(VARSIZE(answer));
		memcpy(result, answer, VARSIZE(answer));
	}
	MemoryContextDelete(context);
	return result;
}
