/*-------------------------------------------------------------------------
 *
 * rule_check.c
 *		Checks rules when they are made, and when their table is altered.
 *
 * PostgreSQL takes the arguments of a trigger for opaque text.  An event
 * trigger of the extension, at ddl_command_end, looks at them so that an
 * unknown column or a malformed template is an error of CREATE TRIGGER, and
 * dropping a column that a rule uses an error of ALTER TABLE.
 *
 * What a rule must be, and why:
 *
 * - AFTER ROW, or AFTER TRUNCATE STATEMENT: BEFORE triggers see rows that may
 *	 still change or not be written at all.
 * - On a permanent table: a crash empties an unlogged table without a trace in
 *	 WAL, which would leave its rows in the cache; a temporary table is no use
 *	 to anybody else.
 * - write_through takes no WHEN and no UPDATE OF: the value is the row, so
 *	 whatever changes the row must be seen.  A WHEN hides the update that makes
 *	 it false, and a column list hides what BEFORE triggers change in columns
 *	 that the UPDATE does not name.  The columns= option limits what is stored.
 * - invalidate takes both: what its keys hold is known to their author only.
 *	 A column list must name the columns of the keys, though, or a change of
 *	 key would be missed.
 *
 * Making a rule, and altering its table, also deletes the keys that the rule
 * can have made: they may have been filled when nothing watched the table, and
 * ALTER TABLE changes rows (types, defaults, column names) without triggers.
 *
 * MODEL: runs in the backend that issued the DDL, inside its transaction,
 * which holds a lock on the table.  Raises errors, that is its purpose.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "rtcache.h"
#include "rule.h"
#include "rule_check.h"

PG_FUNCTION_INFO_V1(rtcache_check_rules);

/* An object that the DDL command made or altered. */
typedef struct DdlObject
{
	Oid			classid;
	Oid			objid;
	bool		clear;			/* changed values in ways nobody can follow */
	bool		forget;			/* rules' keys may be stale now */
} DdlObject;

/*
 * rtc_rule_kind
 *		Which of our trigger functions is this, if any?  It is known by its C
 *		symbol and as a member of the extension, whatever its schema.
 */
RtcRuleKind
rtc_rule_kind(Oid function)
{
	HeapTuple	tuple;
	Datum		prosrc;
	bool		isnull;
	RtcRuleKind kind = RTC_RULE_NONE;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return RTC_RULE_NONE;
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
	{
		prosrc = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
		if (!isnull)
		{
			char	   *symbol = TextDatumGetCString(prosrc);

			for (int k = RTC_RULE_WRITE_THROUGH; k <= RTC_RULE_TRUNCATE; k++)
			{
				if (strcmp(symbol, rtc_rule_function((RtcRuleKind) k)) == 0)
					kind = (RtcRuleKind) k;
			}
		}
	}
	ReleaseSysCache(tuple);

	if (kind != RTC_RULE_NONE)
	{
		Oid			extension = get_extension_oid(RTC_NAME, true);

		if (!OidIsValid(extension) ||
			getExtensionOfObject(ProcedureRelationId, function) != extension)
			return RTC_RULE_NONE;
	}
	return kind;
}

/* Checks level, timing and events.  Errors: 0A000. */
static void
check_timing(Trigger *trigger, RtcRuleKind kind)
{
	const char *function = rtc_rule_function(kind);

	if (kind == RTC_RULE_TRUNCATE)
	{
		if (!TRIGGER_FOR_AFTER(trigger->tgtype) ||
			TRIGGER_FOR_ROW(trigger->tgtype) ||
			TRIGGER_FOR_INSERT(trigger->tgtype) ||
			TRIGGER_FOR_UPDATE(trigger->tgtype) ||
			TRIGGER_FOR_DELETE(trigger->tgtype))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s can only be used in AFTER TRUNCATE triggers",
							function),
					 errhint("Use CREATE TRIGGER ... AFTER TRUNCATE ON ... FOR EACH STATEMENT.")));
		return;
	}

	if (!TRIGGER_FOR_AFTER(trigger->tgtype) ||
		!TRIGGER_FOR_ROW(trigger->tgtype))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s can only be used in AFTER triggers for each row",
						function),
				 errhint("Use CREATE TRIGGER ... AFTER INSERT OR UPDATE OR DELETE ON ... FOR EACH ROW.")));
}

/* Checks that a crash cannot change the table behind our back. */
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

/* Is this column in the trigger's UPDATE OF list? */
static bool
in_update_list(Trigger *trigger, AttrNumber attnum)
{
	for (int i = 0; i < trigger->tgnattr; i++)
	{
		if (trigger->tgattr[i] == attnum)
			return true;
	}
	return false;
}

/* Checks WHEN and UPDATE OF.  See the head of this file. */
static void
check_conditions(Relation rel, Trigger *trigger, const RtcRule *rule)
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
					 errmsg("column \"%s\" is used in a key template but is not in the UPDATE OF list",
							NameStr(att->attname)),
					 errhint("Add the column to the list, or use UPDATE without a list.")));
	}
}

/* Warns of events that will go by unseen. */
static void
check_events(Relation rel, Trigger *trigger)
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

/*
 * check_rule
 *		Checks one rule; raises if it is no good.  made: it has just been
 *		created, else its table has been altered.
 */
static RtcRule *
check_rule(Relation rel, Trigger *trigger, RtcRuleKind kind, bool made)
{
	RtcRule    *rule;
	RtcFault	fault = {0};

	check_timing(trigger, kind);
	check_persistence(rel, kind);

	rule = rtc_rule_parse(kind, trigger->tgnargs, trigger->tgargs,
						  RelationGetDescr(rel), &fault);
	if (rule == NULL && made)
		ereport(ERROR,
				(errcode(fault.sqlerrcode),
				 errmsg_internal("%s", fault.message),
				 fault.detail ? errdetail_internal("%s", fault.detail) : 0,
				 fault.hint ? errhint("%s", fault.hint) : 0));
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
	return rule;
}

/*
 * check_table
 *		Checks the rules of one table: all of them, or only one.
 *		forget: delete the keys they can have made.
 *		Returns whether there was a rule.
 */
static bool
check_table(Oid relid, Oid only, bool made, bool forget)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		found = false;

	if (rel == NULL)
		return false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];
		RtcRuleKind kind;
		RtcRule    *rule;

		if (OidIsValid(only) && trigger->tgoid != only)
			continue;

		/* One that is off harms nobody; switching it on is ALTER TABLE. */
		if (trigger->tgenabled == TRIGGER_DISABLED)
			continue;
		kind = rtc_rule_kind(trigger->tgfoid);
		if (kind == RTC_RULE_NONE)
			continue;

		found = true;
		rule = check_rule(rel, trigger, kind, made);

		/* A truncate rule makes no keys. */
		if (forget && kind != RTC_RULE_TRUNCATE)
			rtc_rule_forget_keys(rule);
	}

	relation_close(rel, NoLock);
	return found;
}

/*
 * check_table_tree
 *		Partitions have clones of the rules, with the same arguments, so that
 *		their keys need no deleting of their own; but they may be unlogged, or
 *		have other columns.
 */
static void
check_table_tree(Oid relid, bool forget)
{
	List	   *relids = find_all_inheritors(relid, AccessShareLock, NULL);
	ListCell   *lc;

	foreach(lc, relids)
		(void) check_table(lfirst_oid(lc), InvalidOid, false,
						   forget && lfirst_oid(lc) == relid);
}

/* The table of a trigger; InvalidOid if it has gone. */
static Oid
trigger_table(Oid tgoid)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(tgoid));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		relid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relid;
}

/* A trigger was made: checks it, and then its clones, if it is a rule. */
static void
check_new_trigger(Oid tgoid)
{
	Oid			relid = trigger_table(tgoid);
	List	   *relids;
	ListCell   *lc;

	if (!OidIsValid(relid) || !check_table(relid, tgoid, true, true))
		return;

	relids = find_all_inheritors(relid, AccessShareLock, NULL);
	foreach(lc, relids)
	{
		if (lfirst_oid(lc) != relid)
			(void) check_table(lfirst_oid(lc), InvalidOid, false, false);
	}
}

/* The objects of the current DDL command, in the current memory context. */
static List *
ddl_objects(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	List	   *objects = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT c.classid, c.objid, c.command_tag"
					" FROM pg_catalog.pg_event_trigger_ddl_commands() AS c"
					" WHERE c.objid IS NOT NULL",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the list of DDL commands");

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		char	   *tag = SPI_getvalue(tuple, desc, 3);
		DdlObject  *object = MemoryContextAlloc(cxt, sizeof(DdlObject));
		bool		isnull;
		MemoryContext oldcxt;

		object->classid = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		object->objid = DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &isnull));
		object->clear = tag != NULL && strcmp(tag, "ALTER TYPE") == 0;

		/* A new partition has rules, and no rows yet. */
		object->forget = tag != NULL && strcmp(tag, "CREATE TABLE") != 0;
		oldcxt = MemoryContextSwitchTo(cxt);
		objects = lappend(objects, object);
		MemoryContextSwitchTo(oldcxt);
	}
	SPI_finish();
	return objects;
}

/*
 * rtcache_check_rules
 *		The event trigger function.
 *
 * ALTER TYPE renames values of enums and attributes of composites, which
 * changes how rows of any table look: it clears the database's cache.
 */
Datum
rtcache_check_rules(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by event trigger manager",
						"rtcache_check_rules")));

	/* pg_upgrade moves rules that were checked when they were made. */
	if (IsBinaryUpgrade)
		PG_RETURN_NULL();

	foreach(lc, ddl_objects())
	{
		DdlObject  *object = lfirst(lc);

		if (object->clear)
			rtc_add_clear_op();
		else if (object->classid == TriggerRelationId)
			check_new_trigger(object->objid);
		else if (object->classid == RelationRelationId)
			check_table_tree(object->objid, object->forget);
	}

	PG_RETURN_NULL();
}
