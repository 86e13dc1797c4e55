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
 * Says why using a function of the server spoils a query; NULL = it does not.
 * call: NULL = not known, an operator or something else calls it.
 */
extern const char *rtc_judge_server_function(Oid funcid, const FuncExpr *call);

/* May this function of the server read the clock? */
extern bool rtc_reads_moments(Oid funcid);

/* Does this function of the server read text as the type it returns? */
extern bool rtc_reads_its_type(Oid funcid);

#endif							/* RTC_FUNCTION_LIST_H */
