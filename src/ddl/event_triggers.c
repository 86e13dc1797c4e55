/*-------------------------------------------------------------------------
 *
 * event_triggers.c
 *		What DDL does to the cache: the event triggers.
 *
 *		ddl_command_end		rtcache_check_rules: rules are checked
 *							(rule_check.c); who depends on what was altered
 *							is told
 *		sql_drop			rtcache_forget_dropped: the same for what is
 *							gone, and rules that are gone take their keys
 *							with them
 *		ddl_command_start	rtcache_before_drop: DROP EXTENSION takes these
 *							event triggers along, so all is cleared before;
 *							DETACH PARTITION CONCURRENTLY commits in between;
 *							ATTACH PARTITION finds no rule in the way of its
 *							clones (rule_merge.c)
 *
 * DDL changes a relation as a whole, with its ancestors and descendants, and
 * whether it has rules or not: answers from when it had some may be around.
 *
 * Locks on descendants
 *
 * A writer names rows after each ancestor's indexes (row_changes.c).  CREATE INDEX
 * locks writers of the table out, but not those who write to a child directly;
 * one that has written before would commit without naming its rows after the
 * new index, by which readers may name them already.  So whatever gives an
 * ancestor an index, or a table an ancestor, waits here for the writers of all
 * descendants, and keeps new ones out until it commits; also of those that have
 * no rules, or they might get some meanwhile.
 *
 * MODEL: runs in the backend that issued the DDL, inside its transaction,
 * which holds a lock on the table.  Raises errors to refuse what would break a
 * rule.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
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
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/catalog_row.h"
#include "compat.h"
#include "ddl/definitions.h"
#include "ddl/event_triggers.h"
#include "ddl/rule_check.h"
#include "ddl/rule_merge.h"
#include "dep/value_hash.h"
#include "op.h"
#include "rule/rule.h"
#include "rule/rule_names.h"
#include "write/row_changes.h"

PG_FUNCTION_INFO_V1(rtcache_check_rules);
PG_FUNCTION_INFO_V1(rtcache_forget_dropped);
PG_FUNCTION_INFO_V1(rtcache_before_drop);

/* An object that the DDL command made or altered. */
typedef struct DdlObject
{
	Oid			classid;
	Oid			objid;
	const char *tag;			/* command */
	const CollectedCommand *command;	/* what it did in detail */
} DdlObject;

/* An object that was dropped. */
typedef struct DroppedObject
{
	Oid			classid;
	Oid			objid;
	int32		objsubid;
} DroppedObject;

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

static bool
is_index(char relkind)
{
	return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX;
}

/* Can rows be seen through it, other than by its definition? */
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
	return is_index(get_rel_relkind(relid)) ? IndexGetRelation(relid, true)
		: relid;
}

/* Tells who depends on a relation that it has changed. */
static void
relation_changed(Oid relid)
{
	if (OidIsValid(relid) && holds_rows(get_rel_relkind(relid)) &&
		get_rel_persistence(relid) != RELPERSISTENCE_TEMP)
		rtc_track_ddl(relid);
}

/* Waits for the writers of a relation's descendants.  See above. */
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

/* Goes through the parts of an ALTER TABLE or ALTER INDEX. */
static void
alter_table_parts(const CollectedCommand *command, Oid table)
{
	ListCell   *lc;

	if (command == NULL || command->type != SCT_AlterTable)
		return;
	foreach(lc, command->d.alterTable.subcmds)
	{
		const CollectedATSubcmd *part = lfirst(lc);
		const AlterTableCmd *cmd = (const AlterTableCmd *) part->parsetree;
		Oid			other = InvalidOid;

		if (!IsA(part->parsetree, AlterTableCmd))
			continue;
		switch (cmd->subtype)
		{
			case AT_AddIndex:
			case AT_AddIndexConstraint:
				lock_descendants(table);
				break;
			case AT_AddInherit:
				lock_descendants(table);
				/* of a parent without columns its writers are not told */
				CacheInvalidateRelcacheByRelid(table);
				break;
			case AT_AttachPartition:
				if (command->d.alterTable.objectId != table)
					lock_descendants(table);	/* of an index */
				break;
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
				/* not told as the address of the part is */
				other = RangeVarGetRelid(((PartitionCmd *) cmd->def)->name,
										 NoLock, true);
				break;
			default:
				break;
		}

		/* the other table: a partition, a parent that was */
		if (part->address.classId == RelationRelationId)
			other = part->address.objectId;
		if (OidIsValid(other))
			relation_changed(table_of(other));
	}
}

/* Looks at the rules that an ALTER TABLE has switched on or off. */
static void
switched_rules(const CollectedCommand *command, Oid table)
{
	ListCell   *lc;

	if (command == NULL || command->type != SCT_AlterTable)
		return;
	foreach(lc, command->d.alterTable.subcmds)
	{
		const CollectedATSubcmd *part = lfirst(lc);
		const AlterTableCmd *cmd = (const AlterTableCmd *) part->parsetree;

		if (!IsA(part->parsetree, AlterTableCmd))
			continue;
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
}

/* A relation has changed, and its row type may be used elsewhere. */
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

	if (!OidIsValid(table) ||
		get_rel_persistence(table) == RELPERSISTENCE_TEMP)
		return;
	if (get_rel_relkind(table) == RELKIND_VIEW)
	{
		/* what is in it is told by the plan cache */
		note_row_type(change, table);
		return;
	}

	/* A new partition has rules, and no rows yet. */
	if (strcmp(object->tag, "CREATE TABLE") == 0)
	{
		if (get_rel_relispartition(table))
			rtc_check_clone_truncate(get_partition_parent(table, true));
		rtc_check_tables(table, false);
		return;
	}

	if (strcmp(object->tag, "CREATE INDEX") == 0)
		lock_descendants(table);
	else
		alter_table_parts(object->command, table);
	if (table == object->objid)
	{
		rtc_check_renamed_table(table);
		rtc_check_clone_truncate(table);
		rtc_check_tables(table, true);
		switched_rules(object->command, table);
		note_row_type(change, table);
	}
	relation_changed(table);
}

/* The objects of the current DDL command, in the current memory context. */
static List *
ddl_objects(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	List	   *objects = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT c.classid, c.objid, c.command_tag, c.command"
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
		Datum		command;
		MemoryContext oldcxt;

		object->classid = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		object->objid = DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &isnull));
		command = SPI_getbinval(tuple, desc, 4, &isnull);
		object->command = isnull ? NULL
			: (const CollectedCommand *) DatumGetPointer(command);
		oldcxt = MemoryContextSwitchTo(cxt);
		object->tag = pstrdup(tag != NULL ? tag : "");
		objects = lappend(objects, object);
		MemoryContextSwitchTo(oldcxt);
	}
	SPI_finish();
	return objects;
}

/*
 * A trigger has gone, or was made anew in the place of another: what was a rule
 * takes its keys along.  "done" is a list of the arguments of rules that this
 * was done for, with the tables whose names they use: clones have the same.
 */
static void
forget_trigger(Oid tgoid, List **done)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(tgoid));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, SnapshotAny,
							  1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
		RtcRuleKind kind;

		if (!rtc_deleted_here(tuple))
			continue;
		rtc_track_ddl(form->tgrelid);
		kind = rtc_rule_kind(form->tgfoid);
		if (kind == RTC_RULE_WRITE_THROUGH || kind == RTC_RULE_INVALIDATE)
		{
			RtcRuleText text;
			int			nargs;
			char	  **args = rtc_rule_args(tuple, RelationGetDescr(catalog),
											 &nargs);
			RtcFault	fault;
			Oid			table = rtc_rule_table(tgoid, true);
			StringInfoData all;

			initStringInfo(&all);
			for (int i = 0; i < nargs; i++)
				appendStringInfo(&all, "%s\n", args[i]);
			(void) rtc_rule_read(kind, nargs, args, &text, &fault);
			if (rtc_rule_uses_names(&text))
				appendStringInfo(&all, "%u", table);
			if (list_member(*done, makeString(all.data)))
				continue;
			*done = lappend(*done, makeString(all.data));
			rtc_rule_forget_ever(&text, table);
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/*
 * rtcache_check_rules
 *		The event trigger function at ddl_command_end.
 *
 * What is done to functions, types and the like, is told in definitions.c.
 */
Datum
rtcache_check_rules(PG_FUNCTION_ARGS)
{
	List	   *done = NIL;
	ListCell   *lc;
	RtcDefinitionChange change = {0};

	(void) check_call(fcinfo, "rtcache_check_rules");

	/* pg_upgrade moves rules that were checked when they were made. */
	if (IsBinaryUpgrade)
		PG_RETURN_NULL();

	foreach(lc, ddl_objects())
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

/* A relation has gone; if it was an index, its table has changed. */
static void
dropped_relation(Oid relid)
{
	Relation	catalog = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			table = relid;

	ScanKeyInit(&key, Anum_pg_index_indexrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, IndexRelidIndexId, true, SnapshotAny,
							  1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		if (rtc_deleted_here(tuple))
			table = ((Form_pg_index) GETSTRUCT(tuple))->indrelid;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	rtc_track_ddl(table);
}

/* The objects that were dropped, in the current memory context. */
static List *
dropped_objects(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	List	   *objects = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT d.classid, d.objid, d.objsubid"
					" FROM pg_catalog.pg_event_trigger_dropped_objects() AS d"
					" WHERE NOT d.is_temporary",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the list of dropped objects");

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		DroppedObject *object = MemoryContextAlloc(cxt, sizeof(DroppedObject));
		bool		isnull;
		MemoryContext oldcxt;

		object->classid = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		object->objid = DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &isnull));
		object->objsubid = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &isnull));
		oldcxt = MemoryContextSwitchTo(cxt);
		objects = lappend(objects, object);
		MemoryContextSwitchTo(oldcxt);
	}
	SPI_finish();
	return objects;
}

/*
 * rtcache_forget_dropped
 *		The event trigger function at sql_drop.
 *
 * Objects are gone from the catalogs by now; what there was to know about them
 * is read from the rows that this transaction has deleted.
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

	objects = dropped_objects();

	/* arguments may have been moved out of line */
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, objects)
	{
		DroppedObject *object = lfirst(lc);

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
			/* a column, perhaps with its type and without an ALTER TABLE */
			rtc_check_tables(object->objid, true);
			note_row_type(&change, object->objid);
			relation_changed(object->objid);
		}
	}
	rtc_definition_forget_rows(&change);
	PopActiveSnapshot();

	PG_RETURN_NULL();
}

/* Is this extension about to be dropped? */
static bool
drops_us(Node *command)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;
	Oid			schema = InvalidOid;
	ListCell   *lc;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(RTC_NAME));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL,
							  1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	if (!OidIsValid(owner))
		return false;

	if (IsA(command, DropOwnedStmt))
	{
		foreach(lc, ((DropOwnedStmt *) command)->roles)
		{
			if (get_rolespec_oid(lfirst(lc), true) == owner)
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
				get_namespace_oid(strVal(lfirst(lc)), true) == schema)
				return true;
		}
	}
	return false;
}

/*
 * DETACH PARTITION CONCURRENTLY commits twice.  The rows are gone with the
 * first transaction, while ddl_command_end is in the second, which waits for
 * others in between, and may fail.
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

/*
 * rtcache_before_drop
 *		The event trigger function at ddl_command_start.
 */
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
		rtc_add_clear_op();
	PG_RETURN_NULL();
}
