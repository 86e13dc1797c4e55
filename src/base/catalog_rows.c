/*-------------------------------------------------------------------------
 *
 * catalog_rows.c
 *		Rows of catalogs, also those that this transaction has deleted; the
 *		name of the database.
 *
 * The caches of the server find most rows, but not those of every catalog,
 * and none that a DDL command has dropped.  The latter are found here by
 * SnapshotAny, which shows all versions of a row.
 *
 * Model: called inside a transaction.  The lock on the catalog is given back
 * at once.  May raise what reading a catalog raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog_rows.h"
#include "compat.h"

/* Did this transaction delete this version of a row? */
static bool
deleted_here(HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;

	return (header->t_infomask & HEAP_XMAX_INVALID) == 0 &&
		!HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask) &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(header));
}

List *
rtc_catalog_rows(Oid catalog, Oid index, AttrNumber column, Oid value,
				 RtcRowVersions versions)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	bool		deleted = versions == RTC_ROWS_DELETED;
	List	   *rows = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(value));
	scan = systable_beginscan(rel, index, true, deleted ? SnapshotAny : NULL,
							  1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		if (!deleted || deleted_here(tuple))
			rows = lappend(rows, heap_copytuple(tuple));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rows;
}

const char *
rtc_database_name(void)
{
	static char name[NAMEDATALEN];

	if (name[0] == '\0')
	{
		char	   *found = get_database_name(MyDatabaseId);

		if (found == NULL)
			elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
		strlcpy(name, found, sizeof(name));
		pfree(found);
	}
	return name;
}
