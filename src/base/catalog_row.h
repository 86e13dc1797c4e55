/*-------------------------------------------------------------------------
 *
 * catalog_row.h
 *		Rows of catalogs that no cache of the server has.  See catalog_row.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CATALOG_ROW_H
#define RTC_CATALOG_ROW_H

#include "postgres.h"

#include "access/htup.h"

/*
 * Did this transaction delete this version of a row?  For scans of catalogs
 * with SnapshotAny, which find what a command has dropped.
 */
extern bool rtc_deleted_here(HeapTuple tuple);

/* The table of a trigger; InvalidOid if it has gone. */
extern Oid	rtc_trigger_table(Oid tgoid);

#endif							/* RTC_CATALOG_ROW_H */
