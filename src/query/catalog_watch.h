/*-------------------------------------------------------------------------
 *
 * catalog_watch.h
 *		Has the meaning of a text changed since it was analyzed?
 *		See catalog_watch.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CATALOG_WATCH_H
#define RTC_CATALOG_WATCH_H

#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"

/* What a text, as it was analyzed, depends on in the catalogs. */
typedef struct RtcCatalogWatch
{
	uint64		changes;		/* of all kinds, at the last look */
	uint64		definitions;	/* changes of definitions at the analysis */
	uint64		names;			/* changes of names at the analysis: the sum
								 * over the slots */
	Bitmapset  *slots;			/* of names and types; NULL = every name */
} RtcCatalogWatch;

/*
 * Begins to watch the names in a text, in the current search path.  Called
 * before the text is analyzed, so that later changes count.  The slots are in
 * the given memory context.
 */
extern void rtc_watch_text(RtcCatalogWatch *watch, const char *text,
						   MemoryContext context);

/* Adds types (OIDs) that the analyzed text uses. */
extern void rtc_watch_types(RtcCatalogWatch *watch, List *typids);

/* Lets every name count: the text does not have all that are looked up. */
extern void rtc_watch_all_names(RtcCatalogWatch *watch);

/*
 * Does a text still mean the same, for all that this backend was told?  The
 * caller has accepted invalidation messages.  Cheap if nothing has changed.
 */
extern bool rtc_watch_holds(RtcCatalogWatch *watch);

/* Counts changes of definitions: of functions, operators, casts and so on. */
extern uint64 rtc_definition_changes(void);

/* Counts these, and changes of tables and types. */
extern uint64 rtc_catalog_changes(void);

/*
 * The schemas (OIDs) of the search path with pg_catalog, without that of
 * temporary objects, in the current memory context.
 */
extern List *rtc_search_path(void);

#endif							/* RTC_CATALOG_WATCH_H */
