/*-------------------------------------------------------------------------
 *
 * rule_catalog.h
 *		Rules as they stand in the catalogs, and the names of their tables.
 *		See rule_catalog.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_CATALOG_H
#define RTC_RULE_CATALOG_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

#include "rule/rule.h"

/* A row of pg_trigger. */
typedef struct RtcRuleRow
{
	Oid			tgoid;			/* the trigger */
	Oid			relid;			/* its table */
	const char *name;			/* its name */
	char		enabled;		/* TRIGGER_FIRES_... or TRIGGER_DISABLED */
	RtcRuleText text;			/* its readable arguments; of kind
								 * RTC_RULE_NONE if it is no rule */
	const char *args;			/* all arguments, a line each */
	RtcShape   *shape;			/* the keys that it makes; from
								 * rtc_rule_keys() only */
} RtcRuleRow;

/*
 * Which of our trigger functions is this?  Decided by its C symbol and by
 * membership in the extension; its schema does not matter.
 */
extern RtcRuleKind rtc_rule_kind(Oid function);

/* Returns the next rule of an open relation; *pos starts at 0; NULL = none. */
extern Trigger *rtc_next_rule(Relation rel, int *pos, RtcRuleKind *kind);

/*
 * Reads and binds the rule of a trigger.  *names: those of the table that the
 * rule was made on, if its templates use them.  Returns NULL and fills *fault
 * as rtc_rule_bind() does; *text has what could be read.
 */
extern RtcRule *rtc_rule_parse(Relation rel, const Trigger *trigger,
							   RtcRuleKind kind, RtcRuleText *text,
							   RtcNames *names, RtcFault *fault);

/* Does this trigger see every change of a row, in every session? */
extern bool rtc_rule_sees_rows(const Trigger *trigger);

/*
 * Returns all rules of the database (RtcRuleRow *), in the current memory
 * context.  clones: also the clones in partitions.
 */
extern List *rtc_all_rules(bool clones);

/*
 * Returns the versions of a row of pg_trigger that this transaction has
 * deleted (RtcRuleRow *), rules or not.  Needs an active snapshot.
 */
extern List *rtc_deleted_triggers(Oid tgoid);

/* The table of a trigger; InvalidOid if the trigger is gone. */
extern Oid	rtc_trigger_table(Oid tgoid);

/*
 * The table that the rule of a trigger was made on: for a clone, that of the
 * original.  This transaction may have dropped the trigger.  InvalidOid =
 * none.
 */
extern Oid	rtc_rule_table(Oid tgoid);

/*
 * Returns all write-through rules of the database (RtcRuleRow *) except
 * clones, which use the keys of the original.  The list is valid until the
 * next call.
 */
extern List *rtc_rule_keys(void);

/* Returns those that can make a key.  Only the list itself is the caller's. */
extern List *rtc_rules_that_make(const char *key, size_t len);

/* Reads the names of a table, in the current memory context; NULL = none. */
extern void rtc_names_of(Oid relid, RtcNames *names);

/*
 * Returns all names (RtcNames *) that a table has or had in this transaction,
 * be it dropped or not; at least one, which may be empty.
 */
extern List *rtc_names_had(Oid relid);

#endif							/* RTC_RULE_CATALOG_H */
