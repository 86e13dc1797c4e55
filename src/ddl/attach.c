/*-------------------------------------------------------------------------
 *
 * attach.c
 *		cache_attach and cache_detach: rules for those who do not care for
 *		CREATE TRIGGER.
 *
 * cache_attach makes two triggers, rtcache_row and rtcache_truncate, by the
 * commands that a user would give; so all that is checked there is checked
 * (rule_check.c), pg_dump carries the result, and there is no table of ours
 * that could tell another story.  cache_detach drops them again, with which
 * the keys go (event_triggers.c).
 *
 * Model: called through SQL.  Runs the commands as the user who calls, in the
 * transaction of the call.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/pinned_settings.h"
#include "compat.h"
#include "ddl/rule_clash.h"
#include "ddl/rule_clones.h"
#include "rule/behind.h"
#include "rule/rule.h"
#include "rule/rule_catalog.h"

PG_FUNCTION_INFO_V1(cache_attach);
PG_FUNCTION_INFO_V1(cache_detach);

#define ROW_TRIGGER			"rtcache_row"
#define TRUNCATE_TRIGGER	"rtcache_truncate"

/* Adds an argument of a trigger: an option if it has a name. */
static void
add_argument(List **args, const char *name, const char *value)
{
	*args = lappend(*args, name != NULL ? psprintf("%s=%s", name, value)
					: pstrdup(value));
}

/*
 * Makes a trigger, unless a descendant has a rule of its name that says
 * something else.  events: as in the command, with what is behind the table.
 */
static void
make_trigger(Relation rel, const char *name, int16 type, const char *events,
			 const char *level, const char *schema, const char *function,
			 List *args)
{
	Trigger		trigger = {0};
	StringInfoData literals;
	ListCell   *lc;

	trigger.tgname = unconstify(char *, name);
	trigger.tgtype = type;
	trigger.tgfoid = LookupFuncName(list_make2(makeString(pstrdup(schema)),
											   makeString(pstrdup(function))),
									0, NULL, false);
	trigger.tgargs = palloc(Max(list_length(args), 1) * sizeof(char *));
	initStringInfo(&literals);
	foreach(lc, args)
	{
		trigger.tgargs[trigger.tgnargs++] = lfirst(lc);
		appendStringInfo(&literals, "%s%s", literals.len > 0 ? ", " : "",
						 quote_literal_cstr(lfirst(lc)));
	}
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		rtc_merge_rule(&trigger, RelationGetRelationName(rel),
					   RelationGetRelid(rel), false);

	rtc_run_ddl(psprintf("CREATE TRIGGER %s AFTER %s ON %s FOR EACH %s"
						 " EXECUTE FUNCTION %s.%s(%s)",
						 name, events, rtc_sql_name(RelationGetRelid(rel)), level,
						 quote_identifier(schema), function, literals.data));
}

/*
 * The elements of an array of text or name (char *), an argument of the SQL
 * function.  NIL if it is NULL.
 */
static List *
get_elements(FunctionCallInfo fcinfo, int n, const char *parameter)
{
	List	   *elements = NIL;
	ArrayIterator iterator;
	Datum		value;
	bool		isnull;

	if (PG_ARGISNULL(n))
		return NIL;
	iterator = array_create_iterator(PG_GETARG_ARRAYTYPE_P(n), 0, NULL);
	while (array_iterate(iterator, &value, &isnull))
	{
		if (isnull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls",
							parameter)));
		elements = lappend(elements,
						   ARR_ELEMTYPE(PG_GETARG_ARRAYTYPE_P(n)) == NAMEOID ?
						   pstrdup(NameStr(*DatumGetName(value))) :
						   TextDatumGetCString(value));
	}
	return elements;
}

/* Adds an argument for each text. */
static void
add_arguments(List **args, const char *name, List *texts)
{
	ListCell   *lc;

	foreach(lc, texts)
		add_argument(args, name, lfirst(lc));
}

/* Column names as an argument of a rule takes them. */
static char *
column_list(List *names)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? "," : "",
						 quote_identifier(lfirst(lc)));
	return buf.data;
}

/* The text of an interval, which every session reads the same way. */
static char *
interval_text(Datum interval)
{
	int			nestlevel = rtc_pin_settings();
	char	   *text = DatumGetCString(DirectFunctionCall1(interval_out, interval));

	rtc_unpin_settings(nestlevel);
	return text;
}

/*
 * Opens the table that is to be attached or detached, with the lock that the
 * commands need anyway.  Errors: 42P01, 42809 wrong kind, 42501 not the owner.
 */
static Relation
open_table(Oid relid, LOCKMODE lockmode)
{
	Relation	rel;

	/* Before the lock: nobody locks the tables of others. */
	if (get_rel_name(relid) != NULL &&
		!relation_ownercheck_compat(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
	rel = try_relation_open(relid, lockmode);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
				 errdetail("Only ordinary and partitioned tables can be attached to the cache.")));
	return rel;
}

/* Raises an error if rows with these keys cannot be written behind. */
static void
refuse_behind(Relation rel, const char *key, const char *behind)
{
	RtcRuleText text = {.kind = RTC_RULE_WRITE_THROUGH,.key = key,.behind = behind};
	RtcNames	names;
	RtcFault	fault;
	RtcRule    *rule;

	rtc_names_of(RelationGetRelid(rel), &names);
	rule = rtc_rule_bind(&text, RelationGetDescr(rel), &names, &fault);
	if (rule == NULL || !rtc_behind_check(rel, rule->key, &fault))
		rtc_fault_raise(&fault);
}

/*
 * cache_attach(rel regclass, key text, mode text, ttl interval, del text[],
 *				tags text[], columns name[], warm boolean, behind name[])
 */
Datum
cache_attach(PG_FUNCTION_ARGS)
{
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	char	   *key = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *mode;
	char	   *behind = "";
	bool		warm = false;
	bool		stores;
	List	   *del;
	List	   *tags;
	List	   *rowargs = NIL;
	List	   *truncargs = NIL;
	Relation	rel;
	Oid			relid;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null",
						PG_ARGISNULL(0) ? "rel" : "mode")));
	mode = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (strcmp(mode, "set") != 0 && strcmp(mode, "del") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized mode \"%s\"", mode),
				 errhint("The modes are \"set\", to store each new row under its key, and \"del\", to delete the key.")));
	stores = key != NULL && strcmp(mode, "set") == 0;
	/* 1.0 has no such arguments */
	if (PG_NARGS() > 8)
	{
		warm = !PG_ARGISNULL(7) && PG_GETARG_BOOL(7);
		behind = column_list(get_elements(fcinfo, 8, "behind"));
	}
	if (!stores && (!PG_ARGISNULL(3) || !PG_ARGISNULL(6) || warm ||
					behind[0] != '\0'))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is given, but no row is stored",
						!PG_ARGISNULL(3) ? "ttl" :
						!PG_ARGISNULL(6) ? "columns" : warm ? "warm" : "behind"),
				 errhint("Give a key, and mode \"set\".")));

	del = get_elements(fcinfo, 4, "del");
	tags = get_elements(fcinfo, 5, "tags");
	if (key != NULL)
	{
		add_argument(&rowargs, NULL, key);
		add_argument(&truncargs, NULL, key);
	}
	if (stores && !PG_ARGISNULL(3))
		add_argument(&rowargs, "ttl", interval_text(PG_GETARG_DATUM(3)));
	add_arguments(&rowargs, stores ? "del" : NULL, del);
	add_arguments(&truncargs, NULL, del);
	add_arguments(&rowargs, "tag", tags);
	add_arguments(&truncargs, "tag", tags);
	if (truncargs == NIL)
		add_argument(&truncargs, "keys", "none");
	if (stores && !PG_ARGISNULL(6))
		add_argument(&rowargs, "columns",
					 column_list(get_elements(fcinfo, 6, "columns")));
	if (warm)
		add_argument(&rowargs, NULL, "warm");
	if (behind[0] != '\0')
		add_argument(&rowargs, "behind", behind);

	rel = open_table(PG_GETARG_OID(0), ShareRowExclusiveLock);
	relid = RelationGetRelid(rel);
	if (OidIsValid(get_trigger_oid(relid, ROW_TRIGGER, true)) ||
		OidIsValid(get_trigger_oid(relid, TRUNCATE_TRIGGER, true)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table \"%s\" is already attached to the cache",
						RelationGetRelationName(rel)),
				 errhint("Use cache_detach() first to attach it in another way.")));
	/* CREATE TRIGGER refuses other tables whatever the template is */
	if (stores && rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT)
		rtc_check_clash(rel, InvalidOid, key);
	if (behind[0] != '\0')
		refuse_behind(rel, key, behind);

	make_trigger(rel, ROW_TRIGGER,
				 TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE |
				 TRIGGER_TYPE_DELETE,
				 "INSERT OR UPDATE OR DELETE", "ROW", schema,
				 stores ? "rtcache_write_through" : "rtcache_invalidate",
				 rowargs);
	make_trigger(rel, TRUNCATE_TRIGGER, TRIGGER_TYPE_TRUNCATE, "TRUNCATE",
				 "STATEMENT", schema, "rtcache_truncate", truncargs);
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}

/* cache_detach(rel regclass) */
Datum
cache_detach(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {ROW_TRIGGER, TRUNCATE_TRIGGER};
	Oid			relid;
	bool		found = false;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "rel")));
	relid = PG_GETARG_OID(0);

	/* DROP TRIGGER takes this lock */
	relation_close(open_table(relid, AccessExclusiveLock), NoLock);
	for (int i = 0; i < lengthof(names); i++)
	{
		if (!OidIsValid(get_trigger_oid(relid, names[i], true)))
			continue;
		found = true;
		rtc_run_ddl(psprintf("DROP TRIGGER %s ON %s", names[i],
							 rtc_sql_name(relid)));
	}
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" is not attached to the cache",
						get_rel_name(relid)),
				 errdetail("It has no trigger \"%s\" and none \"%s\".",
						   names[0], names[1])));
	PG_RETURN_VOID();
}
