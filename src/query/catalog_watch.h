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
	uint64		changes;		/* of all kinds, when last looked at */
	uint64		definitions;	/* of definitions, when it was analyzed */
	uint64		names;			/* of the names in the text, when it was
								 * analyzed: the sum over their slots */
	Bitmapset  *slots;			/* of names and types; NULL = every name
								 * counts */
} RtcCatalogWatch;

/*
 * Begins to watch whatever the names in a text may resolve to in the current
 * search path.  To be called when the text has been parsed, but not analyzed:
 * what is heard of later counts.  The slots are in the given memory context.
 */
extern void rtc_watch_text(RtcCatalogWatch *watch, const char *text,
						   MemoryContext context);

/* Adds types (OIDs) that the analyzed text uses. */
extern void rtc_watch_types(RtcCatalogWatch *watch, List *typids);

/*
 * Lets every name count, for a text that is not all there is to be looked up:
 * the body of a function finds others by name.
 */
extern void rtc_watch_all_names(RtcCatalogWatch *watch);

/*
 * Does a text still mean what it did, for all this backend has heard of?  The
 * caller has accepted invalidation messages.  Cheap if nothing has changed.
 */
extern bool rtc_watch_holds(RtcCatalogWatch *watch);

/* Counts changes of definitions: of functions, operators, casts and so on. */
extern uint64 rtc_definition_changes(void);

/* Counts these, and changes of tables and types. */
extern uint64 rtc_catalog_changes(void);

/*
 * The schemas (OIDs) of the search path, pg_catalog included, but not that of the
 * session's temporary objects, nor is it made if it comes first.  In the current
 * memory context.
 */
extern List *rtc_search_path(void);

#endif							/* RTC_CATALOG_WATCH_H */
