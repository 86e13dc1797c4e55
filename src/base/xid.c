/*-------------------------------------------------------------------------
 *
 * xid.c
 *		Transaction ids, asked about without a snapshot.
 *
 * Model: the relay, which never takes a snapshot, and backends.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "base/xid.h"

/*
 * TransactionIdIsInProgress() takes everything that precedes RecentXmin for
 * finished.  In the relay that stays where it was at the start, at the very
 * first xid, which half of all xids "precede" as far as it can tell.
 */
bool
rtc_xid_in_progress(TransactionId xid)
{
	if (!OidIsValid(MyDatabaseId))
		RecentXmin = xid;
	return TransactionIdIsInProgress(xid);
}

/*
 * Full xid of a WAL record's xid: the only one in the 2^31 before the next.
 */
FullTransactionId
rtc_full_xid(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}
