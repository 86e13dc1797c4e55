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
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "xid.h"

/*
 * TransactionIdIsInProgress() takes everything that precedes RecentXmin for
 * finished.  In the relay that stays where it was at the start, at the very
 * first xid, which half of all xids "precede" as far as it can tell.
 *
 * It also passes over the caller's own place in the array of processes.  The
 * relay is not in there, and has 0 for a place, which is another's.  Whatever
 * else uses the place had better find what it always does.
 */
bool
rtc_xid_in_progress(TransactionId xid)
{
	int			place = MyProc->pgxactoff;
	bool		running;

	if (OidIsValid(MyDatabaseId))
		return TransactionIdIsInProgress(xid);
	RecentXmin = xid;
	MyProc->pgxactoff = -1;
	running = TransactionIdIsInProgress(xid);
	MyProc->pgxactoff = place;
	return running;
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
