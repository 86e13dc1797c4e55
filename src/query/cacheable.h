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
	bool		names_moment;	/* a literal like 'today' is folded into the
								 * tree, or a function that only claims to be
								 * immutable: good for one use only */
	bool		names_literal;	/* a literal names a relation or a type */
	bool		money;			/* values of type money may be involved */
	List	   *relids;			/* relations to lock before using the tree */
	List	   *lockmodes;		/* their lock modes */
	List	   *functions;		/* OIDs, in their order: functions of users
								 * that whoever runs the query must be allowed
								 * to call */
	List	   *called;			/* OIDs, in their order: all functions that
								 * may be called */
	List	   *types;			/* OIDs, in their order: all types that matter */
} RtcVerdict;

/* A reason that a caller gives. */
#define RTC_UNCACHEABLE_RELATIONS "too many relations"

/*
 * Judges a list of analyzed and rewritten queries, as the current user would
 * run them.  "text" is the source text.  Lists are in the current context.
 */
extern void rtc_judge_query(List *queries, const char *text,
							RtcVerdict *verdict);

/* Is reading a type something that words like 'now' and 'today' matter for? */
extern bool rtc_type_reads_moments(Oid typid);

#endif							/* RTC_CACHEABLE_H */
