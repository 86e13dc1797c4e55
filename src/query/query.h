/*-------------------------------------------------------------------------
 *
 * query.h
 *		Runs the query behind a cache lookup.  See query.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_QUERY_H
#define RTC_QUERY_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "dep/dep.h"
#include "query/plan.h"

/*
 * A query that was checked, with its arguments: one call of cache_get.  Others
 * may read the first fields; they are those of the query as it was prepared
 * last, and after rtc_query_lock() they may be others.
 */
typedef struct RtcQuery
{
	const RtcQueryId *id;
	const char *privileges;		/* what it takes to see the answer; see
								 * privileges.h */
	const char *uncacheable;	/* why not to cache the answer of this call,
								 * in short ("volatile function"); NULL = it
								 * may be cached */

	/* For query.c. */
	RtcKeptPlan *plan;			/* holds a reference; NULL = none */
	const char *text;
	int			textlen;
	ArrayType  *args;			/* text[]; NULL = none */
	bool		locked;			/* what the query reads is locked */
	bool		to_explain;		/* args may be left out */
	MemoryContextCallback release;
} RtcQuery;

/*
 * Parses and checks the query text (len bytes) with its text arguments (NULL =
 * none), or finds it in this backend's cache of plans.  The result lives in the
 * current memory context and keeps the plan in memory as long; text and args
 * must live as long.  to_explain: args may be left out although the query has
 * parameters, which are NULL then; the query must not be run.
 * Errors: those of the query itself, 42601 not exactly one statement,
 * 0A000 not a SELECT (or VALUES, TABLE), 2202E args not one-dimensional,
 * 22023 number of args differs from the query's parameters.
 */
extern RtcQuery *rtc_query_prepare(const char *text, int len,
								   ArrayType *args, bool to_explain);

/*
 * Locks what the query reads, as using a prepared statement does, and prepares
 * it anew if that shows that it has changed.  Errors: as rtc_query_prepare().
 */
extern void rtc_query_lock(RtcQuery *query);

/*
 * Does its text still mean what it did when it was prepared, for all this
 * backend has been told up to now?
 */
extern bool rtc_query_is_current(const RtcQuery *query);

/*
 * Is it known that the current user may run the query?  Otherwise lock it and
 * call rtc_query_check_access().
 */
extern bool rtc_query_may_run(const RtcQuery *query);

/*
 * Evaluates the dependencies of the answer, unless it is uncacheable, as
 * rtc_deps_evaluate() does.
 */
extern int	rtc_query_deps(RtcQuery *query, RtcDep *dep);

/* Describes the dependencies: a list of RtcDepInfo (query_deps.h). */
extern List *rtc_query_explain(RtcQuery *query);

/*
 * The key under which a rule of the query's only table stores the answer of
 * cache_get(), see rule_answer.c; NULL = none does.
 */
extern const char *rtc_query_owned_key(RtcQuery *query, size_t *keylen);

/*
 * Raises the error that the query would raise if the current user lacks a
 * privilege that it needs, without running it.  Cheap when repeated.
 */
extern void rtc_query_check_access(RtcQuery *query);

/*
 * Runs the query with a fresh snapshot (in READ COMMITTED) under pinned
 * settings.  one_row: a row as object, NULL Jsonb pointer for no row, ERROR
 * 21000 for more; a single json or jsonb column as is.  Not one_row: a jsonb
 * array of all rows.  The result is in the caller's memory context.  Its text,
 * as it goes to Redis, is appended to text (NULL: is not wanted).
 */
extern Jsonb *rtc_query_run(RtcQuery *query, bool one_row, StringInfo text);

#endif							/* RTC_QUERY_H */
