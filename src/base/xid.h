/*-------------------------------------------------------------------------
 *
 * xid.h
 *		Transaction ids, asked about without a snapshot.  See xid.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_XID_H
#define RTC_XID_H

#include "postgres.h"

#include "access/transam.h"

/* Is this top-level transaction running, or prepared? */
extern bool rtc_xid_in_progress(TransactionId xid);

/* Full id of an xid that some WAL record of ours has. */
extern FullTransactionId rtc_full_xid(TransactionId xid);

#endif							/* RTC_XID_H */
