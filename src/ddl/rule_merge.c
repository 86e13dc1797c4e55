/*-------------------------------------------------------------------------
 *
 * rule_merge.c
 *		Rules of partitions that their parent has too.
 *
 * PostgreSQL clones the row triggers of a partitioned table to each partition,
 * and refuses if there is a trigger of the same name.  For indexes and
 * constraints it looks further: one that fits is taken for what is wanted.  So
 * it should be with rules: a table that was attached to the cache can become a
 * partition of one that was attached in the same way, and its parent can be
 * attached later on.
 *
 * The same holds for one that tracks its table and does nothing else, since any
 * rule of the parent does that.
 *
 * Then the rule of the partition is dropped before the clone is made.  With it
 * go the keys that it has made, which the parent's rule would make otherwise if
 * the name of the table is in them.  A rule of the same name that says something
 * else is an error, with a hint.
 *
 * DETACH PARTITION drops clones, as it does with all triggers that were cloned,
 * so a partition that has been detached has no rule.
 *
 * MODEL: called before the command, in its transaction, by the event trigger at
 * ddl_command_start and by cache_attach().  Rules are dropped by DROP TRIGGER,
 * through SPI, since the event trigger at sql_drop takes part: there is none for
 * what is dropped outside of DDL.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/reltrigger.h"

#include "compat.h"
#include "ddl/rule_merge.h"
#include "rule/rule.h"

/* Do two rules say the same? */
static bool
same_rule(const Trigger *a, const Trigger *b)
{
	/* conditions and columns are written with the numbers of columns */
	if (a->tgfoid != b->tgfoid || a->tgtype != b->tgtype ||
		a->tgqual != NULL || b->tgqual != NULL ||
		a->tgnattr != 0 || b->tgnattr != 0 || a->tgnargs != b->tgnargs)
		return false;
	for (int i = 0; i < a->tgnargs; i++)
	{
		if (strcmp(a->tgargs[i], b->tgargs[i]) != 0)
			return false;
	}
	return true;
}

/* Does a rule track its table, and nothing else? */
static bool
only_tracks(const Trigger *trigger)
{
	RtcRuleText text;
	RtcFault	fault;

	if (trigger->tgqual != NULL || trigger->tgnattr != 0 ||
		!rtc_rule_read(rtc_rule_kind(trigger->tgfoid), trigger->tgnargs,
					   trigger->tgargs, &text, &fault))
		return false;
	return text.kind != RTC_RULE_WRITE_THROUGH &&
		text.del == NIL && text.tag == NIL &&
		(text.kind != RTC_RULE_TRUNCATE || text.no_keys);
}

/*
 * Is there a trigger of this name on one relation, which is locked, that is to be
 * dropped?  Raises if it is another rule.
 */
static bool
has_twin(const Trigger *rule, const char *relname, Relation rel)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];

		/* a clone goes with its original; of what is no rule PostgreSQL tells */
		if (strcmp(trigger->tgname, rule->tgname) != 0 || trigger->tgisclone ||
			rtc_rule_kind(trigger->tgfoid) == RTC_RULE_NONE)
			continue;
		if (same_rule(rule, trigger) || only_tracks(trigger))
			return true;
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("rule \"%s\" on table \"%s\" is not the same as on partitioned table \"%s\"",
						trigger->tgname, RelationGetRelationName(rel), relname),
				 errdetail("A partition has the rules of its parent."),
				 errhint("Use cache_detach(), or DROP TRIGGER, on table \"%s\" first.",
						 RelationGetRelationName(rel))));
	}
	return false;
}

/* Drops a rule by the command, whose event trigger deletes its keys. */
static void
drop_rule(const char *name, Oid relid)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relid));
	char	   *table = quote_qualified_identifier(schema, get_rel_name(relid));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(psprintf("DROP TRIGGER %s ON %s", quote_identifier(name),
							 table), false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not drop rule \"%s\"", name);
	SPI_finish();
}

void
rtc_merge_rule(const Trigger *rule, const char *relname, Oid relid,
			   bool itself, LOCKMODE lockmode)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, lockmode, NULL))
	{
		Oid			member = lfirst_oid(lc);
		Relation	rel;
		bool		found;

		if (member == relid && !itself)
			continue;
		rel = relation_open(member, NoLock);
		found = relation_ownercheck_compat(member, GetUserId()) &&
			has_twin(rule, relname, rel);
		relation_close(rel, NoLock);
		if (found)
			drop_rule(rule->tgname, member);
	}
}

/* Is this trigger cloned to partitions, by PostgreSQL or by us? */
static bool
is_cloned(const Trigger *trigger)
{
	return rtc_rule_kind(trigger->tgfoid) != RTC_RULE_NONE &&
		(TRIGGER_FOR_ROW(trigger->tgtype) ||
		 TRIGGER_FOR_TRUNCATE(trigger->tgtype));
}

void
rtc_merge_before_attach(const AlterTableStmt *command)
{
	ListCell   *lc;

	foreach(lc, command->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		Oid			parent;
		Oid			child;
		Relation	rel;
		char	   *relname;
		TriggerDesc *rules;

		if (cmd->subtype != AT_AttachPartition)
			continue;

		/* the locks of the command, in its order; it tells what is missing */
		parent = RangeVarGetRelidExtended(command->relation,
										  ShareUpdateExclusiveLock,
										  RVR_MISSING_OK,
										  RangeVarCallbackOwnsRelation, NULL);
		if (!OidIsValid(parent) ||
			get_rel_relkind(parent) != RELKIND_PARTITIONED_TABLE)
			continue;
		child = RangeVarGetRelidExtended(((PartitionCmd *) cmd->def)->name,
										 AccessExclusiveLock, RVR_MISSING_OK,
										 RangeVarCallbackOwnsRelation, NULL);
		if (!OidIsValid(child) || get_rel_relispartition(child) ||
			(get_rel_relkind(child) != RELKIND_RELATION &&
			 get_rel_relkind(child) != RELKIND_PARTITIONED_TABLE))
			continue;

		rel = relation_open(parent, NoLock);
		rules = CopyTriggerDesc(rel->trigdesc);
		relname = pstrdup(RelationGetRelationName(rel));
		relation_close(rel, NoLock);
		for (int i = 0; rules != NULL && i < rules->numtriggers; i++)
		{
			if (is_cloned(&rules->triggers[i]))
				rtc_merge_rule(&rules->triggers[i], relname, child, true,
							   AccessExclusiveLock);
		}
	}
}
