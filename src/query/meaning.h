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

/* What a query is made of.  OIDs are in ascending order, each once. */
typedef struct RtcMeaning
{
	List	   *functions;		/* of users */
	List	   *types;			/* of users; elements in place of arrays */
	List	   *row_relations;	/* whose row types are among these */
	bool		opaque;			/* a function's body finds others by name */
	bool		text_search;	/* configurations or dictionaries matter */
} RtcMeaning;

/*
 * Finds out what a query with these functions and types (see RtcVerdict) is
 * made of.  Lists are in the current memory context.
 */
extern void rtc_meaning_find(RtcMeaning *meaning, List *functions, List *types);

/*
 * Appends the definitions of all that, such that the texts are equal if and
 * only if the definitions are.  Reads catalogs and may raise.
 */
extern void rtc_meaning_describe(const RtcMeaning *meaning, StringInfo buf);

/*
 * Ends the plans that the session keeps if catalogs have changed since the
 * last call.  Called before a query with an opaque meaning is run: PL/pgSQL,
 * and since 18 functions in SQL, remember what they have found for a name.
 */
extern void rtc_meaning_end_kept_plans(void);

#define RTC_MAX_MEANING_DEPS	10

/*
 * Fills in dependencies on the definitions (rtc_dep_definition()), at most
 * RTC_MAX_MEANING_DEPS.  Returns their number.
 */
extern int	rtc_meaning_deps(const RtcMeaning *meaning, RtcDep *dep);

/* Appends the names and types of the columns of a relation. */
extern void rtc_describe_columns(StringInfo buf, Oid relid);

#endif							/* RTC_MEANING_H */
