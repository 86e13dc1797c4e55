/*-------------------------------------------------------------------------
 *
 * warm_tables.h
 *		Which tables can be warmed, by whom, and which of their rows.
 *		See warm_tables.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WARM_TABLES_H
#define RTC_WARM_TABLES_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "rule/rule_catalog.h"

/*
 * The tables to warm for one that was named: itself, or its partitions; OIDs in the
 * current memory context.  Adds about how many rows they have to *total.  Errors:
 * 42809 it is no table, 42P01 it does not exist, 42501 the current user may not
 * read one of them.
 */
extern List *rtc_warm_tables(Oid relid, double *total);

/*
 * Does this rule store rows, and see each change of them?  Else what a warm-up stores
 * would not be replaced.
 */
extern bool rtc_can_warm(const Trigger *trigger, RtcRuleKind kind);

/* Has one of these tables a rule that can be warmed? */
extern bool rtc_warm_has_rule(List *tables);

/* Checks a condition that a user gave.  Errors: 42601 it is no expression. */
extern void rtc_warm_check_where(const char *where);

#endif							/* RTC_WARM_TABLES_H */
