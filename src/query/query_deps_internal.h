/*-------------------------------------------------------------------------
 *
 * query_deps_internal.h
 *		What is known of a query's dependencies, for query_deps.c and query_deps_eval.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_QUERY_DEPS_INTERNAL_H
#define RTC_QUERY_DEPS_INTERNAL_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "query/meaning.h"
#include "query/query_deps.h"

/* Arguments longer than this are not remembered. */
#define RTC_MAX_REMEMBERED	256

/* One relation, in all places where the query uses it. */
typedef struct RtcRelationDeps
{
	Oid			relid;
	bool		inh;			/* with what inherits from it */
	const char *uncovered;		/* why some writes are not seen, or NULL */
	bool		told;			/* some are */
	bool		whole;			/* all rows; else those of the pins */
	List	   *pins;			/* RtcPin, one for each use */
	RtcDep		relation;		/* names all of it */
	RtcDep		bulk;			/* names changes that name no rows */
} RtcRelationDeps;

struct RtcDepPlan
{
	List	   *relations;		/* RtcRelationDeps */
	List	   *watched;		/* OIDs: see rtc_deps_watch() */
	int			ndefinitions;
	RtcDep		definition[RTC_MAX_MEANING_DEPS];
	bool		has_params;		/* it depends on arguments */
	bool		reads_settings; /* some are read as the settings say */
	bool		reads_catalogs; /* some are of a type that may change */

	/* What was evaluated last. */
	bool		known;
	int			ndeps;
	uint32		argslen;
	char		args[RTC_MAX_REMEMBERED];
	RtcDep		dep[RTC_MAX_NAMED_DEPS];
};

#endif							/* RTC_QUERY_DEPS_INTERNAL_H */
