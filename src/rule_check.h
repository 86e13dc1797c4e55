/*-------------------------------------------------------------------------
 *
 * rule_check.h
 *		Checks rules when they are made or altered.  See rule_check.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_CHECK_H
#define RTC_RULE_CHECK_H

#include "postgres.h"

#include "fmgr.h"

#include "rule.h"

/* Which of our trigger functions is this, if any? */
extern RtcRuleKind rtc_rule_kind(Oid function);

/* Event trigger function, at ddl_command_end. */
extern PGDLLEXPORT Datum rtcache_check_rules(PG_FUNCTION_ARGS);

#endif							/* RTC_RULE_CHECK_H */
