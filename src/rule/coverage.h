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
 * Why writes to a relation may go by unseen; NULL = none does.  with_children:
 * those that inherit from it are read, too; they are added to *watched, a
 * list of OIDs.  *has_rules: it, or one of these, has a rule.  The caller has locked the
 * relation.
 */
extern const char *rtc_uncovered(Oid relid, bool with_children,
								 List **watched, bool *has_rules);

/*
 * Are the event triggers of the extension there, whoever does the DDL?  buf, if
 * it is not NULL, gets what changes when somebody switches one of them.
 */
extern bool rtc_ddl_is_seen(StringInfo buf);

#endif							/* RTC_COVERAGE_H */
