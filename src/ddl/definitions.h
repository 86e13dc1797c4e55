/*-------------------------------------------------------------------------
 *
 * definitions.h
 *		Definitions on which the answers of any query may depend.
 *		See definitions.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_DEFINITIONS_H
#define RTC_DEFINITIONS_H

#include "postgres.h"

/*
 * Has the current command changed a definition that may be in use, by making
 * or altering this object, which is not a relation?
 */
extern bool rtc_definition_altered(Oid classid, Oid objid, const char *tag);

/* The same for an object that the current command has dropped. */
extern bool rtc_definition_dropped(Oid classid, Oid objid);

/* Do other relations or functions use the row type of this one? */
extern bool rtc_row_type_used(Oid relid);

/* What the current command has changed. */
typedef struct RtcDefinitionChange
{
	bool		functions;		/* functions */
	bool		others;			/* something else */
} RtcDefinitionChange;

/*
 * Notes a changed definition.  The answers that are made of it end at commit.
 * Raises like rtc_oplist_add_dep().
 */
extern void rtc_definition_note(RtcDefinitionChange *change, Oid classid,
								Oid objid);

/*
 * Deletes, at commit, the rows that rules have stored and that look different
 * after these changes.  Raises like rtc_oplist_add().
 */
extern void rtc_definition_forget_rows(const RtcDefinitionChange *change);

/*
 * The current command has made, altered or dropped this operator class or
 * family, or a part of one.  Waits for writers of tables whose values are
 * hashed by another function from now on, and clears the cache.
 */
extern void rtc_hashing_altered(Oid classid, Oid objid);
extern void rtc_hashing_dropped(Oid classid);

#endif							/* RTC_DEFINITIONS_H */
