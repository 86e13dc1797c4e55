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
 * Has the current command changed a definition that something may use already,
 * by making or altering this object, which is no relation?
 */
extern bool rtc_definition_altered(Oid classid, Oid objid, const char *tag);

/* The same of an object that the current command has dropped. */
extern bool rtc_definition_dropped(Oid classid, Oid objid);

/* Do rows of other relations, or functions, have the row type of this one? */
extern bool rtc_row_type_used(Oid relid);

/* What the current command has changed. */
typedef struct RtcDefinitionChange
{
	bool		functions;		/* functions */
	bool		others;			/* something else */
} RtcDefinitionChange;

/*
 * A definition has changed: ends, at commit, the answers that are made of it.
 * Raises as rtc_oplist_add_dep() does.
 */
extern void rtc_definition_note(RtcDefinitionChange *change, Oid classid,
								Oid objid);

/*
 * To be called when all changes have been noted: deletes, at commit, the rows
 * that rules have stored, if they look different now.  Raises as
 * rtc_oplist_add() does.
 */
extern void rtc_definition_forget_rows(const RtcDefinitionChange *change);

#endif							/* RTC_DEFINITIONS_H */
