/*-------------------------------------------------------------------------
 *
 * coverage.h
 *		Is every write to a relation seen?  See coverage.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_COVERAGE_H
#define RTC_COVERAGE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/*
 * Says why writes to a locked relation can go unseen; NULL = all are seen.
 * with_children: its descendants count too, and are added to *watched (OIDs).
 * *has_rules: one of these relations has a rule.
 */
extern const char *rtc_uncovered(Oid relid, bool with_children,
								 List **watched, bool *has_rules);

/*
 * Are all event triggers of the extension ENABLE ALWAYS?  Appends to buf (NULL
 * = no) what changes when one of them is switched.
 */
extern bool rtc_ddl_is_seen(StringInfo buf);

#endif							/* RTC_COVERAGE_H */
