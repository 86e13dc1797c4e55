/*-------------------------------------------------------------------------
 *
 * rule_clones.c
 *		Rules of partitions: clones, and rules in their place.
 *
 * PostgreSQL clones the row triggers of a partitioned table to each partition.
 * It does not clone those for statements, but TRUNCATE of a partition fires
 * the triggers of the partition alone.  So truncate rules are cloned here, in
 * the same way.
 *
 * PostgreSQL refuses to clone if there is a trigger of the same name.  For
 * indexes and constraints it looks further: one that fits is taken for what is
 * wanted.  So it should be with rules: a table that was attached to the cache
 * can become a partition of one that was attached in the same way, and its
 * parent can be attached later on.  The same holds for a rule that tracks its
 * table and does nothing else, since any rule of the parent does that.
 *
 * Then the rule of the partition is dropped before the clone is made.  With it
 * go the keys that it has made, which the parent's rule would make otherwise
 * if the name of the table is in them.  A rule of the same name that says
 * something else is an error, with a hint.
 *
 * DETACH PARTITION drops clones, as it does with all triggers that were
 * cloned, so a partition that has been detached has no rule.
 *
 * pg_dump leaves clones out, since restoring makes them again.  But pg_upgrade
 * restores event triggers last, so a hook makes these clones, in the server
 * that pg_upgrade starts, if that preloads rtcache.
 *
 * Model: called in the transaction of the DDL.  Rules are merged before the
 * command, by the event trigger at ddl_command_start and by cache_attach(),
 * and cloned behind it.  Rules are dropped by DROP TRIGGER, through SPI, since
 * the event trigger at sql_drop takes part: there is none for what is dropped
 * outside of DDL.  Raises what these commands raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/catalog_rows.h"
#include "compat.h"
#include "ddl/rule_clones.h"
#include "rule/rule_catalog.h"

void
rtc_run_ddl(const char *command)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", command);
	SPI_finish();
}

char *
rtc_sql_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

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
 * Is there a trigger of this name on one relation, which is locked, that is to
 * be dropped?  Raises if it is another rule.
 */
static bool
has_twin(const Trigger *rule, const char *relname, Relation rel)
{
	const Trigger *trigger;
	RtcRuleKind kind;

	/* of what is no rule PostgreSQL tells */
	for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
	{
		/* a clone goes with its original */
		if (strcmp(trigger->tgname, rule->tgname) != 0 || trigger->tgisclone)
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

void
rtc_merge_rule(const Trigger *rule, const char *relname, Oid relid,
			   bool itself)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, AccessExclusiveLock, NULL))
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
			rtc_run_ddl(psprintf("DROP TRIGGER %s ON %s",
								 quote_identifier(rule->tgname),
								 rtc_sql_name(member)));
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
				rtc_merge_rule(&rules->triggers[i], relname, child, true);
		}
	}
}

/* Does the relation have a clone of this trigger? */
static bool
has_clone(Oid relid, Oid tgoid)
{
	ListCell   *lc;

	foreach(lc, rtc_catalog_rows(TriggerRelationId, TriggerRelidNameIndexId,
								 Anum_pg_trigger_tgrelid, relid, RTC_ROWS_NOW))
	{
		if (((Form_pg_trigger) GETSTRUCT((HeapTuple) lfirst(lc)))->tgparentid == tgoid)
			return true;
	}
	return false;
}

/* Makes a trigger for TRUNCATE of a partition as its parent has one. */
static void
clone_trigger(const Trigger *trigger, Oid relid)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);

	stmt->trigname = trigger->tgname;
	stmt->timing = TRIGGER_TYPE_AFTER;
	stmt->events = TRIGGER_TYPE_TRUNCATE;
	for (int i = 0; i < trigger->tgnargs; i++)
		stmt->args = lappend(stmt->args, makeString(trigger->tgargs[i]));
	/* pg_upgrade enables the original later on, and no clones */
	(void) CreateTriggerFiringOn(stmt, NULL, relid, InvalidOid, InvalidOid,
								 InvalidOid, trigger->tgfoid, trigger->tgoid,
								 NULL, false, true,
								 IsBinaryUpgrade ? TRIGGER_FIRES_ALWAYS
								 : trigger->tgenabled);
}

void
rtc_clone_truncate_rules(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	TriggerDesc *triggers;
	ListCell   *lc;

	if (rel == NULL)
		return;
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
	{
		relation_close(rel, NoLock);
		return;
	}
	triggers = CopyTriggerDesc(rel->trigdesc);
	foreach(lc, find_inheritance_children(relid, NoLock))
	{
		char		relkind = get_rel_relkind(lfirst_oid(lc));
		bool		cloned = false;

		if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
			continue;
		for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		{
			Trigger    *trigger = &triggers->triggers[i];

			if (TRIGGER_FOR_TRUNCATE(trigger->tgtype) &&
				rtc_rule_kind(trigger->tgfoid) == RTC_RULE_TRUNCATE &&
				!has_clone(lfirst_oid(lc), trigger->tgoid))
			{
				clone_trigger(trigger, lfirst_oid(lc));
				cloned = true;
			}
		}
		if (cloned)
			CommandCounterIncrement();
		rtc_clone_truncate_rules(lfirst_oid(lc));
	}
	relation_close(rel, NoLock);
}

/* ---------------- pg_upgrade ---------------- */

static object_access_hook_type previous_hook = NULL;

static void
trigger_made(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
			 void *arg)
{
	Oid			relid;

	if (previous_hook != NULL)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access != OAT_POST_CREATE || class_id != TriggerRelationId)
		return;

	CommandCounterIncrement();
	relid = rtc_trigger_table(object_id);
	if (OidIsValid(relid))
		rtc_clone_truncate_rules(relid);
}

void
rtc_upgrade_init(void)
{
	if (!IsBinaryUpgrade)
		return;
	previous_hook = object_access_hook;
	object_access_hook = trigger_made;
}
