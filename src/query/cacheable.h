/*-------------------------------------------------------------------------
 *
 * cacheable.h
 *		May the answer of a query be cached?  See cacheable.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CACHEABLE_H
#define RTC_CACHEABLE_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "query/function_list.h"
#include "query/literal.h"

/* The verdict about a query. */
typedef struct RtcVerdict
{
	const char *reason;			/* why not to cache; NULL = may be cached.  In
								 * the memory context of the judgement */
	bool		names_moment;	/* good for one use only: a literal like
								 * 'today', or a function that only claims to
								 * be immutable, is folded into the tree */
	bool		names_literal;	/* a literal names a relation or a type */
	bool		money;			/* values of type money may be involved */
	List	   *relids;			/* relations to lock before using the tree */
	List	   *lockmodes;		/* their lock modes */

	/* OIDs in ascending order */
	List	   *functions;		/* of users; the caller needs EXECUTE */
	List	   *called;			/* all functions that may be called */
	List	   *types;			/* all types that matter */
} RtcVerdict;

/* A reason that plan.c gives. */
#define RTC_UNCACHEABLE_RELATIONS "too many relations"

/*
 * Judges analyzed and rewritten queries of this text, as the current user
 * would run them.  Lists are in the current context.
 */
extern void rtc_judge_query(List *queries, const char *text,
							RtcVerdict *verdict);

#endif							/* RTC_CACHEABLE_H */
