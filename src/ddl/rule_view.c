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
 * Model: called through SQL.  Shows what any role can see in pg_trigger.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "ddl/rule_view.h"
#include "rule/rule_catalog.h"
#include "rule/ttl.h"

PG_FUNCTION_INFO_V1(rtcache_rules);
PG_FUNCTION_INFO_V1(rtcache_rule_options);

#define RULE_COLUMNS	9
#define OPTION_COLUMNS	4

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

/* Sets a column of the result, or NULL. */
static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	if (text != NULL)
		*value = CStringGetTextDatum(text);
}

static void
show_rule(ReturnSetInfo *rsinfo, RtcRuleRow *row)
{
	RtcRuleText *rule = &row->text;
	Datum		values[RULE_COLUMNS] = {0};
	bool		nulls[RULE_COLUMNS] = {0};
	NameData	name;
	RtcFault	fault;
	int64		ttl_ms;

	/* Of the keys that such a rule deletes the first is the one it is for. */
	if (rule->kind == RTC_RULE_INVALIDATE && rule->del != NIL)
	{
		rule->key = linitial(rule->del);
		rule->del = list_delete_first(rule->del);
	}

	namestrcpy(&name, row->name);
	values[0] = ObjectIdGetDatum(row->relid);
	values[1] = NameGetDatum(&name);
	values[2] = CStringGetTextDatum(kind_name(rule));
	set_text(&values[3], &nulls[3], rule->key);
	nulls[4] = rule->ttl == NULL || !rtc_ttl_parse(rule->ttl, &ttl_ms, &fault);
	if (!nulls[4])
	{
		Interval   *ttl = palloc0(sizeof(Interval));

		ttl->day = ttl_ms / RTC_MSECS_PER_DAY;
		ttl->time = ttl_ms % RTC_MSECS_PER_DAY * 1000;
		values[4] = IntervalPGetDatum(ttl);
	}
	values[5] = text_array(rule->del);
	values[6] = text_array(rule->tag);
	values[7] = CStringGetTextDatum(enabled_name(row->enabled));
	set_text(&values[8], &nulls[8], rule->columns);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* rtcache_rules() → one row for each rule */
Datum
rtcache_rules(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, rtc_all_rules(false))
		show_rule(rsinfo, lfirst(lc));
	return (Datum) 0;
}

/*
 * rtcache_rule_options() → what 1.1 has added to rtcache_rules, one row for
 * each rule
 */
Datum
rtcache_rule_options(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, rtc_all_rules(false))
	{
		const RtcRuleRow *row = lfirst(lc);
		Datum		values[OPTION_COLUMNS] = {0};
		bool		nulls[OPTION_COLUMNS] = {0};
		NameData	name;

		namestrcpy(&name, row->name);
		values[0] = ObjectIdGetDatum(row->relid);
		values[1] = NameGetDatum(&name);
		values[2] = BoolGetDatum(row->text.warm);
		set_text(&values[3], &nulls[3], row->text.behind);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

int
rtc_weak_rules(StringInfo buf)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, rtc_all_rules(true))
	{
		const RtcRuleRow *rule = lfirst(lc);
		Datum		table;

		if (rule->enabled == TRIGGER_FIRES_ALWAYS)
			continue;
		table = DirectFunctionCall1(regclassout, ObjectIdGetDatum(rule->relid));
		if (n < WEAK_RULES_NAMED)
			appendStringInfo(buf, "%s\"%s\" on %s", n > 0 ? ", " : "",
							 rule->name, DatumGetCString(table));
		else if (n == WEAK_RULES_NAMED)
			appendStringInfoString(buf, ", ...");
		n++;
	}
	return n;
}
