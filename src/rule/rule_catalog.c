/*-------------------------------------------------------------------------
 *
 * rule_catalog.c
 *		Rules as they stand in the catalogs, and the names of their tables.
 *
 * A rule is a trigger that calls one of our functions.  A clone, which
 * PostgreSQL makes in a partition, is a rule too.
 *
 * {.schema} and {.table} are the names of the table that the rule was made on.
 * A row of a partition has the key that the partitioned table gives it, so a
 * clone uses the names of the original's table.  An inheritance child has
 * triggers of its own, which use its own names.  A table loses its name when
 * it is renamed, moved or dropped, or when its schema is renamed.  Keys under
 * the former name must go, so names are also read from catalog rows that this
 * transaction has deleted.
 *
 * Several rooms ask which rules can have written a key: an answer is taken
 * from a rule only if no other rule writes there (rule_answer.c); a value
 * without a companion is shown to those who may read the tables of such rules
 * (companion.c); a lookup marks what it stores under such a key (fetch.c); and
 * two rules that write the same keys are a mistake (rule_clash.c).  pg_trigger
 * has no index for that, so each backend keeps a list until a relation or
 * schema changes.
 *
 * Model: called inside a transaction.  Takes no lock on tables.  Results are
 * in the current memory context, but for the list, which has one of its own
 * and is made anew at the first call after a change; the callbacks only count.
 * Raises what reading a catalog raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/catalog_rows.h"
#include "op.h"
#include "rule/rule_catalog.h"

static MemoryContext keys_context = NULL;	/* holds what follows */
static List *keys_list = NIL;	/* of RtcRuleRow */
static uint64 changes = 1;		/* number of invalidations */
static uint64 keys_changes = 0; /* the same when keys_list was begun */

void
rtc_names_of(Oid relid, RtcNames *names)
{
	names->relid = relid;
	names->table = get_rel_name(relid);
	names->schema = names->table == NULL ? NULL :
		get_namespace_name(get_rel_namespace(relid));
}

/* Adds a pair of names that the list does not have. */
static List *
add_names(List *list, Oid relid, const char *schema, const char *table)
{
	RtcNames   *names;
	ListCell   *lc;

	foreach(lc, list)
	{
		names = lfirst(lc);
		if (strcmp(names->schema, schema) == 0 &&
			strcmp(names->table, table) == 0)
			return list;
	}
	names = palloc(sizeof(RtcNames));
	names->relid = relid;
	names->schema = pstrdup(schema);
	names->table = pstrdup(table);
	return lappend(list, names);
}

/* Adds the names in one version of a row of pg_class. */
/* Adds the names that one version of a table's row in pg_class tells. */
static List *
add_version(List *list, Form_pg_class form)
{
	char	   *schema = get_namespace_name(form->relnamespace);
	ListCell   *lc;

	if (schema != NULL)
		list = add_names(list, form->oid, schema, NameStr(form->relname));
	foreach(lc, rtc_catalog_rows(NamespaceRelationId, NamespaceOidIndexId,
								 Anum_pg_namespace_oid, form->relnamespace,
								 RTC_ROWS_DELETED))
	{
		Form_pg_namespace old = (Form_pg_namespace) GETSTRUCT((HeapTuple) lfirst(lc));

		list = add_names(list, form->oid, NameStr(old->nspname),
						 NameStr(form->relname));
	}
	return list;
}

List *
rtc_names_had(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	List	   *list = NIL;
	ListCell   *lc;

	if (HeapTupleIsValid(tuple))
	{
		list = add_version(list, (Form_pg_class) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}
	foreach(lc, rtc_catalog_rows(RelationRelationId, ClassOidIndexId,
								 Anum_pg_class_oid, relid, RTC_ROWS_DELETED))
		list = add_version(list, (Form_pg_class) GETSTRUCT((HeapTuple) lfirst(lc)));
	return list != NIL ? list : list_make1(palloc0(sizeof(RtcNames)));
}

RtcRuleKind
rtc_rule_kind(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	RtcRuleKind kind = RTC_RULE_NONE;
	Oid			extension;

	if (!HeapTupleIsValid(tuple))
		return RTC_RULE_NONE;
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
	{
		bool		isnull;
		Datum		prosrc = SysCacheGetAttr(PROCOID, tuple,
											 Anum_pg_proc_prosrc, &isnull);
		const char *symbol = isnull ? "" : TextDatumGetCString(prosrc);

		for (int k = RTC_RULE_WRITE_THROUGH; k <= RTC_RULE_TRUNCATE; k++)
		{
			if (strcmp(symbol, rtc_rule_function((RtcRuleKind) k)) == 0)
				kind = (RtcRuleKind) k;
		}
	}
	ReleaseSysCache(tuple);
	if (kind == RTC_RULE_NONE)
		return RTC_RULE_NONE;

	extension = get_extension_oid(RTC_NAME, true);
	return OidIsValid(extension) &&
		getExtensionOfObject(ProcedureRelationId, function) == extension ?
		kind : RTC_RULE_NONE;
}

Trigger *
rtc_next_rule(Relation rel, int *pos, RtcRuleKind *kind)
{
	TriggerDesc *triggers = rel->trigdesc;

	while (triggers != NULL && *pos < triggers->numtriggers)
	{
		Trigger    *trigger = &triggers->triggers[(*pos)++];

		*kind = rtc_rule_kind(trigger->tgfoid);
		if (*kind != RTC_RULE_NONE)
			return trigger;
	}
	return NULL;
}

bool
rtc_rule_sees_rows(const Trigger *trigger)
{
	return trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
		TRIGGER_FOR_AFTER(trigger->tgtype) &&
		TRIGGER_FOR_ROW(trigger->tgtype) &&
		TRIGGER_FOR_INSERT(trigger->tgtype) &&
		TRIGGER_FOR_UPDATE(trigger->tgtype) &&
		TRIGGER_FOR_DELETE(trigger->tgtype) &&
		trigger->tgqual == NULL && trigger->tgnattr == 0;
}

/* The arguments in a row of pg_trigger. */
static char **
get_args(HeapTuple tuple, TupleDesc desc, int *nargs)
{
	int			n = ((Form_pg_trigger) GETSTRUCT(tuple))->tgnargs;
	char	  **args = palloc((n + 1) * sizeof(char *));
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_pg_trigger_tgargs, desc, &isnull);
	bytea	   *bytes;
	const char *p;
	const char *end;

	*nargs = 0;
	if (isnull || n == 0)
		return args;
	bytes = DatumGetByteaPP(value);
	p = VARDATA_ANY(bytes);
	end = p + VARSIZE_ANY_EXHDR(bytes);
	while (*nargs < n && p < end)
	{
		args[*nargs] = pnstrdup(p, end - p);
		p += strlen(args[*nargs]) + 1;
		(*nargs)++;
	}
	return args;
}

/* Reads a row of pg_trigger. */
static RtcRuleRow *
read_row(HeapTuple tuple, TupleDesc desc, RtcRuleKind kind)
{
	Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
	RtcRuleRow *row = palloc0(sizeof(RtcRuleRow));
	StringInfoData all;
	RtcFault	fault;
	int			nargs = 0;
	char	  **args = NULL;

	row->tgoid = form->oid;
	row->relid = form->tgrelid;
	row->name = pstrdup(NameStr(form->tgname));
	row->enabled = form->tgenabled;
	if (kind == RTC_RULE_NONE)
		return row;

	args = get_args(tuple, desc, &nargs);
	initStringInfo(&all);
	for (int i = 0; i < nargs; i++)
		appendStringInfo(&all, "%s\n", args[i]);
	row->args = all.data;
	(void) rtc_rule_read(kind, nargs, args, &row->text, &fault);
	return row;
}

/* In the order of OIDs, so that messages name rules in a fixed order. */
List *
rtc_all_rules(bool clones)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, TriggerOidIndexId, true,
										  NULL, 0, NULL);
	HeapTuple	tuple;
	List	   *rows = NIL;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
		RtcRuleKind kind;

		if (!clones && OidIsValid(form->tgparentid))
			continue;
		kind = rtc_rule_kind(form->tgfoid);
		if (kind != RTC_RULE_NONE)
			rows = lappend(rows, read_row(tuple, RelationGetDescr(catalog),
										  kind));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return rows;
}

/* The rows of pg_trigger with this OID. */
static List *
trigger_rows(Oid tgoid, RtcRowVersions versions)
{
	return rtc_catalog_rows(TriggerRelationId, TriggerOidIndexId,
							Anum_pg_trigger_oid, tgoid, versions);
}

List *
rtc_deleted_triggers(Oid tgoid)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	List	   *rows = NIL;
	ListCell   *lc;

	foreach(lc, trigger_rows(tgoid, RTC_ROWS_DELETED))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT((HeapTuple) lfirst(lc));

		rows = lappend(rows, read_row(lfirst(lc), RelationGetDescr(catalog),
									  rtc_rule_kind(form->tgfoid)));
	}
	table_close(catalog, AccessShareLock);
	return rows;
}

Oid
rtc_trigger_table(Oid tgoid)
{
	List	   *rows = trigger_rows(tgoid, RTC_ROWS_NOW);

	return rows == NIL ? InvalidOid :
		((Form_pg_trigger) GETSTRUCT((HeapTuple) linitial(rows)))->tgrelid;
}

Oid
rtc_rule_table(Oid tgoid)
{
	Oid			relid = InvalidOid;

	while (OidIsValid(tgoid))
	{
		List	   *rows = trigger_rows(tgoid, RTC_ROWS_NOW);
		Form_pg_trigger form;

		/* all versions of a trigger have the same parent */
		if (rows == NIL)
			rows = trigger_rows(tgoid, RTC_ROWS_DELETED);
		if (rows == NIL)
			break;
		form = (Form_pg_trigger) GETSTRUCT((HeapTuple) linitial(rows));
		relid = form->tgrelid;
		tgoid = form->tgparentid;
	}
	return relid;
}

RtcRule *
rtc_rule_parse(Relation rel, const Trigger *trigger, RtcRuleKind kind,
			   RtcRuleText *text, RtcNames *names, RtcFault *fault)
{
	memset(names, 0, sizeof(*names));
	if (!rtc_rule_read(kind, trigger->tgnargs, trigger->tgargs, text, fault))
		return NULL;
	if (rtc_rule_uses_names(text))
		rtc_names_of(trigger->tgisclone ? rtc_rule_table(trigger->tgoid) :
					 RelationGetRelid(rel), names);
	return rtc_rule_bind(text, RelationGetDescr(rel), names, fault);
}

static void
relation_changed(Datum arg, Oid relid)
{
	changes++;
}

static void
schema_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
}

List *
rtc_rule_keys(void)
{
	MemoryContext oldcontext;
	uint64		now;
	ListCell   *lc;

	if (keys_context == NULL)
	{
		keys_context = AllocSetContextCreate(TopMemoryContext,
											 "rtcache rule keys",
											 ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
	}
	if (keys_changes == changes)
		return keys_list;

	keys_list = NIL;
	MemoryContextReset(keys_context);
	oldcontext = MemoryContextSwitchTo(keys_context);

	/* a change that arrives during the scan makes the list stale at once */
	now = changes;
	foreach(lc, rtc_all_rules(false))
	{
		RtcRuleRow *rule = lfirst(lc);
		RtcNames	names;

		if (rule->text.key == NULL)
			continue;
		rtc_names_of(rule->relid, &names);
		rule->shape = rtc_shape_make(rule->text.key, &names, rule->relid);
		keys_list = lappend(keys_list, rule);
	}
	MemoryContextSwitchTo(oldcontext);
	keys_changes = now;
	return keys_list;
}

List *
rtc_rules_that_make(const char *key, size_t len)
{
	List	   *makers = NIL;
	ListCell   *lc;

	foreach(lc, rtc_rule_keys())
	{
		RtcRuleRow *rule = lfirst(lc);

		if (rtc_shape_matches(rule->shape, key, len))
			makers = lappend(makers, rule);
	}
	return makers;
}
