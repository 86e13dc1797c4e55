/*-------------------------------------------------------------------------
 *
 * coverage.c
 *		Is every write to a relation seen?
 *
 * Row triggers see rows, a statement trigger sees TRUNCATE, and the event
 * triggers of the extension see DDL.  If one of them is missing or can be
 * bypassed, an answer may become wrong unnoticed; then only its time to live
 * limits for how long.
 *
 * Triggers must be ENABLE ALWAYS, because session_replication_role, which
 * logical replication sets, bypasses others.  A crash empties an unlogged
 * table.  Another server writes to a foreign table.  Only DDL changes a
 * materialized view.  Only the session that owns a temporary child can write
 * to it, and the planner skips the temporary children of other sessions.
 *
 * Model: called when a query is prepared.  Locks children as the planner does.
 * Reads catalogs, keeps no state.
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
#include "rule/rule_catalog.h"

/* The events that rules must see. */
static const struct
{
	int16		type;			/* TRIGGER_TYPE_... */
	const char *name;
}			events[] = {
	{TRIGGER_TYPE_INSERT, "INSERT"},
	{TRIGGER_TYPE_UPDATE, "UPDATE"},
	{TRIGGER_TYPE_DELETE, "DELETE"},
	{TRIGGER_TYPE_TRUNCATE, "TRUNCATE"},
};

/* Says why a rule misses changes; NULL = it does not. */
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

/* Has the relation a rule? */
static bool
has_rule(Relation rel)
{
	RtcRuleKind kind;
	int			pos = 0;

	return rtc_next_rule(rel, &pos, &kind) != NULL;
}

/* Says why no rule of the table surely sees this event; NULL = one does. */
static const char *
event_unseen(Relation rel, int event)
{
	const char *why = NULL;
	const Trigger *trigger;
	RtcRuleKind kind;
	bool		any = false;

	for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
	{
		bool		of_rows = TRIGGER_FOR_ROW(trigger->tgtype) != 0;

		if (!TRIGGER_FOR_AFTER(trigger->tgtype) ||
			of_rows != (kind != RTC_RULE_TRUNCATE))
			continue;
		any = true;
		if ((trigger->tgtype & events[event].type) == 0)
			continue;
		why = weakness(trigger);
		if (why == NULL)
			return NULL;
	}
	if (!any)
		return "no rule";
	return why != NULL ? why : psprintf("no rule for %s", events[event].name);
}

/* Says why the rules of a table miss changes; NULL = they do not. */
static const char *
weakness_of_rules(Relation rel)
{
	const char *why = NULL;

	for (int event = 0; event < lengthof(events) && why == NULL; event++)
		why = event_unseen(rel, event);
	return why;
}

/* Says why writes to one relation can go unseen. */
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

bool
rtc_ddl_is_seen(StringInfo buf)
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

	if (reason == NULL && !rtc_ddl_is_seen(NULL))
		reason = "the event triggers of rtcache are not ENABLE ALWAYS";
	return reason;
}
