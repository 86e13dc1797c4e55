/*-------------------------------------------------------------------------
 *
 * inbox_position.h
 *		How far the database has applied its inbox.  See inbox_position.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_POSITION_H
#define RTC_INBOX_POSITION_H

#include "postgres.h"

#include "inbox/inbox_id.h"

/* A row of rtcache_inbox_position. */
typedef struct RtcInboxPosition
{
	RtcInboxId	id;				/* of the last entry that was applied */
	RtcInboxId	noted;			/* Redis is known to have been told that all
								 * up to here is applied */
	int64		napplied;		/* entries, ever */
	int64		nrefused;		/* entries that could not be applied, ever */
} RtcInboxPosition;

/*
 * Reads the position of a prefix, and locks it for the transaction; false = there
 * is none.  The second function stores it; "new": there was none.  Both are called
 * inside a transaction with the use of SQL begun.  Errors: 42P01 the extension has
 * gone.
 */
extern bool rtc_inbox_position_read(const char *prefix, RtcInboxPosition *pos);
extern void rtc_inbox_position_write(const char *prefix,
									 const RtcInboxPosition *pos, bool new);

#endif							/* RTC_INBOX_POSITION_H */
