/*-------------------------------------------------------------------------
 *
 * query_deps.h
 *		What the answers of a query depend on.  See query_deps.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_QUERY_DEPS_H
#define RTC_QUERY_DEPS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/array.h"

#include "dep/dep.h"

/* As many as a lookup can name, besides its key and its database. */
#define RTC_MAX_NAMED_DEPS	64

/* What the answers of a query depend on, whatever its arguments are. */
typedef struct RtcDepPlan RtcDepPlan;

/* One relation, for people. */
typedef struct RtcDepInfo
{
	Oid			relid;
	const char *uncovered;		/* why some writes are not seen, or NULL */
	bool		rows;			/* some rows only, else all */
	const char *detail;			/* which ones */
} RtcDepInfo;

/*
 * Analyzes the rewritten query trees of one statement, whose relations are
 * locked.  definition: what else the answers depend on, ndefinitions of them
 * (RTC_MAX_MEANING_DEPS at most).  The result is in the given memory context, and
 * NULL if more relations are involved than a lookup can name.
 */
extern RtcDepPlan *rtc_deps_analyze(List *queries, const RtcDep *definition,
									int ndefinitions, MemoryContext context);

/*
 * The dependencies for these arguments (text[]; NULL = none), at most max, in
 * an order that the same question always has.  Errors: those of the input
 * functions of the arguments' types.
 */
extern int	rtc_deps_evaluate(RtcDepPlan *plan, ArrayType *args, RtcDep *dep,
							  int max);

/*
 * Relations besides those in the query that have a part in the result: if one
 * changes, the plan is out of date.
 */
extern bool rtc_deps_watch(const RtcDepPlan *plan, Oid relid);

/* A list of RtcDepInfo.  args as above; parameters without them are "$1". */
extern List *rtc_deps_explain(RtcDepPlan *plan, ArrayType *args);

#endif							/* RTC_QUERY_DEPS_H */
