/*-------------------------------------------------------------------------
 *
 * inbox_row.c
 *		What entries say about rows, joined, and written.
 *
 * Entries about one row become one write: of a column counts the last value that
 * was set, and what was added to it afterwards; without such a value, the sum of
 * what was added.  Sums are made with the "+" of the column's type, after each
 * increment was read as a value of that type.  To add to NULL gives what is added.
 *
 * A row is written by UPDATE.  If there is none, a value that was set makes one,
 * by INSERT ... ON CONFLICT DO UPDATE; that cannot come first, since an INSERT
 * without a value for some NOT NULL column fails before it finds the row.  What is
 * added to a row that is not there is an error.  Where a trigger or a rule may keep
 * a row as it is, an UPDATE of no row does not tell whether there is one.  So the row
 * is looked for, and locked, before: to look afterwards would find a row that has
 * come in between, and lose the entry.
 *
 * All that runs code of users (input functions of domains, triggers) runs as the
 * owner of the table, in a security-restricted operation, and whatever such code
 * has set is undone behind it: it would count for the tables of others.
 *
 * A row is told by its rule and its key.  Where several rules let the same rows be
 * written, entries are written before the next one belongs to another such rule.
 *
 * Model: called by the worker inside a subtransaction.  Memory is the caller's.
 * An error leaves user and settings to the end of the subtransaction.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/pinned_settings.h"
#include "compat.h"
#include "inbox/inbox_row.h"
#include "inbox/inbox_sql.h"
#include "inbox/inbox_target.h"
#include "rule/behind.h"

/* Rows are written when their values take so many bytes. */
#define MAX_MEMORY	(64 * 1024 * 1024)

/* What is to be done to a column. */
typedef struct Change
{
	bool		used;
	bool		set;			/* the value is the new one; else it is added */
	bool		isnull;
	Datum		value;
} Change;

/* A row is known by its rule and its key. */
typedef struct RowKey
{
	Oid			tgoid;
	int			len;
	const char *key;
} RowKey;

typedef struct Row
{
	RowKey		id;				/* key of the table */
	RtcInboxTarget *target;
	RtcBehindRow where;			/* its primary key */
	bool		must_exist;		/* the first entry adds */
	bool		changed;		/* an entry has changed it */
	Change	   *change;			/* of each column that may be written */
	struct Row *next;			/* in the order of their first entries */
} Row;

static uint32
hash_row(const void *key, Size size)
{
	const RowKey *id = key;

	return hash_bytes((const unsigned char *) id->key, id->len) ^ id->tgoid;
}

static int
match_row(const void *a, const void *b, Size size)
{
	const RowKey *x = a;
	const RowKey *y = b;

	return x->tgoid == y->tgoid && x->len == y->len &&
		memcmp(x->key, y->key, x->len) == 0 ? 0 : 1;
}

/* ---------------- values ---------------- */

/*
 * Reads what the server reads as jsonb_populate_record() does: a value that is no
 * scalar, of a column that is no JSON.
 */
static Datum
read_composite(const RtcInboxTarget *target, const RtcInboxColumn *column,
			   const JsonbValue *value, bool *isnull)
{
	JsonbBuilder b = {0};
	JsonbValue	name;
	JsonbValue	copy = *value;
	Datum		json;
	Datum		result = (Datum) 0;
	Oid			type = JSONBOID;

	name.type = jbvString;
	name.val.string.val = unconstify(char *, column->name);
	name.val.string.len = strlen(column->name);
	jsonb_push_compat(&b, WJB_BEGIN_OBJECT, NULL);
	jsonb_push_compat(&b, WJB_KEY, &name);
	jsonb_push_compat(&b, WJB_VALUE, &copy);
	jsonb_push_compat(&b, WJB_END_OBJECT, NULL);
	json = JsonbPGetDatum(JsonbValueToJsonb(b.result));
	(void) rtc_inbox_sql_row(psprintf("SELECT (pg_catalog.jsonb_populate_record(NULL::%s, $1)).%s",
									  target->from, quote_identifier(column->name)),
							 1, &type, &json, NULL, 1, &result, isnull);
	return result;
}

/* Reads a value of a column. */
static Datum
read_value(RtcInboxTarget *target, RtcInboxColumn *column,
		   JsonbValue *value, bool *isnull)
{
	Form_pg_attribute att = TupleDescAttr(target->desc, column->attnum - 1);
	char	   *text = NULL;
	Datum		result;
	Oid			input;

	if (!OidIsValid(column->input.fn_oid))
	{
		getTypeInputInfo(att->atttypid, &input, &column->ioparam);
		fmgr_info_cxt(input, &column->input,
					  GetMemoryChunkContext(target));
	}
	*isnull = value->type == jbvNull;
	if (value->type == jbvNull)
		text = NULL;
	else if (column->base == JSONOID || column->base == JSONBOID)
	{
		Jsonb	   *json = JsonbValueToJsonb(value);

		text = JsonbToCString(NULL, &json->root, VARSIZE(json));
		pfree(json);
	}
	else if (value->type == jbvString)
		text = pnstrdup(value->val.string.val, value->val.string.len);
	else if (value->type == jbvNumeric)
		text = DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvBool)
		text = value->val.boolean ? "true" : "false";
	else
		return read_composite(target, column, value, isnull);
	result = InputFunctionCall(&column->input, text, column->ioparam,
							   att->atttypmod);
	/* of 1e131071 it is long */
	if (text != NULL && value->type != jbvBool)
		pfree(text);
	return result;
}

/* Adds two values of a column.  Errors: 42883, 42804. */
static Datum
plus(RtcInboxTarget *target, RtcInboxColumn *column, Datum a, Datum b)
{
	if (!OidIsValid(column->plus.fn_oid))
	{
		Oid			op = OpernameGetOprid(list_make2(makeString(pstrdup("pg_catalog")),
													 makeString(pstrdup("+"))),
										  column->base, column->base);
		HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
		Oid			function = InvalidOid;

		if (HeapTupleIsValid(tuple))
		{
			Form_pg_operator form = (Form_pg_operator) GETSTRUCT(tuple);

			if (form->oprresult == column->base)
				function = form->oprcode;
			ReleaseSysCache(tuple);
		}
		if (!OidIsValid(function))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("nothing can be added to column \"%s\", which is of type %s",
							column->name, format_type_be(column->base))));
		fmgr_info_cxt(function, &column->plus,
					  GetMemoryChunkContext(target));
	}
	return FunctionCall2(&column->plus, a, b);
}

/* ---------------- joining ---------------- */

/* Lets an entry change a column of a row. */
static void
change_column(Row *row, RtcInboxColumn *column, bool add, JsonbValue *json)
{
	Change	   *change = &row->change[column - row->target->column];
	bool		isnull;
	Datum		value = read_value(row->target, column, json, &isnull);

	if (add && isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("null cannot be added to column \"%s\"", column->name)));
	if (add && !change->used)
	{
		/* is there a "+"? */
		(void) plus(row->target, column, value, value);
		change->value = value;
		change->isnull = false;
	}
	else if (add)
	{
		change->value = change->isnull ? value :
			plus(row->target, column, change->value, value);
		change->isnull = false;
	}
	else
	{
		change->set = true;
		change->value = value;
		change->isnull = isnull;
	}
	change->used = true;
}

/* Lets an entry change a row. */
static void
change_row(Row *row, const RtcInboxEntry *entry)
{
	JsonbIterator *it = JsonbIteratorInit(&entry->values->root);
	JsonbValue	v;
	JsonbIteratorToken token;

	(void) JsonbIteratorNext(&it, &v, true);	/* the object begins */
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_END_OBJECT)
	{
		RtcInboxColumn *column = rtc_inbox_column(row->target,
												  v.val.string.val,
												  v.val.string.len);

		(void) JsonbIteratorNext(&it, &v, true);
		change_column(row, column, entry->add, &v);
	}
}

/*
 * Finds the rows of entries.  *row: that of each entry.  The first row, in the order
 * of entries, is returned.  *n may get less, but not 0: what is left has to be
 * written before the next one.
 */
static Row *
find_rows(const RtcInboxEntry *entries, int *n, Row **row)
{
	HASHCTL		ctl = {.keysize = sizeof(RowKey),.entrysize = sizeof(Row),
	.hash = hash_row,.match = match_row,.hcxt = CurrentMemoryContext};
	HTAB	   *rows = hash_create("rtcache inbox rows", 256, &ctl,
								   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
								   HASH_CONTEXT);
	Row		   *first = NULL;
	Row		  **end = &first;
	RtcInboxTarget *sharer = NULL;
	int			nestlevel;

	/* keys are spelled the same in all sessions, values as usual */
	nestlevel = rtc_pin_query_settings(true);
	for (int i = 0; i < *n; i++)
	{
		const RtcInboxEntry *entry = &entries[i];
		RtcInboxTarget *target = rtc_inbox_target(entry->key, entry->keylen,
												  RowExclusiveLock);
		RowKey		id = {target->tgoid, entry->keylen, entry->key};
		RtcInboxGuard guard;
		bool		found;

		if (target->shares && sharer != NULL && sharer != target)
		{
			*n = i;
			break;
		}
		if (target->shares)
			sharer = target;

		row[i] = hash_search(rows, &id, HASH_ENTER, &found);
		if (found)
			continue;
		row[i]->target = target;
		row[i]->must_exist = entry->add;
		row[i]->changed = false;
		row[i]->change = palloc0(target->ncolumns * sizeof(Change));
		row[i]->next = NULL;
		guard = rtc_inbox_become(target->owner);
		rtc_inbox_find_row(target, entry->key, entry->keylen, &row[i]->where);
		rtc_inbox_come_back(&guard);
		*end = row[i];
		end = &row[i]->next;
	}
	rtc_unpin_settings(nestlevel);
	return first;
}

/* ---------------- writing ---------------- */

/* The arguments of a statement. */
typedef struct Args
{
	int			n;
	Oid			type[RTC_INBOX_MAX_ARGS];
	Datum		value[RTC_INBOX_MAX_ARGS];
	bool		isnull[RTC_INBOX_MAX_ARGS];
} Args;

static void
add_arg(Args *args, Oid type, Datum value, bool isnull)
{
	if (args->n >= RTC_INBOX_MAX_ARGS)
		elog(ERROR, "too many arguments");
	args->type[args->n] = type;
	args->value[args->n] = value;
	args->isnull[args->n++] = isnull;
}

/* The primary key as arguments; the same for all statements about a row. */
static void
add_primary_key(Args *args, const Row *row)
{
	for (int i = 0; i < row->where.nkeys; i++)
		add_arg(args, getBaseType(TupleDescAttr(row->target->desc,
												row->where.attnum[i] - 1)->atttypid),
				row->where.value[i], false);
}

static const char *
column_name(const Row *row, AttrNumber attnum)
{
	return quote_identifier(NameStr(TupleDescAttr(row->target->desc,
												  attnum - 1)->attname));
}

static void
append_where(StringInfo sql, const Row *row)
{
	for (int i = 0; i < row->where.nkeys; i++)
		appendStringInfo(sql, "%s %s = $%d", i == 0 ? " WHERE" : " AND",
						 column_name(row, row->where.attnum[i]), i + 1);
}

/* UPDATE; returns whether there was a row. */
static bool
update(const Row *row, Args *args)
{
	StringInfoData sql;
	bool		first = true;

	args->n = 0;
	add_primary_key(args, row);
	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s SET ", row->target->sql_name);
	for (int i = 0; i < row->target->ncolumns; i++)
	{
		const RtcInboxColumn *column = &row->target->column[i];
		const Change *change = &row->change[i];
		const char *name = quote_identifier(column->name);

		if (!change->used)
			continue;
		add_arg(args, column->base, change->value, change->isnull);
		if (!first)
			appendStringInfoString(&sql, ", ");
		first = false;
		if (change->set)
			appendStringInfo(&sql, "%s = $%d", name, args->n);
		else
			appendStringInfo(&sql, "%s = COALESCE(%s OPERATOR(pg_catalog.+) $%d, $%d)",
							 name, name, args->n, args->n);
	}
	append_where(&sql, row);
	return rtc_inbox_sql_run(sql.data, args->n, args->type, args->value,
							 args->isnull) > 0;
}

/*
 * INSERT of what is set; if the row has come meanwhile, UPDATE of that.  The table
 * that has rewrite rules cannot have ON CONFLICT.
 */
static void
insert(const Row *row, Args *args)
{
	StringInfoData names;
	StringInfoData values;
	StringInfoData key;
	StringInfoData sets;

	args->n = 0;
	add_primary_key(args, row);
	initStringInfo(&names);
	initStringInfo(&values);
	initStringInfo(&key);
	initStringInfo(&sets);
	for (int i = 0; i < row->where.nkeys; i++)
	{
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 column_name(row, row->where.attnum[i]));
		appendStringInfo(&values, "%s$%d", i > 0 ? ", " : "", i + 1);
	}
	appendStringInfoString(&key, names.data);
	for (int i = 0; i < row->target->ncolumns; i++)
	{
		const RtcInboxColumn *column = &row->target->column[i];
		const Change *change = &row->change[i];
		const char *name = quote_identifier(column->name);

		if (!change->used || !change->set)
			continue;
		add_arg(args, column->base, change->value, change->isnull);
		appendStringInfo(&names, ", %s", name);
		appendStringInfo(&values, ", $%d", args->n);
		appendStringInfo(&sets, "%s%s = EXCLUDED.%s", sets.len > 0 ? ", " : "",
						 name, name);
	}
	(void) rtc_inbox_sql_run(row->target->rewritten ?
							 psprintf("INSERT INTO %s (%s) VALUES (%s)",
									  row->target->from, names.data, values.data) :
							 psprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO UPDATE SET %s",
									  row->target->from, names.data, values.data,
									  key.data, sets.data),
							 args->n, args->type, args->value, args->isnull);
}

/* Is the row there?  It is locked then. */
static bool
lock(const Row *row, Args *args)
{
	StringInfoData sql;
	Datum		one;
	bool		isnull;

	args->n = 0;
	add_primary_key(args, row);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT 1 FROM %s", row->target->sql_name);
	append_where(&sql, row);
	appendStringInfoString(&sql, " FOR NO KEY UPDATE");
	return rtc_inbox_sql_row(sql.data, args->n, args->type, args->value,
							 args->isnull, 1, &one, &isnull);
}

static void
write_row(const Row *row)
{
	static Args args;
	bool		adds = false;

	if (row->target->may_keep)
	{
		if (lock(row, &args))
		{
			(void) update(row, &args);
			return;
		}
	}
	else if (update(row, &args))
		return;
	if (row->must_exist)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("table \"%s\" has no row to add to", row->target->table)));
	insert(row, &args);
	for (int i = 0; i < row->target->ncolumns; i++)
		adds |= row->change[i].used && !row->change[i].set;
	if (adds)
		(void) update(row, &args);
}

/*
 * Writes some of the entries, from the first one on; returns how many.  A short
 * entry may have large values, such as 1e131071 as a text: then it is some.
 */
static int
write_some(const RtcInboxEntry *entries, int n)
{
	Row		  **row = palloc(n * sizeof(Row *));
	Row		   *first = find_rows(entries, &n, row);
	RtcInboxGuard guard;

	for (int i = 0; i < n; i++)
	{
		guard = rtc_inbox_become(row[i]->target->owner);
		change_row(row[i], &entries[i]);
		rtc_inbox_come_back(&guard);
		row[i]->changed = true;
		if (MemoryContextMemAllocated(CurrentMemoryContext, true) > MAX_MEMORY)
			n = i + 1;
	}
	for (const Row *r = first; r != NULL && r->changed; r = r->next)
	{
		guard = rtc_inbox_become(r->target->owner);
		write_row(r);
		rtc_inbox_come_back(&guard);
	}
	return n;
}

void
rtc_inbox_write_rows(RtcInboxEntry *entries, int n)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext some = AllocSetContextCreate(outer, "rtcache inbox rows",
											   ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < n; i++)
		rtc_inbox_entry_read(&entries[i]);
	for (int done = 0; done < n;)
	{
		MemoryContextSwitchTo(some);
		done += write_some(entries + done, n - done);
		MemoryContextReset(some);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(some);
}
