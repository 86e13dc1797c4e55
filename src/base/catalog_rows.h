/*-------------------------------------------------------------------------
 *
 * catalog_rows.h
 *		Rows of catalogs, also those that this transaction has deleted; the
 *		name of the database.  See catalog_rows.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CATALOG_ROWS_H
#define RTC_CATALOG_ROWS_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/htup.h"
#include "nodes/pg_list.h"

/* Which versions of rows are wanted. */
typedef enum RtcRowVersions
{
	RTC_ROWS_NOW,				/* those that are there */
	RTC_ROWS_DELETED			/* those that this transaction has deleted */
} RtcRowVersions;

/*
 * The rows of a catalog whose column has this value, by an index that the
 * column leads.  A list of HeapTuple, copies in the current memory context.
 */
extern List *rtc_catalog_rows(Oid catalog, Oid index, AttrNumber column,
							  Oid value, RtcRowVersions versions);

/* The name of the current database, which it keeps while it has sessions. */
extern const char *rtc_database_name(void);

#endif							/* RTC_CATALOG_ROWS_H */
