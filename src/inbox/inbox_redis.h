/*-------------------------------------------------------------------------
 *
 * inbox_redis.h
 *		What the worker asks of Redis.  See inbox_redis.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_REDIS_H
#define RTC_INBOX_REDIS_H

#include "postgres.h"

#include "inbox/inbox_entry.h"
#include "inbox/inbox_id.h"
#include "redis/conn.h"
#include "redis/names.h"

/* A connection, and the inbox that is meant. */
typedef struct RtcInboxLink
{
	RtcConn    *conn;
	char		prefix[RTC_MAX_PREFIX_LEN];
	char		epoch[RTC_EPOCH_LEN];	/* of the relay's connection; who
										 * finds another one stops */
} RtcInboxLink;

/* What Redis says. */
typedef enum RtcInboxResult
{
	RTC_INBOX_OK,
	RTC_INBOX_OTHER,			/* another epoch, or another inbox: connect
								 * anew */
	RTC_INBOX_FAILED			/* why, rtc_conn_error() tells */
} RtcInboxResult;

/* Where an inbox stands. */
typedef struct RtcInboxStand
{
	bool		existed;		/* it was there */
	bool		known;			/* it told how far it had been applied, */
	RtcInboxId	noted;			/* which is here */
	RtcInboxId	last;			/* last id that Redis has given */
	bool		empty;			/* there is no entry; else */
	RtcInboxId	first;			/* the first one */
	int64		nentries;
} RtcInboxStand;

/*
 * Connects to the Redis that the relay uses.  False = the relay has none now, or
 * it cannot be connected to; then rtc_conn_error() tells why.
 */
extern bool rtc_inbox_connect(RtcInboxLink *link, bool *tried);

/*
 * Finds out where the inbox stands, makes it if need be, and sees to it that
 * entries to come have ids above *applied; NULL = that is not known.  Takes out the
 * dead letters of entries behind it, which will be tried again.
 */
extern RtcInboxResult rtc_inbox_open(RtcInboxLink *link,
									 const RtcInboxId *applied,
									 RtcInboxStand *stand);

/*
 * Reads the entries behind an id, in the current memory context.  *all: there are
 * no more of them; *length: entries of the inbox, those before the id, too; *round:
 * Redis knows which entries have come round.
 */
extern RtcInboxResult rtc_inbox_read(RtcInboxLink *link, RtcInboxId behind,
									 RtcInboxEntry **entries, int *nentries,
									 bool *all, int64 *length, bool *round);

/* Puts those entries to the dead letters that are marked as dead. */
extern RtcInboxResult rtc_inbox_bury(RtcInboxLink *link,
									 const RtcInboxEntry *entries, int n);

/*
 * Notes that all up to an id is applied, and takes out what is before another one,
 * unless that is 0-0.
 */
extern RtcInboxResult rtc_inbox_done(RtcInboxLink *link, RtcInboxId applied,
									 RtcInboxId keep_from, int64 *ntaken,
									 int64 *length, int64 *ndead);

/* Waits until there is an entry behind an id, ms milliseconds at most. */
extern RtcInboxResult rtc_inbox_wait(RtcInboxLink *link, RtcInboxId behind,
									 int ms);

#endif							/* RTC_INBOX_REDIS_H */
