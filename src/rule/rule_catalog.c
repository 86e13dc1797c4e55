/*-------------------------------------------------------------------------
 *
 * rule_catalog.c
 *		Rules as they stand in the catalogs.
 *
 * A rule is a trigger that calls one of our functions.  A clone, which
 * PostgreSQL makes in a partition, is a rule too.
 *
 * Model: called inside a transaction.  Results are in the current memory
 * context.  Raises what reading a catalog raises.
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
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/catalog_rows.h"
#include "op.h"
#include "rule/rule_catalog.h"
#include "rule/rule_names.h"

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
