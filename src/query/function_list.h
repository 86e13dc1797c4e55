/*-------------------------------------------------------------------------
 *
 * function_list.h
 *		Which functions of the server depend on nothing but their arguments?
 *		See function_list.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FUNCTION_LIST_H
#define RTC_FUNCTION_LIST_H

#include "postgres.h"

#include "nodes/primnodes.h"

/* Reasons; short and stable, as in cacheable.c. */
#define REASON_VOLATILE		"volatile function"
#define REASON_SESSION		"depends on the session"
#define RTC_UNCACHEABLE_TIME "depends on the time"

/*
 * Returns why the use of a function that comes with the server spoils a query;
 * NULL = it does not.  "call" is the call; NULL = something else calls it, or an
 * operator does: then it is not known what for.
 */
extern const char *rtc_judge_server_function(Oid funcid, const FuncExpr *call);

/* Does this function of the server read the clock, or may it do so? */
extern bool rtc_reads_moments(Oid funcid);

/* Is this a function of the server that reads text as the type it returns? */
extern bool rtc_reads_its_type(Oid funcid);

#endif							/* RTC_FUNCTION_LIST_H */
