/*-------------------------------------------------------------------------
 *
 * definition.h
 *		Definitions on which the answers of any query may depend.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTCACHE_DEFINITION_H
#define RTCACHE_DEFINITION_H

/*
 * Has the current command changed what queries that were there before may
 * answer, by making or altering this object, which is no relation?
 */
extern bool rtc_definition_altered(Oid classid, Oid objid, const char *tag);

/* The same of an object that the current command has dropped. */
extern bool rtc_definition_dropped(Oid classid, Oid objid);

/* Do rows of other relations, or functions, have the row type of this one? */
extern bool rtc_row_type_used(Oid relid);

#endif							/* RTCACHE_DEFINITION_H */
