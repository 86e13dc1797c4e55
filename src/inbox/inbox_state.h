/*-------------------------------------------------------------------------
 *
 * inbox_state.h
 *		What the worker knows of its inbox, and its steps.  See inbox_step.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_STATE_H
#define RTC_INBOX_STATE_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "nodes/pg_list.h"

#include "inbox/inbox_position.h"
#include "inbox/inbox_redis.h"

/* Up to where entries were applied at some moment. */
typedef struct RtcInboxMoment
{
	RtcInboxId	id;
	int64		ms;				/* monotonic */
} RtcInboxMoment;

/* One for the life of the worker. */
typedef struct RtcInbox
{
	MemoryContext work;			/* reset with each step */
	RtcInboxLink link;
	bool		is_open;		/* we know where the inbox stands */
	RtcInboxPosition pos;		/* as it is committed */
	XLogRecPtr	told_lsn;		/* the relay was told of what has come round
								 * up to here */
	List	   *moments;		/* of RtcInboxMoment, the oldest first:
								 * entries that were applied, and are kept for
								 * a while; in TopMemoryContext */
	int			tries;			/* how often the next batch was tried in vain */
	bool		noted;			/* Redis has been told of pos.id */
	RtcInboxInfo info;			/* for people */

	/* for the rate */
	int64		rate_since;		/* monotonic ms */
	uint64		rate_from;		/* entries applied before that */
} RtcInbox;

/* What a step has come to. */
typedef enum RtcInboxStep
{
	RTC_INBOX_STARTED,			/* we know where to begin */
	RTC_INBOX_MORE,				/* go on at once */
	RTC_INBOX_FEW,				/* what there was is done: let some collect */
	RTC_INBOX_NOTHING,			/* there was nothing to do */
	RTC_INBOX_WAIT,				/* Redis, or the relay, is not ready */
	RTC_INBOX_TROUBLE			/* info.error tells what it is */
} RtcInboxStep;

/* Connects, and finds out where the inbox stands and the database. */
extern RtcInboxStep rtc_inbox_start(RtcInbox *inbox);

/* Reads a batch, applies it, tells Redis. */
extern RtcInboxStep rtc_inbox_work(RtcInbox *inbox);

/*
 * Waits until there is an entry behind those that were read, ms milliseconds at
 * most.
 */
extern RtcInboxStep rtc_inbox_wait_for_more(RtcInbox *inbox, int ms);

/* Notes what the trouble is; the log is told of it once. */
extern RtcInboxStep rtc_inbox_trouble(RtcInbox *inbox, const char *what,
									  const char *detail);

/* Tells people. */
extern void rtc_inbox_show(RtcInbox *inbox);

#endif							/* RTC_INBOX_STATE_H */
