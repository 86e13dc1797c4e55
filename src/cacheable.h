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

#include "portable.h"

/* What a query tree tells. */
typedef struct RtcVerdict
{
	const char *reason;			/* why not to cache; NULL = may be cached */
	bool		names_moment;	/* a literal like 'today' is folded into the
								 * tree: it is good for one use only */
	bool		money;			/* values of type money may be involved */
	bool		row_types;		/* types are involved that may get parts */
	List	   *relids;			/* relations to lock before using the tree */
	List	   *lockmodes;		/* their lock modes */
} RtcVerdict;

/* Reasons that callers give as well. */
#define RTC_UNCACHEABLE_RELATIONS "too many relations"

/*
 * Judges a list of analyzed and rewritten queries, as the current user would
 * run them.  "text" is the source text.  Lists are in the current context.
 */
extern void rtc_judge_query(List *queries, const char *text,
							RtcVerdict *verdict);

/* Is one of the words 'now', 'today' and so on in the text of a value? */
extern bool rtc_text_names_moment(const char *text, size_t len);

#endif							/* RTC_CACHEABLE_H */
