/*-------------------------------------------------------------------------
 *
 * coverage.c
 *		Is every write to a relation seen?
 *
 * Row triggers see rows, a statement trigger sees TRUNCATE, the event triggers
 * of the extension see what DDL does.  If one of them is missing, or can be
 * passed by, an answer computed from the relation can become wrong without
 * anybody being told, and only its time to live limits for how long.
 *
 * Triggers must be ENABLE ALWAYS: else session_replication_role, which logical
 * replication sets, passes them by.  A crash empties an unlogged table, and
 * another server writes to a foreign one.  What a materialized view holds is
 * changed by DDL alone.  Temporary children of other sessions are nobody else's:
 * the planner skips them as well.
 *
 * MODEL: called by query_deps.c when a query is prepared.  Locks children as the
 * planner does, reads catalogs, keeps no state.
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
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_event_trigger.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "op.h"
#include "rule/coverage.h"
#include "rule/rule.h"

/* What has to be seen. */
typedef enum Event
{
	EVENT_INSERT,
	EVENT_UPDATE,
	EVENT_DELETE,
	EVENT_TRUNCATE
} Event;

#define NEVENTS (EVENT_TRUNCATE + 1)

static const char *const event_name[NEVENTS] = {
	"INSERT", "UPDATE", "DELETE", "TRUNCATE"
};

/* Is this trigger fired by the event? */
static bool
fires_on(const Trigger *trigger, Event event)
{
	switch (event)
	{
		case EVENT_INSERT:
			return TRIGGER_FOR_INSERT(trigger->tgtype) != 0;
		case EVENT_UPDATE:
			return TRIGGER_FOR_UPDATE(trigger->tgtype) != 0;
		case EVENT_DELETE:
			return TRIGGER_FOR_DELETE(trigger->tgtype) != 0;
		case EVENT_TRUNCATE:
			return TRIGGER_FOR_TRUNCATE(trigger->tgtype) != 0;
	}
	return false;
}

/* Why a rule does not see everything; NULL = it does. */
static const char *
weakness(const Trigger *trigger)
{
	if (trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
		return psprintf("rule \"%s\" is not ENABLE ALWAYS", trigger->tgname);
	if (trigger->tgqual != NULL)
		return psprintf("rule \"%s\" has a condition", trigger->tgname);
	if (trigger->tgnattr > 0)
		return psprintf("rule \"%s\" is for some columns only",
						trigger->tgname);
	return NULL;
}

/* Is there a rule, whatever it sees? */
static bool
has_rule(Relation rel)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		if (rtc_rule_kind(rel->trigdesc->triggers[i].tgfoid) != RTC_RULE_NONE)
			return true;
	}
	return false;
}

/* Why the rules of a table do not see everything; NULL = they do. */
static const char *
weakness_of_rules(Relation rel)
{
	bool		seen[NEVENTS] = {false};
	const char *why[NEVENTS] = {NULL};
	bool		any = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];
		RtcRuleKind kind = rtc_rule_kind(trigger->tgfoid);
		bool		of_rows = TRIGGER_FOR_ROW(trigger->tgtype) != 0;
		const char *weak;

		if (kind == RTC_RULE_NONE || !TRIGGER_FOR_AFTER(trigger->tgtype) ||
			of_rows != (kind != RTC_RULE_TRUNCATE))
			continue;
		any = true;
		weak = weakness(trigger);
		for (int e = 0; e < NEVENTS; e++)
		{
			if (!fires_on(trigger, e))
				continue;
			if (weak == NULL)
				seen[e] = true;
			else
				why[e] = weak;
		}
	}

	if (!any)
		return "no rule";
	for (int e = 0; e < NEVENTS; e++)
	{
		if (!seen[e])
			return why[e] != NULL ? why[e] :
				psprintf("no rule for %s", event_name[e]);
	}
	return NULL;
}

/*
 * Are the event triggers of the extension there, whoever does the DDL?  "buf"
 * gets what changes when somebody switches one of them.
 */
static bool
ddl_is_seen(StringInfo buf)
{
	Oid			extension = get_extension_oid(RTC_NAME, true);
	Relation	catalog = table_open(EventTriggerRelationId, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;
	bool		all = true;

	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_event_trigger form = (Form_pg_event_trigger) GETSTRUCT(tuple);

		if (!OidIsValid(extension) ||
			getExtensionOfObject(EventTriggerRelationId,
								 form->oid) != extension)
			continue;
		n++;
		all &= form->evtenabled == TRIGGER_FIRES_ALWAYS;
		if (buf != NULL)
			appendStringInfo(buf, " %u %u", form->oid,
							 HeapTupleHeaderGetRawXmin(tuple->t_data));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return n > 0 && all;
}

/* Judges one relation by itself. */
static const char *
uncovered_one(Relation rel)
{
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
			if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
				return "unlogged table";
			return weakness_of_rules(rel);
		case RELKIND_PARTITIONED_TABLE:
			return NULL;		/* the rows are those of its partitions */
		case RELKIND_MATVIEW:
			if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
				return "unlogged materialized view";
			return NULL;
		case RELKIND_FOREIGN_TABLE:
			return "foreign table";
		default:
			return "not a table";
	}
}

const char *
rtc_uncovered(Oid relid, bool with_children, List **watched, bool *has_rules)
{
	const char *reason = NULL;
	List	   *relids;
	ListCell   *lc;

	*has_rules = false;
	relids = with_children && has_subclass(relid) ?
		find_all_inheritors(relid, AccessShareLock, NULL) :
		list_make1_oid(relid);
	foreach(lc, relids)
	{
		Oid			member = lfirst_oid(lc);
		Relation	rel = try_relation_open(member, NoLock);
		const char *why;

		if (member != relid)
			*watched = list_append_unique_oid(*watched, member);
		if (rel == NULL)
			continue;			/* dropped before we had the lock */
		*has_rules |= has_rule(rel);
		why = reason == NULL && !RELATION_IS_OTHER_TEMP(rel) ?
			uncovered_one(rel) : NULL;
		if (why != NULL)
			reason = member == relid ? why :
				psprintf("%s on \"%s\"", why, RelationGetRelationName(rel));
		relation_close(rel, NoLock);
	}

	if (reason == NULL && !ddl_is_seen(NULL))
		reason = "the event triggers of rtcache are not ENABLE ALWAYS";
	return reason;
}

bool
rtc_ddl_is_seen(void)
{
	return ddl_is_seen(NULL);
}

void
rtc_describe_event_triggers(StringInfo buf)
{
	(void) ddl_is_seen(buf);
}
