/*-------------------------------------------------------------------------
 *
 * table_counts.c
 *		What the current transaction has done, by table, for the view
 *		rtcache_tables.
 *
 * It is counted when the transaction commits, or is prepared.  Ops of a savepoint
 * that rolls back are not there any more when ops go to WAL; those that have gone
 * there early (oplist.c) are counted all the same.
 *
 * Model: per backend, no locks.  The list belongs to TopTransactionContext, with
 * which it goes.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "table_stats.h"
#include "write/table_counts.h"

/* What has been done to one table. */
typedef struct RtcTableCount
{
	Oid			relid;
	uint32		sets;			/* ops that store a value */
	uint32		dels;			/* ops that delete a key */
	bool		dropped;
} RtcTableCount;

static RtcTableCount *list = NULL;
static int	nlist = 0;
static int	maxlist = 0;

/* The entry of a table.  Most often it is that of the op before. */
static RtcTableCount *
entry_of(Oid relid)
{
	for (int i = nlist; i-- > 0;)
	{
		if (list[i].relid == relid)
			return &list[i];
	}
	if (list == NULL)
	{
		list = MemoryContextAlloc(TopTransactionContext,
								  8 * sizeof(RtcTableCount));
		maxlist = 8;
	}
	else if (nlist == maxlist)
	{
		list = repalloc(list, 2 * maxlist * sizeof(RtcTableCount));
		maxlist *= 2;
	}
	memset(&list[nlist], 0, sizeof(RtcTableCount));
	list[nlist].relid = relid;
	return &list[nlist++];
}

void
rtc_table_counts_op(Oid relid, bool stores)
{
	RtcTableCount *entry = entry_of(relid);

	if (stores)
		entry->sets++;
	else
		entry->dels++;
}

void
rtc_table_counts_dropped(Oid relid)
{
	entry_of(relid)->dropped = true;
}

void
rtc_table_counts_commit(void)
{
	for (int i = 0; i < nlist; i++)
	{
		RtcTableCount *entry = &list[i];

		if (entry->dropped)
			rtc_table_stats_forget(MyDatabaseId, entry->relid);
		else
		{
			rtc_table_stat_add(MyDatabaseId, entry->relid, RTC_TABLE_SETS,
							   entry->sets);
			rtc_table_stat_add(MyDatabaseId, entry->relid, RTC_TABLE_DELS,
							   entry->dels);
		}
	}
	rtc_table_counts_abort();
}

void
rtc_table_counts_abort(void)
{
	list = NULL;
	nlist = maxlist = 0;
}
