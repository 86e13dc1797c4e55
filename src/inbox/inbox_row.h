/*-------------------------------------------------------------------------
 *
 * inbox_row.h
 *		What entries say about rows, joined, and written.  See inbox_row.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_ROW_H
#define RTC_INBOX_ROW_H

#include "postgres.h"

#include "inbox/inbox_entry.h"

/*
 * Joins what some entries say about each row, in their order, and writes the
 * rows, as the owners of their tables.  Called inside a (sub)transaction, with
 * the use of SQL begun and an active snapshot.  Raises whatever is wrong with an
 * entry, or with the rows that come out.
 */
extern void rtc_inbox_write_rows(RtcInboxEntry *entries, int n);

#endif							/* RTC_INBOX_ROW_H */
