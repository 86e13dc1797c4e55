/*-------------------------------------------------------------------------
 *
 * rule_clones.h
 *		Rules of partitions: clones, and rules in their place.  See
 *		rule_clones.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_CLONES_H
#define RTC_RULE_CLONES_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "utils/rel.h"

/*
 * Makes room for the clones of a rule in the descendants of a table, and in
 * the table itself if "itself": drops triggers of its name that are the same
 * rule.  relname: the table of the rule, for messages.  Locks them
 * exclusively.  Errors: 42710 a rule of this name is another one.
 */
extern void rtc_merge_rule(const Trigger *rule, const char *relname,
						   Oid relid, bool itself);

/* The same for all rules of the parent in ALTER TABLE ... ATTACH PARTITION. */
extern void rtc_merge_before_attach(const AlterTableStmt *command);

/* Clones the truncate rules of a partitioned table to all its partitions. */
extern void rtc_clone_truncate_rules(Oid relid);

/* Runs a DDL command as the current user, so that event triggers see it. */
extern void rtc_run_ddl(const char *command);

/* The name of a table as commands take it. */
extern char *rtc_sql_name(Oid relid);

/* Sets a hook, in the server of pg_upgrade only; by _PG_init. */
extern void rtc_upgrade_init(void);

#endif							/* RTC_RULE_CLONES_H */
