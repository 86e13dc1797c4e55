/*-------------------------------------------------------------------------
 *
 * query_deps.h
 *		What the answers of a query depend on.  See query_deps.c, and
 *		query_deps_eval.c for one answer.
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
#include "query/meaning.h"

/* As many as a lookup can name, besides its key and its database. */
#define RTC_MAX_NAMED_DEPS	64

/* Arguments longer than this (bytes) are not remembered. */
#define RTC_MAX_REMEMBERED	256

/* One relation, in all places where the query uses it. */
typedef struct RtcRelationDeps
{
	Oid			relid;
	bool		inh;			/* its children are read too */
	const char *uncovered;		/* why some writes are not seen, or NULL */
	bool		told;			/* some writes are seen */
	bool		whole;			/* all rows count; else those of the pins */
	List	   *pins;			/* RtcPin, one for each use */
	RtcDep		relation;		/* names all of it */
	RtcDep		bulk;			/* names changes that name no rows */
} RtcRelationDeps;

/* What the answers of a query depend on, for any arguments. */
typedef struct RtcDepPlan
{
	List	   *relations;		/* RtcRelationDeps */
	List	   *watched;		/* OIDs of relations besides those in the
								 * query: if one changes, this is out of date */
	int			ndefinitions;
	RtcDep		definition[RTC_MAX_MEANING_DEPS];
	bool		has_params;		/* it depends on arguments */
	bool		reads_settings; /* some are read as the settings say */
	bool		reads_catalogs; /* some are of a type that may change */

	/* The last result, and the arguments that it is for. */
	bool		known;
	int			ndeps;
	uint32		argslen;
	char		args[RTC_MAX_REMEMBERED];
	RtcDep		dep[RTC_MAX_NAMED_DEPS];
} RtcDepPlan;

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
 * Evaluates the dependencies for these arguments (text[]; NULL = none), in an
 * order that the same question always has, into dep[RTC_MAX_NAMED_DEPS].
 * Returns their number.  Errors: those of the input functions of the arguments'
 * types.
 */
extern int	rtc_deps_evaluate(RtcDepPlan *plan, ArrayType *args, RtcDep *dep);

/*
 * Describes the dependencies, as a list of RtcDepInfo in the current memory
 * context.  args as above, but if they are left out, parameters are "$1".
 */
extern List *rtc_deps_explain(RtcDepPlan *plan, ArrayType *args);

#endif							/* RTC_QUERY_DEPS_H */
