/*-------------------------------------------------------------------------
 *
 * rule_view.c
 *		What people can see of rules: the view rtcache_rules; and which of
 *		them do not see every change, for cache_health().
 *
 * Rules are triggers, so they are read from pg_trigger and shown as what their
 * arguments say.  Clones in partitions are left out: they are what the rule of
 * the partitioned table says.
 *
 * MODEL: called through SQL.  Shows what any role can see in pg_trigger.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "ddl/rule_view.h"
#include "rule/rule.h"
#include "rule/ttl.h"

PG_FUNCTION_INFO_V1(rtcache_rules);

#define RULE_COLUMNS 9

/* As many as can be read at a glance. */
#define WEAK_RULES_NAMED 5

static const char *
kind_name(const RtcRuleText *rule)
{
	switch (rule->kind)
	{
		case RTC_RULE_WRITE_THROUGH:
			return "set";
		case RTC_RULE_INVALIDATE:
			return rule->key != NULL ? "del" : "track";
		case RTC_RULE_TRUNCATE:
			return "truncate";
		case RTC_RULE_NONE:
			break;
	}
	return "";
}

static const char *
enabled_name(char tgenabled)
{
	switch (tgenabled)
	{
		case TRIGGER_FIRES_ALWAYS:
			return "always";
		case TRIGGER_FIRES_ON_ORIGIN:
			return "origin";
		case TRIGGER_FIRES_ON_REPLICA:
			return "replica";
		case TRIGGER_DISABLED:
			return "disabled";
	}
	return "";
}

/* An array of texts, empty if there are none. */
static Datum
text_array(List *texts)
{
	Datum	   *elems = palloc((list_length(texts) + 1) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, texts)
		elems[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static void
show_rule(ReturnSetInfo *rsinfo, Form_pg_trigger trigger, RtcRuleText *rule)
{
	Datum		values[RULE_COLUMNS] = {0};
	bool		nulls[RULE_COLUMNS] = {0};
	RtcFault	fault;
	int64		ttl_ms;

	/* Of the keys that such a rule deletes the first is the one it is for. */
	if (rule->kind == RTC_RULE_INVALIDATE && rule->del != NIL)
	{
		rule->key = linitial(rule->del);
		rule->del = list_delete_first(rule->del);
	}

	values[0] = ObjectIdGetDatum(trigger->tgrelid);
	values[1] = NameGetDatum(&trigger->tgname);
	values[2] = CStringGetTextDatum(kind_name(rule));
	if (rule->key != NULL)
		values[3] = CStringGetTextDatum(rule->key);
	else
		nulls[3] = true;
	if (rule->ttl != NULL && rtc_ttl_parse(rule->ttl, &ttl_ms, &fault))
	{
		Interval   *ttl = palloc0(sizeof(Interval));

		ttl->day = ttl_ms / RTC_MSECS_PER_DAY;
		ttl->time = ttl_ms % RTC_MSECS_PER_DAY * 1000;
		values[4] = IntervalPGetDatum(ttl);
	}
	else
		nulls[4] = true;
	values[5] = text_array(rule->del);
	values[6] = text_array(rule->tag);
	values[7] = CStringGetTextDatum(enabled_name(trigger->tgenabled));
	if (rule->columns != NULL)
		values[8] = CStringGetTextDatum(rule->columns);
	else
		nulls[8] = true;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* rtcache_rules() → one row for each rule */
Datum
rtcache_rules(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;

	InitMaterializedSRF(fcinfo, 0);
	catalog = table_open(TriggerRelationId, AccessShareLock);
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
		RtcRuleKind kind = rtc_rule_kind(trigger->tgfoid);
		RtcRuleText rule;
		RtcFault	fault;
		char	  **args;
		int			nargs;

		if (kind == RTC_RULE_NONE || OidIsValid(trigger->tgparentid))
			continue;
		args = rtc_rule_args(tuple, RelationGetDescr(catalog), &nargs);
		(void) rtc_rule_read(kind, nargs, args, &rule, &fault);
		show_rule(rsinfo, trigger, &rule);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return (Datum) 0;
}

int
rtc_weak_rules(StringInfo buf)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;

	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS ||
			rtc_rule_kind(trigger->tgfoid) == RTC_RULE_NONE)
			continue;
		if (n < WEAK_RULES_NAMED)
		{
			Datum		rel = DirectFunctionCall1(regclassout,
												  ObjectIdGetDatum(trigger->tgrelid));

			appendStringInfo(buf, "%s\"%s\" on %s", n > 0 ? ", " : "",
							 NameStr(trigger->tgname), DatumGetCString(rel));
		}
		else if (n == WEAK_RULES_NAMED)
			appendStringInfoString(buf, ", ...");
		n++;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return n;
}
