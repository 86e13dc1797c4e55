/*-------------------------------------------------------------------------
 *
 * meaning.h
 *		What a query text means.  See meaning.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_MEANING_H
#define RTC_MEANING_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "dep/dep.h"

/* What a query is made of; lists are of OIDs, each one once, in their order. */
typedef struct RtcMeaning
{
	List	   *functions;		/* that are not the server's own */
	List	   *types;			/* that are not the server's own; of arrays
								 * the elements */
	List	   *row_relations;	/* whose row types are among these */
	bool		opaque;			/* a function's body finds others by name */
	bool		text_search;	/* configurations or dictionaries are used */
} RtcMeaning;

/*
 * Finds out what a query is made of that calls these functions and uses these
 * types (lists of OIDs, see RtcVerdict).  Lists are in the current memory
 * context.
 */
extern void rtc_meaning_find(RtcMeaning *meaning, List *functions, List *types);

/*
 * Appends the definitions of all that, so that two texts are equal if, and only
 * if, they are the same.  Reads catalogs; may raise what that may.
 */
extern void rtc_meaning_describe(const RtcMeaning *meaning, StringInfo buf);

/*
 * Ends the plans that the session keeps, if the catalogs have changed since this
 * was called last, be it back to what they were then.  To be called for an opaque
 * meaning, before the query is run: PL/pgSQL, and the server from 18 on for
 * functions in SQL, go on with what they found for a name.
 */
extern void rtc_meaning_end_kept_plans(void);

/* As many dependencies as a meaning has at most. */
#define RTC_MAX_MEANING_DEPS	10

/*
 * The dependencies on definitions, see rtc_dep_definition(): there is room for
 * RTC_MAX_MEANING_DEPS.  Returns how many there are.
 */
extern int	rtc_meaning_deps(const RtcMeaning *meaning, RtcDep *dep);

/* Appends the names and types of the columns of a relation. */
extern void rtc_describe_columns(StringInfo buf, Oid relid);

#endif							/* RTC_MEANING_H */
