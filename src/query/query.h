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
 * A checked query with its arguments: one call of cache_get.  Others may read
 * the first fields, which rtc_query_lock() may change.
 */
typedef struct RtcQuery
{
	const RtcQueryId *id;
	const char *privileges;		/* to see the answer; see privileges.h */
	const char *uncacheable;	/* short reason not to cache the answer of
								 * this call; NULL = it may be cached */

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
 * none), or finds its plan.  The result is in the current memory context; text
 * and args must live as long.  to_explain: args may be missing, which are NULL
 * then, and the query must not be run.  Errors: those of the query itself,
 * 42601 not exactly one statement, 0A000 not a SELECT (or VALUES, TABLE),
 * 2202E args not one-dimensional, 22023 wrong number of args.
 */
extern RtcQuery *rtc_query_prepare(const char *text, int len,
								   ArrayType *args, bool to_explain);

/*
 * Locks what the query reads, as executing a prepared statement does, and
 * prepares it again if it has changed.  Errors: as rtc_query_prepare().
 */
extern void rtc_query_lock(RtcQuery *query);

/* Does the text still mean the same, for all that this backend was told? */
extern bool rtc_query_is_current(const RtcQuery *query);

/* May the current user run it?  If unsure, use rtc_query_check_access(). */
extern bool rtc_query_may_run(const RtcQuery *query);

/* Evaluates the dependencies of a cacheable answer: rtc_deps_evaluate(). */
extern int	rtc_query_deps(RtcQuery *query, RtcDep *dep);

/*
 * The relation that one of them is about; invalid = none.  It is that of the last
 * evaluation, which may be another one's: good enough for statistics.
 */
extern Oid	rtc_query_dep_relation(const RtcQuery *query, int i);

/* Describes the dependencies: a list of RtcDepInfo (query_deps.h). */
extern List *rtc_query_explain(RtcQuery *query);

/* The key under which a rule stores the answer; NULL = none. */
extern const char *rtc_query_owned_key(RtcQuery *query, size_t *keylen);

/*
 * Raises what the query would raise if the current user lacks a privilege.
 * Does not run the query.  Cheap when repeated.
 */
extern void rtc_query_check_access(RtcQuery *query);

/*
 * Runs the query with a fresh snapshot (in READ COMMITTED), under pinned
 * settings.  The result is in the current memory context: for one_row the row
 * as an object, NULL for no row, error 21000 for more; else an array of all
 * rows.  A single json or jsonb column is taken as it is.  Appends to text
 * (NULL = no) the text that goes to Redis.
 */
extern Jsonb *rtc_query_run(RtcQuery *query, bool one_row, StringInfo text);

#endif							/* RTC_QUERY_H */
