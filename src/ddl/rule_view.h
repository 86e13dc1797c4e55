/*-------------------------------------------------------------------------
 *
 * rule_view.h
 *		What people can see of rules.  See rule_view.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_VIEW_H
#define RTC_RULE_VIEW_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

/*
 * Counts the rules that are not ENABLE ALWAYS, clones included; appends the
 * first of them.
 */
extern int	rtc_weak_rules(StringInfo buf);

extern PGDLLEXPORT Datum rtcache_rules(PG_FUNCTION_ARGS);

#endif							/* RTC_RULE_VIEW_H */
