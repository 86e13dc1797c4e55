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

#include "utils/array.h"
#include "utils/jsonb.h"

#include "pin.h"
#include "plan.h"

/* A query that was checked, with its arguments: one call of cache_get. */
typedef struct RtcQuery RtcQuery;

/*
 * Parses and checks the query text (not NUL-terminated) with its text
 * arguments (NULL = none), or finds it in this backend's cache of plans.  The
 * result lives in the current memory context and keeps the plan in memory as
 * long; text and args must live as long.
 * Errors: those of the query itself, 42601 not exactly one statement,
 * 0A000 not a SELECT (or VALUES, TABLE), 2202E args not one-dimensional,
 * 22023 number of args differs from the query's parameters.
 */
extern RtcQuery *rtc_query_prepare(const char *text, int len,
								   ArrayType *args);

/*
 * Locks what the query reads, as using a prepared statement does, and prepares
 * it anew if that shows that it has changed: what the functions below say may
 * then be something else.  Errors: as rtc_query_prepare().
 */
extern void rtc_query_lock(RtcQuery *query);

/* Which query it is. */
extern const RtcQueryId *rtc_query_id(const RtcQuery *query);

/* What it takes to see the answer; see provenance.h. */
extern const char *rtc_query_privileges(const RtcQuery *query);

/*
 * Is it known that the current user may run the query?  Otherwise lock it and
 * call rtc_query_check_access().
 */
extern bool rtc_query_may_run(const RtcQuery *query);

/* NULL if the answer may be cached, else a short reason ("volatile function"). */
extern const char *rtc_query_uncacheable(const RtcQuery *query);

/*
 * Raises the error that the query would raise if the current user lacks a
 * privilege that it needs, without running it.  Cheap when repeated.
 */
extern void rtc_query_check_access(RtcQuery *query);

/*
 * Runs the query with a fresh snapshot (in READ COMMITTED) under pinned
 * settings.  one_row: a row as object, NULL Jsonb pointer for no row, ERROR
 * 21000 for more; a single json or jsonb column as is.  Not one_row: a jsonb
 * array of all rows.  The result is in the caller's memory context.
 */
extern Jsonb *rtc_query_run(RtcQuery *query, bool one_row);

#endif							/* RTC_QUERY_H */
