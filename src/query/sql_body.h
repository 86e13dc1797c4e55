/*-------------------------------------------------------------------------
 *
 * sql_body.h
 *		The bodies of functions in SQL.  See sql_body.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SQL_BODY_H
#define RTC_SQL_BODY_H

#include "postgres.h"

#include "access/htup.h"
#include "nodes/pg_list.h"
#include "nodes/nodes.h"

/*
 * Returns the queries (Query) that a function in LANGUAGE sql runs, analyzed
 * but not rewritten, in the current memory context.  "proc" is its tuple of
 * pg_proc, "call" the expression that calls it, with all arguments (NULL = not
 * known; the function must not be polymorphic then).  *source is the text that
 * their locations refer to, NULL if they have none.
 * Errors: those that calling the function raises when it is analyzed.
 */
extern List *rtc_sql_body(HeapTuple proc, Node *call, const char **source);

#endif							/* RTC_SQL_BODY_H */
