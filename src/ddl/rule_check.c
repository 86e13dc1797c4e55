/*-------------------------------------------------------------------------
 *
 * rule_check.c
 *		Checks rules when they are made, and when their table is altered.
 *
 * PostgreSQL takes the arguments of a trigger for opaque text.  The event
 * triggers (event_triggers.c) have them checked here, so that an unknown
 * column or a malformed template is an error of CREATE TRIGGER, and dropping a
 * column that a rule uses is an error of ALTER TABLE.
 *
 * A rule must be:
 *
 * - Made by somebody to whom the trigger function was granted: see
 *	 check_maker().
 * - AFTER ROW, or AFTER TRUNCATE STATEMENT: BEFORE triggers see rows that may
 *	 still change, or not be written at all.
 * - On a permanent table: a crash empties an unlogged table without a trace in
 *	 WAL, and its rows would stay in the cache; a temporary table is of no use
 *	 to other sessions.
 * - write_through has no WHEN and no UPDATE OF: whatever changes the row must be
 *	 seen.  A WHEN hides the update that makes it false.  A column list hides
 *	 what BEFORE triggers change in other columns.  The option columns= limits
 *	 what is stored.
 * - With option behind=, on a table whose keys tell its rows (behind.c).
 *	 Without a primary key, which pg_restore may make later, there is only a
 *	 warning, except from cache_attach().
 * - invalidate may have both: only its author knows what its keys hold.  But a
 *	 column list must name the columns of the keys, or a change of key would be
 *	 missed.
 *
 * Making a rule, and altering its table, also deletes the keys that the rule
 * can have made.  They may have been filled when nothing watched the table,
 * and ALTER TABLE changes rows (types, defaults, column names) without
 * triggers.
 *
 * A new rule is made ENABLE ALWAYS, so that it fires whatever
 * session_replication_role is, as when logical replication applies changes.  A
 * later ALTER TABLE may override it, with a warning: ENABLE TRIGGER ALL, with
 * which pg_restore --disable-triggers ends, is less.
 *
 * When a table whose name is in keys is renamed, itself or by its schema or
 * extension, the keys with the former name go.  Writers of the table and of
 * its descendants could still make such keys, so they are waited for.
 *
 * Model: runs in the backend that issued the DDL, inside its transaction,
 * which holds a lock on the table.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/work.h"
#include "compat.h"
#include "ddl/rule_check.h"
#include "ddl/rule_clash.h"
#include "ddl/rule_clones.h"
#include "rule/behind.h"
#include "rule/rule_catalog.h"
#include "write/forget.h"

/* Checks level, timing and events.  Errors: 0A000. */
static void
check_timing(const Trigger *trigger, RtcRuleKind kind)
{
	const char *function = rtc_rule_function(kind);
	int16		row_events = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE |
	TRIGGER_TYPE_DELETE;

	if (TRIGGER_FOR_AFTER(trigger->tgtype) &&
		(kind == RTC_RULE_TRUNCATE ?
		 !TRIGGER_FOR_ROW(trigger->tgtype) &&
		 (trigger->tgtype & row_events) == 0 :
		 TRIGGER_FOR_ROW(trigger->tgtype)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 kind == RTC_RULE_TRUNCATE ?
			 errmsg("%s can only be used in AFTER TRUNCATE triggers", function) :
			 errmsg("%s can only be used in AFTER triggers for each row",
					function),
			 kind == RTC_RULE_TRUNCATE ?
			 errhint("Use CREATE TRIGGER ... AFTER TRUNCATE ON ... FOR EACH STATEMENT.") :
			 errhint("Use CREATE TRIGGER ... AFTER INSERT OR UPDATE OR DELETE ON ... FOR EACH ROW.")));
}

/*
 * Checks that the current user may make rules with this function: he owns it,
 * or EXECUTE was granted to him or to a role of his.  A grant to PUBLIC does
 * not count: PostgreSQL also asks for EXECUTE when it clones a trigger to a
 * new partition, and owners of attached tables who may not make rules must
 * still be able to make partitions.  Errors: 42501.
 */
static void
check_maker(Oid function, RtcRuleKind kind)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			user = GetUserId();
	Datum		acl;
	bool		isnull;
	bool		may;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	may = has_privs_of_role(user, ((Form_pg_proc) GETSTRUCT(tuple))->proowner);
	acl = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &isnull);
	if (!may && !isnull)
	{
		Acl		   *items = DatumGetAclP(acl);

		for (int i = 0; i < ACL_NUM(items) && !may; i++)
		{
			const		AclItem *item = &ACL_DAT(items)[i];

			may = item->ai_grantee != ACL_ID_PUBLIC &&
				(ACLITEM_GET_PRIVS(*item) & ACL_EXECUTE) != 0 &&
				has_privs_of_role(user, item->ai_grantee);
		}
	}
	ReleaseSysCache(tuple);
	if (!may)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s",
						rtc_rule_function(kind)),
				 errdetail("That PUBLIC may execute it lets owners of tables that are attached to the cache make partitions, and no rules."),
				 errhint("GRANT EXECUTE ON FUNCTION %s TO a role that may make rules.",
						 rtc_rule_function(kind))));
}

/* Checks that a crash cannot change the table unnoticed. */
static void
check_persistence(Relation rel, RtcRuleKind kind)
{
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s cannot be used on table \"%s\"",
					rtc_rule_function(kind), RelationGetRelationName(rel)),
			 rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP ?
			 errdetail("The rows of a temporary table cannot be cached.") :
			 errdetail("A crash empties an unlogged table without the cache being told.")));
}

static bool
in_update_list(const Trigger *trigger, AttrNumber attnum)
{
	for (int i = 0; i < trigger->tgnattr; i++)
	{
		if (trigger->tgattr[i] == attnum)
			return true;
	}
	return false;
}

/* Checks WHEN and UPDATE OF (see above). */
static void
check_conditions(Relation rel, const Trigger *trigger, const RtcRule *rule)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (trigger->tgqual != NULL && rule->kind != RTC_RULE_INVALIDATE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot be used with a WHEN condition",
						rtc_rule_function(rule->kind)),
				 errdetail("Changes that do not meet the condition would leave stale keys behind.")));

	if (trigger->tgnattr == 0)
		return;
	if (rule->kind == RTC_RULE_WRITE_THROUGH)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot be used with UPDATE OF",
						rtc_rule_function(rule->kind)),
				 errdetail("BEFORE triggers can change columns that the UPDATE does not name."),
				 errhint("Use UPDATE without a column list, and option \"columns\" to choose what is stored.")));

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && rtc_rule_key_uses(rule, att->attnum) &&
			!in_update_list(trigger, att->attnum))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" is used in a key or tag template but is not in the UPDATE OF list",
							NameStr(att->attname)),
					 errhint("Add the column to the list, or use UPDATE without a list.")));
	}
}

/* Warns of events that the rule does not see. */
static void
check_events(Relation rel, const Trigger *trigger)
{
	StringInfoData missing;

	initStringInfo(&missing);
	if (!TRIGGER_FOR_INSERT(trigger->tgtype))
		appendStringInfoString(&missing, "INSERT");
	if (!TRIGGER_FOR_UPDATE(trigger->tgtype))
		appendStringInfo(&missing, "%sUPDATE", missing.len > 0 ? ", " : "");
	if (!TRIGGER_FOR_DELETE(trigger->tgtype))
		appendStringInfo(&missing, "%sDELETE", missing.len > 0 ? ", " : "");
	if (missing.len > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("rule \"%s\" on table \"%s\" does not fire on %s",
						trigger->tgname, RelationGetRelationName(rel),
						missing.data),
				 errdetail("Keys stay stale after these commands unless another rule deletes them.")));
	pfree(missing.data);
}

/* Warns of what is wrong with a rule, and may get right. */
static void
warn_of_fault(const Trigger *trigger, const RtcFault *fault)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg_internal("%s", fault->message),
			 errdetail_internal("%s", fault->detail),
			 errhint("Add a primary key, or drop rule \"%s\".",
					 trigger->tgname)));
}

/* Checks one rule that was made, or whose table was altered; raises. */
static void
check_rule(Relation rel, const Trigger *trigger, RtcRuleKind kind,
		   bool made)
{
	RtcRule    *rule;
	RtcRuleText text;
	RtcNames	names;
	RtcFault	fault = {0};

	if (made)
		check_maker(trigger->tgfoid, kind);
	check_timing(trigger, kind);
	check_persistence(rel, kind);

	rule = rtc_rule_parse(rel, trigger, kind, &text, &names, &fault);
	if (rule != NULL && rule->behind != NIL &&
		!rtc_behind_check(rel, rule->key, &fault))
	{
		if (fault.sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
			warn_of_fault(trigger, &fault);
		else
			rule = NULL;
	}
	if (rule == NULL && made)
		rtc_fault_raise(&fault);
	if (rule == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot alter table \"%s\" because rule \"%s\" depends on it",
						RelationGetRelationName(rel), trigger->tgname),
				 errdetail_internal("%s", fault.message),
				 errhint("Drop the trigger first, and create it again with arguments that fit the altered table.")));

	check_conditions(rel, trigger, rule);
	if (made && kind == RTC_RULE_WRITE_THROUGH)
		check_events(rel, trigger);
}

/*
 * Has a worker store the rows of a table.  It waits until this transaction is over,
 * by the lock that making a rule takes; if that is rolled back, it finds no rule.
 */
static void
warm_later(Oid relid)
{
	RtcWork    *work = palloc0(sizeof(RtcWork));

	work->kind = RTC_WORK_WARM_RELATION;
	work->dboid = MyDatabaseId;
	work->priority = RTC_WORK_PRIORITY_WARM;
	work->hash = relid;
	work->len = sizeof(Oid);
	memcpy(work->data, &relid, sizeof(Oid));
	(void) rtc_work_put(work);
	pfree(work);
}

/* Has this transaction given the table, or its schema, another name? */
static bool
is_renamed(Oid relid)
{
	return list_length(rtc_names_had(relid)) > 1;
}

/*
 * Checks the rules of one table, or only one of them.  made: they are new;
 * forget: deletes the keys that they can have made.  Returns whether there was
 * one.
 */
static bool
check_table(Oid relid, Oid only, bool made, bool forget)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	const Trigger *trigger;
	RtcRuleKind kind;
	bool		found = false;

	if (rel == NULL)
		return false;

	for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
	{
		RtcRuleText text;
		RtcFault	fault;
		Oid			table;

		if (OidIsValid(only) && trigger->tgoid != only)
			continue;
		found = true;
		table = trigger->tgisclone ? rtc_rule_table(trigger->tgoid) : relid;

		/* a truncate rule makes no keys; a disabled one has made some */
		(void) rtc_rule_read(kind, trigger->tgnargs, trigger->tgargs, &text,
							 &fault);
		if (forget && kind != RTC_RULE_TRUNCATE)
			rtc_forget_rule_ever(&text, table);

		/* a disabled rule is checked when it is enabled, by ALTER TABLE */
		if (trigger->tgenabled == TRIGGER_DISABLED)
			continue;
		check_rule(rel, trigger, kind, made);
		if (text.warm && table == relid)
			warm_later(relid);
		if (kind == RTC_RULE_WRITE_THROUGH && table == relid &&
			(made || (rtc_rule_uses_names(&text) && is_renamed(table))))
			rtc_check_clash(rel, trigger->tgoid, text.key);
	}

	relation_close(rel, NoLock);
	return found;
}

/* Makes a trigger fire whatever session_replication_role says. */
static void
enable_always(Oid relid, Oid tgoid)
{
	Relation	rel = relation_open(relid, ShareRowExclusiveLock);
	char	   *name = NULL;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		if (rel->trigdesc->triggers[i].tgoid == tgoid &&
			rel->trigdesc->triggers[i].tgenabled == TRIGGER_FIRES_ON_ORIGIN)
			name = pstrdup(rel->trigdesc->triggers[i].tgname);
	}
	if (name != NULL)
		EnableDisableTrigger_compat(rel, name, TRIGGER_FIRES_ALWAYS,
									ShareRowExclusiveLock);
	relation_close(rel, NoLock);
	CommandCounterIncrement();
}

void
rtc_check_enabled(Oid relid, const char *name)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	StringInfoData weak;
	StringInfoData remedy;
	char		enabled = TRIGGER_FIRES_ALWAYS;
	const Trigger *trigger;
	RtcRuleKind kind;

	if (rel == NULL)
		return;
	initStringInfo(&weak);
	initStringInfo(&remedy);
	for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
	{
		if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS ||
			(name != NULL && strcmp(trigger->tgname, name) != 0))
			continue;
		enabled = trigger->tgenabled;	/* the same for all */
		appendStringInfo(&weak, "%s\"%s\"", weak.len > 0 ? ", " : "",
						 trigger->tgname);
		appendStringInfo(&remedy, "%s ENABLE ALWAYS TRIGGER %s",
						 remedy.len > 0 ? "," : "",
						 quote_identifier(trigger->tgname));
	}
	if (weak.len > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("rules on table \"%s\" do not see every change",
						RelationGetRelationName(rel)),
				 enabled == TRIGGER_DISABLED ?
				 errdetail("Disabled: %s.", weak.data) :
				 enabled == TRIGGER_FIRES_ON_REPLICA ?
				 errdetail("Passed by unless session_replication_role is replica: %s.",
						   weak.data) :
				 errdetail("Passed by when session_replication_role is replica: %s.",
						   weak.data),
				 errhint("Use ALTER TABLE %s%s.", rtc_sql_name(relid),
						 remedy.data)));
	relation_close(rel, NoLock);
}

/*
 * Clones have the arguments of the original, so the keys are the same.  But a
 * partition may be unlogged, or have other columns.
 */
void
rtc_check_tables(Oid relid, bool forget)
{
	List	   *relids = find_all_inheritors(relid, AccessShareLock, NULL);
	ListCell   *lc;

	foreach(lc, relids)
		(void) check_table(lfirst_oid(lc), InvalidOid, false,
						   forget && lfirst_oid(lc) == relid);
}

void
rtc_check_new_trigger(Oid tgoid, Oid relid)
{
	List	   *relids;
	ListCell   *lc;

	if (!check_table(relid, tgoid, true, true))
		return;

	enable_always(relid, tgoid);
	rtc_clone_truncate_rules(relid);
	relids = find_all_inheritors(relid, AccessShareLock, NULL);
	foreach(lc, relids)
	{
		if (lfirst_oid(lc) != relid)
			(void) check_table(lfirst_oid(lc), InvalidOid, false, false);
	}
}

/* Waits for the writers of a table and of its descendants. */
static void
lock_writers_out(Oid relid)
{
	LockRelationOid(relid, ShareLock);
	(void) find_all_inheritors(relid, ShareLock, NULL);
}

void
rtc_check_renamed_table(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	const Trigger *trigger;
	RtcRuleKind kind;
	bool		uses_names = false;

	if (rel == NULL)
		return;
	for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
	{
		RtcRuleText text;
		RtcFault	fault;

		(void) rtc_rule_read(kind, trigger->tgnargs, trigger->tgargs, &text,
							 &fault);
		uses_names |= rtc_rule_uses_names(&text);
	}
	relation_close(rel, NoLock);
	if (uses_names && is_renamed(relid))
		lock_writers_out(relid);
}

void
rtc_check_renamed_tables(void)
{
	List	   *relids = NIL;
	ListCell   *lc;

	foreach(lc, rtc_all_rules(false))
	{
		const RtcRuleRow *rule = lfirst(lc);

		if (rtc_rule_uses_names(&rule->text) && is_renamed(rule->relid))
			relids = list_append_unique_oid(relids, rule->relid);
	}
	foreach(lc, relids)
	{
		lock_writers_out(lfirst_oid(lc));
		(void) check_table(lfirst_oid(lc), InvalidOid, false, true);
	}
}
