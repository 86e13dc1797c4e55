/*-------------------------------------------------------------------------
 *
 * inbox_entry.h
 *		Entries of an inbox.  See inbox_entry.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_ENTRY_H
#define RTC_INBOX_ENTRY_H

#include "postgres.h"

#include "inbox/inbox_id.h"
#include "redis/reply.h"
#include "utils/jsonb.h"

/* An entry as it was read. */
typedef struct RtcInboxEntry
{
	RtcInboxId	id;
	const RtcReply *fields;		/* names and values, nfields of them, */
	int			nfields;		/* 0 = it is too large, and was not read */

	/* rtc_inbox_entry_read() sets these */
	const char *key;
	int			keylen;			/* in bytes */
	bool		add;			/* increments; else new values */
	Jsonb	   *values;

	/* those who apply it set these */
	bool		dead;			/* it cannot be applied: */
	int			sqlerrcode;
	const char *error;			/* its message, clipped */
} RtcInboxEntry;

/* An element of what rtc_inbox_read() returns; false = it is none. */
extern bool rtc_inbox_entry_take(const RtcReply *reply, RtcInboxEntry *entry);

/*
 * Reads the fields of an entry, in the current memory context.  Errors: 22023 not
 * "key ... set ..." or "key ... add ...", or no object with members; 22021 not
 * in the encoding of the database; 22P02 not JSON; 54000 too large.
 */
extern void rtc_inbox_entry_read(RtcInboxEntry *entry);

/* Is a jsonb an object that has members?  Error: 22023. */
extern void rtc_inbox_check_values(Jsonb *values);

#endif							/* RTC_INBOX_ENTRY_H */
