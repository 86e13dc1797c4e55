/*-------------------------------------------------------------------------
 *
 * question.h
 *		What a call of cache_get() or cache_list() asks.  See question.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_QUESTION_H
#define RTC_QUESTION_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "l1/l1.h"
#include "query/query.h"

/*
 * A lookup is a question first, then names (lookup_names.h), then an answer
 * (fetch.h).
  */
typedef struct RtcQuestion
{
	RtcL1Question l1;			/* key, query, arguments, as L1 knows them */
	RtcQuery   *query;
	int64		ttl_ms;			/* of the answer; 0 = it does not expire */
	Oid			function;		/* the function that was called */
	bool		again;			/* a worker asks, and nobody gets the answer */
	int64		stale_ms;		/* what caches hold is no answer unless it
								 * lasts longer; 0 = it is if it is there */
	bool		put_back;		/* "again", for Redis may have lost the
								 * answer: what L1 holds does not count */
} RtcQuestion;

/*
 * Makes a question of a key, which has been checked, a query and its arguments,
 * which must live as long.  ttl_ms and function are set by the caller.  Errors:
 * those of rtc_query_prepare().
 */
extern void rtc_question_make(RtcQuestion *question, const char *key,
							  uint32 keylen, const char *query, int querylen,
							  ArrayType *args, bool one_row);

/*
 * Takes the arguments (key, query, args, ttl) of cache_get (one_row) or
 * cache_list, which must live as long, and prepares the query.  It is checked
 * even if its answer will be found in a cache.  Errors: 22004 a NULL, 22023 a key
 * or a ttl that is none, and those of rtc_query_prepare().
 */
extern void rtc_question_take(RtcQuestion *question, FunctionCallInfo fcinfo,
							  bool one_row);

/*
 * Locks what the query reads.  The question is then that of the query as it was
 * prepared last.  False = its answer may not be cached.
 */
extern bool rtc_question_lock(RtcQuestion *question);

/*
 * Does what a cache holds last long enough to be an answer?  left_ms: its
 * remaining time to live, -1 = it does not expire.
 */
static inline bool
rtc_question_lasts(const RtcQuestion *question, int64 left_ms)
{
	return left_ms < 0 ? question->stale_ms < PG_INT64_MAX :
		question->stale_ms == 0 || left_ms > question->stale_ms;
}

/*
 * Runs the query.  NULL = it returns no row.  The text of the answer, as it goes
 * to Redis, is appended to "text", unless that is NULL.
 */
extern Jsonb *rtc_question_run(const RtcQuestion *question, StringInfo text);

#endif							/* RTC_QUESTION_H */
