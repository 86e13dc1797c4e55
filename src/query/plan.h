/*-------------------------------------------------------------------------
 *
 * plan.h
 *		The plans that a backend keeps.  See plan.c.
 *
 * Private to query.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PLAN_H
#define RTC_PLAN_H

#include "postgres.h"

#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "utils/plancache.h"

#include "query/cacheable.h"
#include "query/catalog_watch.h"
#include "query/meaning.h"
#include "query/query_deps.h"
#include "query/rule_answer.h"

typedef struct RtcKeptKey
{
	uint64		hash;			/* of text and search_path */
	Oid			userid;			/* who runs it */
	uint32		unused;			/* zero */
} RtcKeptKey;

typedef struct RtcKeptPlan
{
	RtcKeptKey	key;
	RtcQueryId	id;
	MemoryContext context;		/* holds all of this */
	const char *text;
	int			textlen;
	const char *search_path;	/* the setting; not what it resolves to */
	CachedPlanSource *source;
	RtcCatalogWatch watch;		/* does the text still mean the same? */
	List	   *watched;		/* OIDs of relations that are not in the query
								 * but outdate the plan when they change */
	RtcVerdict	verdict;
	RtcDepPlan *deps;			/* NULL = the answer cannot be cached */
	RtcOwned   *owned;			/* NULL = no rule stores the answer */
	const char *privileges;		/* what it takes to see the answer */
	const char *name_twice;		/* two columns have this name, so there is no
								 * answer; NULL = none */
	Bitmapset  *moments;		/* parameters, from 0, that may be 'now' */
	bool		access_checked; /* the user may run it */
	bool		outdated;		/* a watched relation has changed */
	bool		dropped;		/* in plans_dropped */
	int			refcount;		/* calls that hold it */
	dlist_node	node;			/* in plans_by_use or plans_dropped */
} RtcKeptPlan;

/*
 * Finds or makes the plan of a query text.  *locked: what it reads is locked.
 * Errors: see rtc_query_prepare().
 */
extern RtcKeptPlan *rtc_plan_find(const char *text, int textlen,
								  bool *locked);

/* Takes a plan out of the cache.  It is freed when it is out of use. */
extern void rtc_plan_drop(RtcKeptPlan *plan);

/* Is all that the plan is made from still true? */
extern bool rtc_plan_is_current(RtcKeptPlan *plan);

/* Locks the relations of a plan as the server's plan cache would. */
extern void rtc_plan_lock(RtcKeptPlan *plan, bool acquire);

/* Lets errors show their place in the cached query; the caller pops it. */
extern void rtc_plan_push_error_context(ErrorContextCallback *callback,
										const char *text);

#endif							/* RTC_PLAN_H */
