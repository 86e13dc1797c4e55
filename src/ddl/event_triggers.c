/*-------------------------------------------------------------------------
 *
 * event_triggers.c
 *		What DDL does to the cache: the event triggers.
 *
 *		ddl_command_end		rtcache_check_rules: checks rules
 *							(rule_check.c), and ends what depends on what
 *							was altered
 *		sql_drop			rtcache_forget_dropped: the same for what was
 *							dropped; rules take their keys with them
 *		ddl_command_start	rtcache_before_drop: clears before DROP EXTENSION
 *							takes these event triggers along; acts before
 *							DETACH PARTITION CONCURRENTLY, which commits in
 *							between; makes room for clones before ATTACH
 *							PARTITION (rule_clones.c)
 *
 * DDL changes a relation as a whole, with its ancestors and descendants,
 * whether it has rules or not: there may be answers from a time when it had
 * some.
 *
 * Locks on descendants
 *
 * A writer names rows after the indexes of each ancestor (row_changes.c).
 * CREATE INDEX locks out the writers of the table, but not those of a child.
 * One that has written before would commit without naming its rows after the
 * new index, while readers name them so already.  So whatever gives an
 * ancestor an index, or a table an ancestor, waits for the writers of all
 * descendants and keeps new ones out until it commits.  That holds also for
 * descendants without rules, which might get some meanwhile.
 *
 * Model: runs in the backend that issued the DDL, inside its transaction,
 * which holds a lock on the table.  Raises to refuse what would break a rule.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "storage/lmgr.h"
#include "tcop/deparse_utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/catalog_rows.h"
#include "compat.h"
#include "ddl/definitions.h"
#include "ddl/rule_check.h"
#include "ddl/rule_clones.h"
#include "op.h"
#include "rule/rule_catalog.h"
#include "write/forget.h"
#include "write/row_changes.h"
#include "write/table_counts.h"

PG_FUNCTION_INFO_V1(rtcache_check_rules);
PG_FUNCTION_INFO_V1(rtcache_forget_dropped);
PG_FUNCTION_INFO_V1(rtcache_before_drop);

/* An object that the DDL command has made, altered or dropped. */
typedef struct DdlObject
{
	Oid			classid;
	Oid			objid;
	int32		objsubid;
	const char *tag;			/* command, unless it was dropped */
	const CollectedCommand *command;	/* what it did in detail, or NULL */
} DdlObject;

static EventTriggerData *
check_call(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by event trigger manager",
						name)));
	return (EventTriggerData *) fcinfo->context;
}

/* Does a relation of this kind show rows of its own? */
static bool
holds_rows(char relkind)
{
	return relkind == RELKIND_RELATION ||
		relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE;
}

/* The table of an index, or the relation itself. */
static Oid
table_of(Oid relid)
{
	Oid			table = IndexGetRelation(relid, true);

	return OidIsValid(table) ? table : relid;
}

/* Tells who depends on a relation that it has changed. */
static void
relation_changed(Oid relid)
{
	if (OidIsValid(relid) && holds_rows(get_rel_relkind(relid)) &&
		get_rel_persistence(relid) != RELPERSISTENCE_TEMP)
		rtc_track_ddl(relid);
}

/* Waits for the writers of a relation's descendants (see above). */
static void
lock_descendants(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		Oid			child = lfirst_oid(lc);
		char		relkind = get_rel_relkind(child);

		if (child != relid &&
			(relkind == RELKIND_RELATION ||
			 relkind == RELKIND_PARTITIONED_TABLE) &&
			get_rel_persistence(child) != RELPERSISTENCE_TEMP)
			LockRelationOid(child, ShareLock);
	}
}

/* Waits for writers, and tells who depends on the other table. */
static void
alter_table_part(const CollectedCommand *command,
				 const CollectedATSubcmd *part, Oid table)
{
	const AlterTableCmd *cmd = (const AlterTableCmd *) part->parsetree;
	Oid			other = InvalidOid;

	switch (cmd->subtype)
	{
		case AT_AddIndex:
		case AT_AddIndexConstraint:
			lock_descendants(table);
			break;
		case AT_AddInherit:
			lock_descendants(table);
			/* its writers are not told if the parent has no columns */
			CacheInvalidateRelcacheByRelid(table);
			break;
		case AT_AttachPartition:
			if (command->d.alterTable.objectId != table)
				lock_descendants(table);	/* of an index */
			break;
		case AT_DetachPartition:
		case AT_DetachPartitionFinalize:
			/* not told by the address of the part */
			other = RangeVarGetRelid(((PartitionCmd *) cmd->def)->name,
									 NoLock, true);
			break;
		default:
			break;
	}

	/* the other table: a partition, a former parent */
	if (part->address.classId == RelationRelationId)
		other = part->address.objectId;
	if (OidIsValid(other))
		relation_changed(table_of(other));
}

/* Checks the rules that a part of ALTER TABLE has switched on or off. */
static void
switched_rules(const CollectedATSubcmd *part, Oid table)
{
	const AlterTableCmd *cmd = (const AlterTableCmd *) part->parsetree;

	switch (cmd->subtype)
	{
		case AT_EnableTrig:
		case AT_EnableReplicaTrig:
		case AT_DisableTrig:
			rtc_check_enabled(table, cmd->name);
			break;
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
			rtc_check_enabled(table, NULL);
			break;
		default:
			break;
	}
}

/* The parts (CollectedATSubcmd *) of an ALTER TABLE or ALTER INDEX. */
static List *
alter_table_parts(const CollectedCommand *command)
{
	List	   *parts = NIL;
	ListCell   *lc;

	if (command == NULL || command->type != SCT_AlterTable)
		return NIL;
	foreach(lc, command->d.alterTable.subcmds)
	{
		if (IsA(((CollectedATSubcmd *) lfirst(lc))->parsetree, AlterTableCmd))
			parts = lappend(parts, lfirst(lc));
	}
	return parts;
}

/* Notes a change of a relation whose row type may be used elsewhere. */
static void
note_row_type(RtcDefinitionChange *change, Oid relid)
{
	ListCell   *lc;

	if (!rtc_row_type_used(relid))
		return;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		rtc_definition_note(change, RelationRelationId, lfirst_oid(lc));
}

/* A relation was made or altered. */
static void
altered_relation(RtcDefinitionChange *change, const DdlObject *object)
{
	Oid			table = table_of(object->objid);
	List	   *parts;
	ListCell   *lc;

	if (!OidIsValid(table) ||
		get_rel_persistence(table) == RELPERSISTENCE_TEMP)
		return;
	if (get_rel_relkind(table) == RELKIND_VIEW)
	{
		/* the plan cache tells of its contents */
		note_row_type(change, table);
		return;
	}

	/* a new partition has rules, and no rows yet */
	if (strcmp(object->tag, "CREATE TABLE") == 0)
	{
		if (get_rel_relispartition(table))
			rtc_clone_truncate_rules(get_partition_parent(table, true));
		rtc_check_tables(table, false);
		return;
	}

	parts = alter_table_parts(object->command);
	if (strcmp(object->tag, "CREATE INDEX") == 0)
		lock_descendants(table);
	foreach(lc, parts)
		alter_table_part(object->command, lfirst(lc), table);
	if (table == object->objid)
	{
		rtc_check_renamed_table(table);
		rtc_clone_truncate_rules(table);
		rtc_check_tables(table, true);
		foreach(lc, parts)
			switched_rules(lfirst(lc), table);
		note_row_type(change, table);
	}
	relation_changed(table);
}

/* Runs a query, and returns its objects (DdlObject *). */
static List *
ddl_objects(const char *query)
{
	MemoryContext cxt = CurrentMemoryContext;
	MemoryContext oldcxt;
	List	   *objects = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the list of objects");

	oldcxt = MemoryContextSwitchTo(cxt);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		DdlObject  *object = palloc0(sizeof(DdlObject));
		Datum		values[5];
		bool		nulls[5] = {true, true, true, true, true};

		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
						  values, nulls);
		object->classid = DatumGetObjectId(values[0]);
		object->objid = DatumGetObjectId(values[1]);
		object->objsubid = DatumGetInt32(values[2]);
		object->tag = nulls[3] ? "" : TextDatumGetCString(values[3]);
		object->command = nulls[4] ? NULL
			: (const CollectedCommand *) DatumGetPointer(values[4]);
		objects = lappend(objects, object);
	}
	MemoryContextSwitchTo(oldcxt);
	SPI_finish();
	return objects;
}

/*
 * A trigger has gone or was replaced: if it was a rule, its keys go too.
 * *done has the arguments of rules that were dealt with, and the tables whose
 * names they use; clones have the same.
 */
static void
forget_trigger(Oid tgoid, List **done)
{
	ListCell   *lc;

	foreach(lc, rtc_deleted_triggers(tgoid))
	{
		const RtcRuleRow *rule = lfirst(lc);
		Oid			table;
		String	   *what;

		rtc_track_ddl(rule->relid);
		if (rule->text.kind != RTC_RULE_WRITE_THROUGH &&
			rule->text.kind != RTC_RULE_INVALIDATE)
			continue;
		table = rtc_rule_table(tgoid);
		what = makeString(rtc_rule_uses_names(&rule->text) ?
						  psprintf("%s%u", rule->args, table) :
						  pstrdup(rule->args));
		if (list_member(*done, what))
			continue;
		*done = lappend(*done, what);
		rtc_forget_rule_ever(&rule->text, table);
	}
}

/* rtcache_check_rules(): the event trigger function at ddl_command_end */
Datum
rtcache_check_rules(PG_FUNCTION_ARGS)
{
	List	   *done = NIL;
	ListCell   *lc;
	RtcDefinitionChange change = {0};

	(void) check_call(fcinfo, "rtcache_check_rules");

	/* pg_upgrade moves rules that have been checked */
	if (IsBinaryUpgrade)
		PG_RETURN_NULL();

	foreach(lc, ddl_objects("SELECT c.classid, c.objid, c.objsubid,"
							" c.command_tag, c.command"
							" FROM pg_catalog.pg_event_trigger_ddl_commands() AS c"
							" WHERE c.objid IS NOT NULL"))
	{
		DdlObject  *object = lfirst(lc);

		rtc_hashing_altered(object->classid, object->objid);
		if (rtc_definition_altered(object->classid, object->objid, object->tag))
			rtc_definition_note(&change, object->classid, object->objid);
		else if (object->classid == TriggerRelationId)
		{
			Oid			relid = rtc_trigger_table(object->objid);

			if (!OidIsValid(relid))
				continue;
			if (strcmp(object->tag, "CREATE TRIGGER") == 0)
			{
				/* OR REPLACE; arguments may have been moved out of line */
				PushActiveSnapshot(GetTransactionSnapshot());
				forget_trigger(object->objid, &done);
				PopActiveSnapshot();
				rtc_check_new_trigger(object->objid, relid);
			}
			relation_changed(relid);
		}
		else if (object->classid == RelationRelationId)
			altered_relation(&change, object);
		else if (object->classid == NamespaceRelationId ||
				 object->classid == ExtensionRelationId)
			rtc_check_renamed_tables();
	}
	rtc_definition_forget_rows(&change);

	PG_RETURN_NULL();
}

/* A relation was dropped; if it was an index, its table has changed. */
static void
dropped_relation(Oid relid)
{
	Oid			table = relid;
	ListCell   *lc;

	foreach(lc, rtc_catalog_rows(IndexRelationId, IndexRelidIndexId,
								 Anum_pg_index_indexrelid, relid,
								 RTC_ROWS_DELETED))
		table = ((Form_pg_index) GETSTRUCT((HeapTuple) lfirst(lc)))->indrelid;
	rtc_track_ddl(table);
	rtc_table_counts_dropped(relid);
}

/*
 * rtcache_forget_dropped(): the event trigger function at sql_drop
 *
 * The objects are gone from the catalogs, so they are read from the rows that
 * this transaction has deleted.
 */
Datum
rtcache_forget_dropped(PG_FUNCTION_ARGS)
{
	List	   *objects;
	List	   *done = NIL;
	ListCell   *lc;
	RtcDefinitionChange change = {0};

	(void) check_call(fcinfo, "rtcache_forget_dropped");
	if (IsBinaryUpgrade)
		PG_RETURN_NULL();

	objects = ddl_objects("SELECT d.classid, d.objid, d.objsubid"
						  " FROM pg_catalog.pg_event_trigger_dropped_objects() AS d"
						  " WHERE NOT d.is_temporary");

	/* arguments may have been moved out of line */
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, objects)
	{
		DdlObject  *object = lfirst(lc);

		rtc_hashing_dropped(object->classid);
		if (object->classid == TriggerRelationId)
			forget_trigger(object->objid, &done);
		else if (object->classid == RelationRelationId &&
				 object->objsubid == 0)
			dropped_relation(object->objid);
		else if (rtc_definition_dropped(object->classid, object->objid))
			rtc_definition_note(&change, object->classid, object->objid);
		else if (object->classid == RelationRelationId &&
				 SearchSysCacheExists1(RELOID, ObjectIdGetDatum(object->objid)))
		{
			/* a column: it may go with its type, without an ALTER TABLE */
			rtc_check_tables(object->objid, true);
			note_row_type(&change, object->objid);
			relation_changed(object->objid);
		}
	}
	rtc_definition_forget_rows(&change);
	PopActiveSnapshot();

	PG_RETURN_NULL();
}

/* Does the command drop this extension? */
static bool
drops_us(Node *command)
{
	Oid			extension = get_extension_oid(RTC_NAME, true);
	List	   *rows = rtc_catalog_rows(ExtensionRelationId, ExtensionOidIndexId,
										Anum_pg_extension_oid, extension,
										RTC_ROWS_NOW);
	Form_pg_extension form;
	ListCell   *lc;

	if (rows == NIL)
		return false;
	form = (Form_pg_extension) GETSTRUCT((HeapTuple) linitial(rows));

	if (IsA(command, DropOwnedStmt))
	{
		foreach(lc, ((DropOwnedStmt *) command)->roles)
		{
			if (get_rolespec_oid(lfirst(lc), true) == form->extowner)
				return true;
		}
	}
	else if (IsA(command, DropStmt))
	{
		ObjectType	type = ((DropStmt *) command)->removeType;

		foreach(lc, ((DropStmt *) command)->objects)
		{
			if (type == OBJECT_EXTENSION &&
				strcmp(strVal(lfirst(lc)), RTC_NAME) == 0)
				return true;
			if (type == OBJECT_SCHEMA &&
				get_namespace_oid(strVal(lfirst(lc)), true) == form->extnamespace)
				return true;
		}
	}
	return false;
}

/*
 * DETACH PARTITION CONCURRENTLY commits twice.  The rows go with the first
 * transaction.  ddl_command_end is in the second, which waits for others
 * first, and may fail.
 */
static void
before_detach(const AlterTableStmt *command)
{
	ListCell   *lc;

	foreach(lc, command->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		Oid			relid;

		if (cmd->subtype != AT_DetachPartition ||
			!((PartitionCmd *) cmd->def)->concurrent)
			continue;
		relid = RangeVarGetRelid(command->relation, AccessShareLock, true);
		if (OidIsValid(relid))
			rtc_track_ddl(relid);
	}
}

/* rtcache_before_drop(): the event trigger function at ddl_command_start */
Datum
rtcache_before_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = check_call(fcinfo, "rtcache_before_drop");

	if (IsBinaryUpgrade)
		PG_RETURN_NULL();
	if (IsA(data->parsetree, AlterTableStmt))
	{
		before_detach((AlterTableStmt *) data->parsetree);
		rtc_merge_before_attach((AlterTableStmt *) data->parsetree);
	}
	else if (drops_us(data->parsetree))
		rtc_forget_all();
	PG_RETURN_NULL();
}
