/*-------------------------------------------------------------------------
 *
 * rule_catalog.h
 *		Rules as they stand in the catalogs.  See rule_catalog.c.
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
	RtcRuleText text;			/* what could be read of its arguments; its
								 * kind is RTC_RULE_NONE if it is no rule */
	const char *args;			/* all arguments in one text */
} RtcRuleRow;

/*
 * Which of our trigger functions is this, if any?  It is known by its C symbol
 * and as a member of the extension, whatever its schema.
 */
extern RtcRuleKind rtc_rule_kind(Oid function);

/*
 * The next rule among the triggers of an open relation, from *pos = 0 on;
 * NULL = there are no more.
 */
extern Trigger *rtc_next_rule(Relation rel, int *pos, RtcRuleKind *kind);

/*
 * Reads and binds the rule of a trigger on an open relation.  *names: those of
 * the table that it was made on, if its templates use them.  Returns NULL and
 * fills *fault as rtc_rule_bind() does; what could be read is in *text then.
 */
extern RtcRule *rtc_rule_parse(Relation rel, const Trigger *trigger,
							   RtcRuleKind kind, RtcRuleText *text,
							   RtcNames *names, RtcFault *fault);

/* Is this trigger fired for every change of a row, by whatever session? */
extern bool rtc_rule_sees_rows(const Trigger *trigger);

/*
 * All rules of the database (RtcRuleRow *), in the current memory context.
 * clones: those in partitions, too, which say what the originals say.
 */
extern List *rtc_all_rules(bool clones);

/*
 * The versions of a trigger's row that this transaction has deleted
 * (RtcRuleRow *), rules or not.  Needs an active snapshot.
 */
extern List *rtc_deleted_triggers(Oid tgoid);

/* The table of a trigger; InvalidOid if it has gone. */
extern Oid	rtc_trigger_table(Oid tgoid);

/*
 * The table that the rule of a trigger was made on: for a clone in a partition,
 * that of the original.  This transaction may have dropped the trigger.
 * InvalidOid if it is not found.
 */
extern Oid	rtc_rule_table(Oid tgoid);

#endif							/* RTC_RULE_CATALOG_H */
