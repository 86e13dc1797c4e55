/*-------------------------------------------------------------------------
 *
 * closed.h
 *		Databases whose readers have to stay away from Redis.  See closed.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CLOSED_H
#define RTC_CLOSED_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "op.h"
#include "redis/conn.h"
#include "relay/prefix.h"

/*
 * Keeps readers of a database away until a job has deleted what the commit that
 * ends at lsn says.  Its ops are applied meanwhile.
 */
extern void rtc_closed_while_clearing(Oid dboid, XLogRecPtr lsn);

/* Ops of a database are left out, which is about to be registered. */
extern void rtc_closed_left_out(Oid dboid);

/*
 * Gives a database up: neither lookups nor ops use Redis, until rtc_closed_due()
 * returns it.  Logs that if it is news.  prefix: its own, if the table may not
 * have it; else NULL.  why: a clause for people.  False = the table is full.
 */
extern bool rtc_closed_give_up(Oid dboid, const char *prefix, XLogRecPtr lsn,
							   const char *why);

/*
 * Copies the next database that was given up and is to be tried again now; false
 * = none.  It counts as tried in vain until it is ready.
 */
extern bool rtc_closed_due(RtcPrefix *due);

/* All of them may be tried now: something has changed. */
extern void rtc_closed_retry(void);

/* Does Redis accept what is written under a prefix?  SKIPPED = see the error. */
extern RtcJobResult rtc_closed_probe(RtcConn *conn, const char *prefix,
									 char error[RTC_ERROR_LEN]);

/*
 * Appends to the MULTI that stores the position which databases are closed, if
 * Redis has not been told.  Returns whether there are any; then the second
 * function is to be called when the EXEC has succeeded.
 */
extern bool rtc_closed_append(RtcConn *conn);
extern void rtc_closed_noted(void);

#endif							/* RTC_CLOSED_H */
