/*-------------------------------------------------------------------------
 *
 * query_deps_eval.c
 *		What the answer of a query depends on, given its arguments.
 *
 * MODEL: called at each lookup, before anything is looked for in a cache: so
 * what was found for the arguments of the last call is kept with the plan.
 * Input functions of types may raise; then nothing was kept.
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
#include "query/query_deps_internal.h"
#include "query/row_names.h"

/*
 * Names the dependencies; -1 = there are too many.  "whole": name relations
 * instead of rows.
 */
static int
name_deps(RtcDepPlan *plan, ArrayType *args, RtcDep *dep, int max, bool whole)
{
	int			n;
	ListCell   *lc;

	for (n = 0; n < plan->ndefinitions; n++)
		dep[n] = plan->definition[n];
	foreach(lc, plan->relations)
	{
		RtcRelationDeps *deps = lfirst(lc);
		int			start = n;
		ListCell   *cell;

		if (!deps->told)
			continue;
		if (n >= max)
			return -1;
		if (deps->whole || whole)
		{
			dep[n++] = deps->relation;
			continue;
		}

		dep[n++] = deps->bulk;
		foreach(cell, deps->pins)
		{
			int			more;

			more = rtc_pin_evaluate(lfirst(cell), args, dep + start + 1,
									n - start - 1,
									Min(RTC_MAX_PINNED, max - start - 1));
			if (more < 0)
			{
				if (max - start - 1 < RTC_MAX_PINNED)
					return -1;
				dep[start] = deps->relation;
				n = start + 1;
				break;
			}
			n = start + 1 + more;
		}
	}
	return n;
}

static int
evaluate(RtcDepPlan *plan, ArrayType *args, RtcDep *dep, int max)
{
	int			nestlevel = -1;
	bool		snapshot = false;
	int			n;

	if (plan->has_params)
	{
		/* as for the query itself, see query.c */
		if (plan->reads_settings)
			nestlevel = rtc_pin_query_settings(false);
		if (!ActiveSnapshotSet())
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			snapshot = true;
		}
	}
	n = name_deps(plan, args, dep, max, false);
	if (n < 0)
		n = name_deps(plan, args, dep, max, true);
	if (snapshot)
		PopActiveSnapshot();
	rtc_unpin_settings(nestlevel);
	if (n < 0)
		elog(ERROR, "too many cache dependencies");
	return n;
}

int
rtc_deps_evaluate(RtcDepPlan *plan, ArrayType *args, RtcDep *dep, int max)
{
	uint32		argslen = plan->has_params ? VARSIZE(args) : 0;
	bool		keep = max == RTC_MAX_NAMED_DEPS && !plan->reads_catalogs &&
	argslen <= RTC_MAX_REMEMBERED;
	int			n;

	if (keep && plan->known && plan->argslen == argslen &&
		(argslen == 0 || memcmp(plan->args, args, argslen) == 0))
		n = plan->ndeps;
	else
	{
		n = evaluate(plan, args, dep, max);
		if (!keep)
			return n;
		plan->known = true;
		plan->argslen = argslen;
		if (argslen > 0)
			memcpy(plan->args, args, argslen);
		plan->ndeps = n;
		memcpy(plan->dep, dep, n * sizeof(RtcDep));
		return n;
	}
	memcpy(dep, plan->dep, n * sizeof(RtcDep));
	return n;
}

bool
rtc_deps_watch(const RtcDepPlan *plan, Oid relid)
{
	return list_member_oid(plan->watched, relid);
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
			continue;

		initStringInfo(&detail);
		foreach(cell, deps->pins)
		{
			RtcPin	   *pin = lfirst(cell);
			StringInfoData one;

			initStringInfo(&one);
			rtc_pin_describe(pin, args, &one);
			if (args != NULL || !rtc_pin_has_params(pin))
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
