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

/* Dependencies of a lookup at most, besides its key and its database. */
#define RTC_MAX_NAMED_DEPS	64

/* Bytes of arguments that are remembered at most. */
#define RTC_MAX_REMEMBERED	256

/* One relation, in all places where the query uses it. */
typedef struct RtcRelationDeps
{
	Oid			relid;
	bool		inh;			/* its children are read too */
	const char *uncovered;		/* why some writes are not seen, or NULL */
	bool		told;			/* some writes are seen */
	bool		whole;			/* all rows count; else those of the pins */
	const char *why;			/* if whole: why, and what would change that */
	List	   *pins;			/* RtcPin, one for each use */
	RtcDep		relation;		/* any change */
	RtcDep		bulk;			/* changes that name no rows */
} RtcRelationDeps;

/* What the answers of a query depend on, for any arguments. */
typedef struct RtcDepPlan
{
	List	   *relations;		/* RtcRelationDeps */
	List	   *watched;		/* OIDs of relations that are not in the query
								 * but outdate this when they change */
	int			ndefinitions;
	RtcDep		definition[RTC_MAX_MEANING_DEPS];
	bool		has_params;		/* it depends on arguments */
	bool		reads_settings; /* reading arguments depends on settings */
	bool		reads_catalogs; /* it depends on a type of a user */

	/* the last result, and its arguments */
	bool		known;
	int			ndeps;
	uint32		argslen;
	char		args[RTC_MAX_REMEMBERED];
	RtcDep		dep[RTC_MAX_NAMED_DEPS];

	/* What the last evaluation has named is of these; 0 = no relation. */
	Oid			relid[RTC_MAX_NAMED_DEPS];
} RtcDepPlan;

/* One relation, for people. */
typedef struct RtcDepInfo
{
	Oid			relid;
	const char *uncovered;		/* why some writes are not seen, or NULL */
	bool		rows;			/* some rows only; else all */
	const char *detail;			/* which ones, or why all */
} RtcDepInfo;

/*
 * Analyzes the rewritten query trees of one statement, whose relations are
 * locked.  definition: dependencies on definitions.  The result is in the
 * given memory context; NULL if a lookup cannot name so many relations.
 */
extern RtcDepPlan *rtc_deps_analyze(List *queries, const RtcDep *definition,
									int ndefinitions, MemoryContext context);

/*
 * Evaluates the dependencies for these arguments (text[]; NULL = none) into
 * dep[RTC_MAX_NAMED_DEPS], in an order that only the question decides.
 * Returns their number.  Errors: those of input functions.
 */
extern int	rtc_deps_evaluate(RtcDepPlan *plan, ArrayType *args, RtcDep *dep);

/*
 * Describes the dependencies (RtcDepInfo *), in the current memory context.
 * Missing arguments (NULL) are shown as "$1".
 */
extern List *rtc_deps_explain(RtcDepPlan *plan, ArrayType *args);

#endif							/* RTC_QUERY_DEPS_H */
