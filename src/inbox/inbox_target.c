/*-------------------------------------------------------------------------
 *
 * inbox_target.c
 *		Tables that may be written behind.
 *
 * Which these are is said by rules, that is, by triggers; what they say is kept
 * until some table or schema changes.  A table is locked before it is used, and if
 * that has brought news, everything is looked up again.
 *
 * Model: called inside a transaction, by the worker and by backends.  Memory is
 * that of the process; what was looked up before stays until the transaction is
 * over.  Raises what is wrong with a key.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "inbox/inbox_target.h"
#include "rule/rule_catalog.h"

static List *targets = NIL;		/* of RtcInboxTarget */
static MemoryContext context = NULL;	/* where they are */
static bool stale = true;

static void
table_changed(Datum arg, Oid relid)
{
	stale = true;
}

static void
schema_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	stale = true;
}

/* Fills in the columns that may be written. */
static void
find_columns(RtcInboxTarget *target)
{
	ListCell   *lc;

	target->column = palloc0(list_length(target->rule->behind) *
							 sizeof(RtcInboxColumn));
	foreach(lc, target->rule->behind)
	{
		RtcInboxColumn *column = &target->column[target->ncolumns++];
		Form_pg_attribute att;

		column->attnum = (AttrNumber) lfirst_int(lc);
		att = TupleDescAttr(target->desc, column->attnum - 1);
		column->name = pstrdup(NameStr(att->attname));
		column->base = getBaseType(att->atttypid);
	}
}

/* The partitioned table at the top, or the table. */
static Oid
root_of(Relation rel)
{
	return rel->rd_rel->relispartition ?
		llast_oid(get_partition_ancestors(RelationGetRelid(rel))) :
		RelationGetRelid(rel);
}

/* Reads a rule; NULL if its table has gone. */
static RtcInboxTarget *
make_target(const RtcRuleRow *row)
{
	Relation	rel = try_relation_open(row->relid, AccessShareLock);
	RtcInboxTarget *target;
	char	   *schema;
	RtcNames	names;

	if (rel == NULL)
		return NULL;
	target = palloc0(sizeof(RtcInboxTarget));
	target->relid = row->relid;
	target->tgoid = row->tgoid;
	target->root = root_of(rel);
	target->owner = rel->rd_rel->relowner;
	target->table = pstrdup(RelationGetRelationName(rel));
	schema = get_namespace_name(RelationGetNamespace(rel));
	target->from = quote_qualified_identifier(schema, target->table);
	target->sql_name = rel->rd_rel->relkind == RELKIND_RELATION ?
		psprintf("ONLY %s", target->from) : target->from;
	target->rewritten = rel->rd_rel->relhasrules;
	target->may_keep = target->rewritten ||
		rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
		(rel->trigdesc != NULL && rel->trigdesc->trig_update_before_row);
	target->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	rtc_names_of(row->relid, &names);
	target->shape = rtc_shape_make(row->text.key, &names, row->relid);
	target->rule = rtc_rule_bind(&row->text, target->desc, &names,
								 &target->fault);
	if (target->rule != NULL &&
		rtc_behind_check(rel, target->rule->key, &target->fault))
		find_columns(target);
	relation_close(rel, AccessShareLock);
	return target;
}

/* Notes which of the others may write the same rows. */
static void
note_shares(RtcInboxTarget *target, List *others)
{
	ListCell   *lc;

	foreach(lc, others)
	{
		RtcInboxTarget *other = lfirst(lc);

		if (other->root == target->root)
			other->shares = target->shares = true;
	}
}

/* Looks all rules up. */
static void
look_up(void)
{
	static bool registered = false;
	MemoryContext made;
	MemoryContext old;
	List	   *found = NIL;
	ListCell   *lc;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
		/* a schema that is renamed changes no table */
		CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
	}
	registered = true;

	/* those of before may be in use until the end of the transaction */
	if (context != NULL)
		MemoryContextSetParent(context, TopTransactionContext);
	context = NULL;
	targets = NIL;

	/* an error here leaves nothing, so that they are looked up again */
	made = AllocSetContextCreate(TopTransactionContext, "rtcache inbox targets",
								 ALLOCSET_DEFAULT_SIZES);
	stale = false;
	old = MemoryContextSwitchTo(made);
	foreach(lc, rtc_all_rules(false))
	{
		const RtcRuleRow *row = lfirst(lc);
		RtcInboxTarget *target;

		if (row->text.kind != RTC_RULE_WRITE_THROUGH ||
			row->text.behind == NULL || row->text.key == NULL ||
			row->enabled == TRIGGER_DISABLED)
			continue;
		target = make_target(row);
		if (target != NULL)
		{
			note_shares(target, found);
			found = lappend(found, target);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(made, TopMemoryContext);
	context = made;
	targets = found;
}

/* Sees to it that the list is that of now. */
static void
refresh(void)
{
	if (stale || context == NULL)
		look_up();
}

bool
rtc_inbox_has_targets(void)
{
	AcceptInvalidationMessages();
	refresh();
	return targets != NIL;
}

bool
rtc_inbox_has_key(const char *key, int len)
{
	ListCell   *lc;

	refresh();
	foreach(lc, targets)
	{
		const RtcInboxTarget *target = lfirst(lc);

		if (rtc_shape_matches(target->shape, key, len))
			return true;
	}
	return false;
}

RtcInboxTarget *
rtc_inbox_target(const char *key, int len, LOCKMODE lockmode)
{
	for (;;)
	{
		RtcInboxTarget *found = NULL;
		ListCell   *lc;

		refresh();
		foreach(lc, targets)
		{
			RtcInboxTarget *target = lfirst(lc);

			if (!rtc_shape_matches(target->shape, key, len))
				continue;
			if (found != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("more than one rule makes the key"),
						 errdetail("Rules on tables \"%s\" and \"%s\" do.",
								   found->table, target->table)));
			found = target;
		}
		if (found == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("no rule lets the key be written behind")));
		LockRelationOid(found->relid, lockmode);
		if (stale)
			continue;
		if (found->fault.message != NULL)
			rtc_fault_raise(&found->fault);
		return found;
	}
}

void
rtc_inbox_find_row(RtcInboxTarget *target, const char *key, int len,
				   RtcBehindRow *row)
{
	Relation	rel = relation_open(target->relid, NoLock);
	bool		found = rtc_behind_row(rel, target->rule->key, key, len, row);

	relation_close(rel, NoLock);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no row of table \"%s\" has the key", target->table),
				 errhint("Spell the key as the rule does; see cache_key().")));
}

RtcInboxColumn *
rtc_inbox_column(RtcInboxTarget *target, const char *name, int len)
{
	for (int i = 0; i < target->ncolumns; i++)
	{
		RtcInboxColumn *column = &target->column[i];

		if (strlen(column->name) == len && memcmp(column->name, name, len) == 0)
			return column;
	}
	for (int i = 0; i < target->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(target->desc, i);

		if (!att->attisdropped && strlen(NameStr(att->attname)) == len &&
			memcmp(NameStr(att->attname), name, len) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("column \"%s\" of table \"%s\" may not be written behind",
							NameStr(att->attname), target->table)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of table \"%s\" does not exist",
					pnstrdup(name, Min(len, NAMEDATALEN)), target->table)));
}
