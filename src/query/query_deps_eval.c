/*-------------------------------------------------------------------------
 *
 * query_deps_eval.c
 *		The dependencies of a query, given its arguments.
 *
 * This is done at each lookup, before a cache is asked, so the plan keeps the
 * last result with its arguments.
 *
 * Model: called by query.c, inside a transaction.  Input functions may raise;
 * then nothing is kept.  Allocates in the current memory context.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "utils/snapmgr.h"

#include "base/pinned_settings.h"
#include "query/query_deps.h"
#include "query/row_names.h"

/*
 * Adds the rows of one relation to n dependencies; if they are too many, the
 * whole relation.  Returns the new number; -1 = there is no room.
 */
static int
add_rows(const RtcRelationDeps *deps, ArrayType *args, RtcDep *dep, int n)
{
	int			first = n + 1;
	int			room = RTC_MAX_NAMED_DEPS - first;
	int			nrows = 0;
	ListCell   *lc;

	dep[n] = deps->bulk;
	foreach(lc, deps->pins)
	{
		nrows = rtc_pin_evaluate(lfirst(lc), args, dep + first, nrows,
								 Min(RTC_MAX_PINNED, room));
		if (nrows >= 0)
			continue;
		if (room < RTC_MAX_PINNED)
			return -1;
		dep[n] = deps->relation;
		return n + 1;
	}
	return first + nrows;
}

/* Evaluates all dependencies; -1 = too many.  whole: relations, not rows. */
static int
evaluate_all(RtcDepPlan *plan, ArrayType *args, RtcDep *dep, bool whole)
{
	int			n = plan->ndefinitions;
	int			named = n;		/* whose relation is noted */
	ListCell   *lc;

	memset(plan->relid, 0, n * sizeof(Oid));
	memcpy(dep, plan->definition, n * sizeof(RtcDep));
	foreach(lc, plan->relations)
	{
		RtcRelationDeps *deps = lfirst(lc);

		if (!deps->told)
			continue;
		if (n >= RTC_MAX_NAMED_DEPS)
			return -1;
		if (deps->whole || whole)
			dep[n++] = deps->relation;
		else
			n = add_rows(deps, args, dep, n);
		if (n < 0)
			return -1;
		for (; named < n; named++)
			plan->relid[named] = deps->relid;
	}
	return n;
}

static int
evaluate(RtcDepPlan *plan, ArrayType *args, RtcDep *dep)
{
	int			n;
	int			nestlevel = -1;
	bool		snapshot = false;

	if (plan->has_params)
	{
		/* as for the query itself (query.c) */
		if (plan->reads_settings)
			nestlevel = rtc_pin_query_settings(false);
		if (!ActiveSnapshotSet())
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			snapshot = true;
		}
	}
	n = evaluate_all(plan, args, dep, false);
	if (n < 0)
		n = evaluate_all(plan, args, dep, true);
	if (snapshot)
		PopActiveSnapshot();
	rtc_unpin_settings(nestlevel);
	if (n < 0)
		elog(ERROR, "too many cache dependencies");
	return n;
}

/*
 * Evaluating may run functions that look up the same query with other
 * arguments, so the plan is changed at the end.
 */
int
rtc_deps_evaluate(RtcDepPlan *plan, ArrayType *args, RtcDep *dep)
{
	uint32		argslen = plan->has_params ? VARSIZE(args) : 0;
	int			n;

	if (plan->known && plan->argslen == argslen &&
		(argslen == 0 || memcmp(plan->args, args, argslen) == 0))
	{
		memcpy(dep, plan->dep, plan->ndeps * sizeof(RtcDep));
		return plan->ndeps;
	}

	n = evaluate(plan, args, dep);
	plan->known = !plan->reads_catalogs && argslen <= RTC_MAX_REMEMBERED;
	if (plan->known)
	{
		plan->argslen = argslen;
		if (argslen > 0)
			memcpy(plan->args, args, argslen);
		plan->ndeps = n;
		memcpy(plan->dep, dep, n * sizeof(RtcDep));
	}
	return n;
}

List *
rtc_deps_explain(RtcDepPlan *plan, ArrayType *args)
{
	List	   *infos = NIL;
	ListCell   *lc;

	foreach(lc, plan->relations)
	{
		RtcRelationDeps *deps = lfirst(lc);
		RtcDepInfo *info = palloc0(sizeof(RtcDepInfo));
		StringInfoData detail;
		List	   *said = NIL;
		ListCell   *cell;
		RtcDep		dep[RTC_MAX_PINNED];
		int			n = 0;

		info->relid = deps->relid;
		info->uncovered = deps->uncovered;
		info->rows = !deps->whole && deps->uncovered == NULL;
		infos = lappend(infos, info);
		if (!info->rows)
		{
			info->detail = deps->why;
			continue;
		}

		initStringInfo(&detail);
		foreach(cell, deps->pins)
		{
			RtcPin	   *pin = lfirst(cell);
			StringInfoData one;

			initStringInfo(&one);
			rtc_pin_describe(pin, args, &one);
			if (args != NULL || !pin->has_params)
				n = rtc_pin_evaluate(pin, args, dep, n, RTC_MAX_PINNED);
			if (n < 0)
			{
				info->rows = false;
				resetStringInfo(&detail);
				appendStringInfo(&detail, "more than %d values",
								 RTC_MAX_PINNED);
				break;
			}
			if (!list_member(said, makeString(one.data)))
				appendStringInfo(&detail, "%s%s",
								 detail.len > 0 ? " OR " : "", one.data);
			said = lappend(said, makeString(one.data));
		}
		info->detail = detail.data;
	}
	return infos;
}
