/*-------------------------------------------------------------------------
 *
 * inbox_watch.h
 *		Which databases have an inbox in Redis, and who works on it.  See
 *		inbox_watch.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_WATCH_H
#define RTC_INBOX_WATCH_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/shared.h"
#include "op.h"
#include "redis/conn.h"

/* Longest id of an entry, with its final NUL: two numbers of 64 bits. */
#define RTC_INBOX_ID_LEN	48

extern const RtcSharedRoom rtc_inbox_room;

/* An inbox, for people.  Protected by the lock of the room. */
typedef struct RtcInboxInfo
{
	Oid			dboid;			/* InvalidOid = a free place */
	int			pid;			/* of the worker; 0 = there is none */
	bool		leaves;			/* it was told to end, or not to begin */
	int64		start_at;		/* no worker is started before this moment,
								 * monotonic ms; the relay's and the worker's */
	bool		told;			/* that no worker could be started */

	int64		nentries;		/* entries in the inbox, */
	int64		nkept;			/* of which so many have been applied and stay
								 * for a while */
	int64		oldest;			/* when the oldest entry that was not applied
								 * was appended, Unix time in ms; 0 = there
								 * was none when the worker looked last */
	uint64		napplied;		/* entries, ever */
	uint64		nrefused;		/* entries that could not be applied, ever */
	int64		ndead;			/* of these, in the dead letters now */
	double		rate;			/* entries applied each second, of late */
	char		id[RTC_INBOX_ID_LEN];	/* of the last entry that was applied */
	char		error[RTC_ERROR_LEN];	/* why the worker does not get on; ""
										 * = it does */
	TimestampTz error_at;		/* since when */
} RtcInboxInfo;

/* ---- anybody ---- */

/* Copies what is known of the n-th inbox, from 0 on; false = no more. */
extern bool rtc_inbox_copy(int n, RtcInboxInfo *info);

/* Of a database; false = it has none. */
extern bool rtc_inbox_of(Oid dboid, RtcInboxInfo *info);

/*
 * Makes the worker of a database leave it, if there is one, waits for that a
 * little, and keeps workers away for some seconds.  Raises for query cancel and
 * termination only.
 */
extern void rtc_inbox_leave(Oid dboid);

/* ---- the relay ---- */

/* What to start; called once, from _PG_init.  "function": in this library. */
extern void rtc_inbox_set_worker(const char *name, const char *function);

/*
 * Looks, once a second, which databases have an inbox with something in it, and
 * starts the workers that are missing.  What Redis refuses here is no trouble:
 * then there are no inboxes.
 */
extern RtcConnResult rtc_inbox_watch(RtcConn *conn);

/* ---- the worker ---- */

/*
 * This process works on the inbox of a database.  False = somebody else does, or
 * nobody wants it any more.  If it never calls the second function, no other one is
 * started for long: the database cannot be connected to.  The third is for its
 * end: no other one is started for so long (ms).
 */
extern bool rtc_inbox_begin(Oid dboid);
extern void rtc_inbox_connected(Oid dboid);
extern void rtc_inbox_end(Oid dboid, int64 pause_ms);

/*
 * Stores what the worker knows about its inbox; who works on it, and why there is
 * none, stays.
 */
extern void rtc_inbox_tell(const RtcInboxInfo *info);

#endif							/* RTC_INBOX_WATCH_H */
