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
 * ends at lsn says; its ops are applied meanwhile.  Does nothing if that is so
 * already, or if the database has no prefix.
 */
extern void rtc_closed_while_clearing(Oid dboid, XLogRecPtr lsn);

/* Ops of a database are left out, which is about to be registered. */
extern void rtc_closed_left_out(Oid dboid);

/*
 * Gives a database up: neither lookups nor ops use Redis any more, until
 * rtc_closed_due() returns it.  Says so in the log if that is news.  prefix: if
 * it is not known to have one yet; else NULL.  why: a clause for people.  False =
 * there is no room for another database.
 */
extern bool rtc_closed_give_up(Oid dboid, const char *prefix, XLogRecPtr lsn,
							   const char *why);

/*
 * Copies the next database that was given up and is to be tried again now; false
 * = none.  It counts as tried in vain until it is ready.
 */
extern bool rtc_closed_due(RtcPrefix *due);

/* All of them may be tried at once: something has changed. */
extern void rtc_closed_retry(void);

/*
 * Does Redis accept what is written under a prefix?  If not, *error tells what it
 * says.
 */
extern RtcJobResult rtc_closed_probe(RtcConn *conn, const char *prefix,
									 char error[RTC_ERROR_LEN]);

/*
 * Appends, for use in the MULTI that stores the position, that databases are
 * closed, if Redis has not been told.  Returns whether there are any; the second
 * function is called when the EXEC has succeeded.
 */
extern bool rtc_closed_append(RtcConn *conn);
extern void rtc_closed_noted(void);

#endif							/* RTC_CLOSED_H */
