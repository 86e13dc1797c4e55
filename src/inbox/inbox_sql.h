/*-------------------------------------------------------------------------
 *
 * inbox_sql.h
 *		The statements of the worker.  See inbox_sql.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_SQL_H
#define RTC_INBOX_SQL_H

#include "postgres.h"

/* Begin and end the use of the server's interface for SQL in a transaction. */
extern void rtc_inbox_sql_begin(void);
extern void rtc_inbox_sql_end(void);

/* Arguments of a statement. */
#define RTC_INBOX_MAX_ARGS	1700	/* as many as a table may have columns,
									 * and some */

/*
 * Runs a statement that writes; its plan is kept.  Returns how many rows it has
 * written, or returned.  Raises whatever the statement does.
 */
extern uint64 rtc_inbox_sql_run(const char *sql, int nargs, const Oid *types,
								const Datum *values, const bool *isnull);

/*
 * The same for one that returns a row: sets its first "ncolumns" columns, in the
 * memory context of the caller.  False = there was no row.
 */
extern bool rtc_inbox_sql_row(const char *sql, int nargs, const Oid *types,
							  const Datum *values, const bool *isnull,
							  int ncolumns, Datum *columns, bool *columns_null);

/* Who we were before we became somebody else. */
typedef struct RtcInboxGuard
{
	Oid			user;
	int			context;		/* security context */
	int			nestlevel;		/* of settings */
}			RtcInboxGuard;

/*
 * Becomes the owner of a table, in a security-restricted operation, as long as
 * code of users may run; and comes back.  What such code has set is undone then.
 * If an error comes in between, the end of the (sub)transaction does that.
 */
extern RtcInboxGuard rtc_inbox_become(Oid owner);
extern void rtc_inbox_come_back(const RtcInboxGuard * guard);

#endif							/* RTC_INBOX_SQL_H */
