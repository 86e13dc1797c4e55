/*-------------------------------------------------------------------------
 *
 * inbox_batch.h
 *		Applies a batch of entries, those that can be.  See inbox_batch.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_BATCH_H
#define RTC_INBOX_BATCH_H

#include "postgres.h"

#include "inbox/inbox_entry.h"

/*
 * Applies entries to the database, and marks as dead those that cannot be.
 * Called inside a transaction, with the use of SQL begun and an active snapshot.
 * tries: how often that was tried in vain; the more often, the fewer errors are
 * taken for a trouble that will pass.  Returns false, and *error, if there is such
 * a trouble: then the transaction is to be aborted, and tried again.
 */
extern bool rtc_inbox_apply(RtcInboxEntry *entries, int n, int tries,
							ErrorData **error);

/* Tells the relay, in this transaction, that all up to an id has come round. */
extern void rtc_inbox_come_round(RtcInboxId id);

#endif							/* RTC_INBOX_BATCH_H */
