/*-------------------------------------------------------------------------
 *
 * warm_rows.c
 *		From the rows in some blocks of a table to keys, and to values.
 *
 * A rule is given the columns that it uses, and NULL for the others.  What it makes
 * of them is what its trigger would have made of the row (trigger.c).
 *
 * Model: as warm.c.  Rows are read by SPI; what is made of them is in its memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/bitmapset.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/inject.h"
#include "base/key.h"
#include "base/pinned_settings.h"
#include "guc.h"
#include "refresh/warm_rows.h"
#include "refresh/warm_tables.h"
#include "rule/ttl.h"
#include "stats.h"

/* Values are made up to so many bytes; what is left is tried again. */
#define MAX_BYTES		(64 * 1024 * 1024)

/* A key of the batch, found by the first thing in it. */
typedef struct WarmItem
{
	RtcDep		hash;			/* of the key */
	int			n;				/* place in the list of keys */
} WarmItem;

/* A set of columns as an array. */
static AttrNumber *
column_array(Bitmapset *set, int *n)
{
	AttrNumber *columns = palloc((bms_num_members(set) + 1) * sizeof(AttrNumber));

	*n = 0;
	for (int i = -1; (i = bms_next_member(set, i)) >= 0;)
		columns[(*n)++] = i;
	return columns;
}

bool
rtc_warm_rules(RtcWarmBatch *b)
{
	int			natts = RelationGetDescr(b->rel)->natts;
	Bitmapset  *keycols = NULL;
	Bitmapset  *allcols;
	List	   *valuecols = NIL;
	const Trigger *trigger;
	RtcRuleKind kind;
	ListCell   *lc;

	for (int pos = 0; (trigger = rtc_next_rule(b->rel, &pos, &kind)) != NULL;)
	{
		RtcRuleText text;
		RtcNames	names;
		RtcFault	fault = {0};
		RtcRule    *rule;

		if (!rtc_can_warm(trigger, kind))
			continue;
		rule = rtc_rule_parse(b->rel, trigger, kind, &text, &names, &fault);
		if (rule == NULL)
			continue;
		b->rules = lappend(b->rules, rule);
		b->needs_pin |= rule->needs_pin;
		for (int i = 1; i <= natts; i++)
		{
			if (rtc_template_uses(rule->key, i))
				keycols = bms_add_member(keycols, i);
		}
		valuecols = rtc_row_json_columns(rule->row, valuecols);
	}
	allcols = bms_copy(keycols);
	foreach(lc, valuecols)
		allcols = bms_add_member(allcols, lfirst_int(lc));
	b->keycols = column_array(keycols, &b->nkeycols);
	b->allcols = column_array(allcols, &b->nallcols);
	b->values = palloc0(natts * sizeof(Datum));
	b->nulls = palloc(natts * sizeof(bool));
	memset(b->nulls, true, natts * sizeof(bool));
	return b->rules != NIL;
}

/* ---------------- rows ---------------- */

/* Prepares a query for some columns of the rows between two places. */
static SPIPlanPtr
prepare_query(const RtcWarm *warm, const RtcWarmBatch *b, const AttrNumber *columns,
			  int ncolumns)
{
	const char *table = quote_identifier(RelationGetRelationName(b->rel));
	Oid			types[] = {TIDOID, TIDOID};
	StringInfoData sql;
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(b->rel),
											  columns[i] - 1);

		appendStringInfo(&sql, "%s%s.%s", i > 0 ? ", " : "", table,
						 quote_identifier(NameStr(att->attname)));
	}
	appendStringInfo(&sql,
					 " FROM ONLY %s.%s"
					 " WHERE %s.ctid OPERATOR(pg_catalog.>=) $1"
					 " AND %s.ctid OPERATOR(pg_catalog.<) $2",
					 quote_identifier(get_namespace_name(RelationGetNamespace(b->rel))),
					 table, table, table);
	/* a comment in it ends with the line */
	if (warm->where != NULL)
		appendStringInfo(&sql, " AND (%s\n)", warm->where);
	plan = SPI_prepare(sql.data, lengthof(types), types);
	if (plan == NULL)
		elog(ERROR, "could not prepare the query of a warm-up: %s",
			 SPI_result_code_string(SPI_result));
	return plan;
}

/*
 * Runs the query for blocks [next, next + step) with a fresh snapshot, to its end, or
 * until there are limit rows; 0 = no limit.
 */
static void
run_query(const RtcWarm *warm, SPIPlanPtr plan, long limit)
{
	ItemPointerData from;
	ItemPointerData to;
	Datum		args[2];
	int			result;

	ItemPointerSet(&from, warm->next, 0);
	ItemPointerSet(&to, warm->next + warm->step, 0);
	args[0] = PointerGetDatum(&from);
	args[1] = PointerGetDatum(&to);
	result = SPI_execute_plan(plan, args, NULL, true, limit);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not run the query of a warm-up: %s",
			 SPI_result_code_string(result));
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot warm the cache in a transaction that has written"),
				 errdetail("The condition, or a policy of the table, has written.")));
}

/* The key of the row at hand by a rule; false = it has none. */
static bool
make_key(const RtcWarmBatch *b, const RtcRule *rule, StringInfo key)
{
	TupleDesc	desc = RelationGetDescr(b->rel);
	HeapTuple	tuple = heap_form_tuple(desc, b->values, b->nulls);
	bool		made;

	resetStringInfo(key);
	made = rtc_template_render(rule->key, tuple, desc, key) &&
		rtc_key_is_valid(key->data, key->len);
	heap_freetuple(tuple);
	return made;
}

/*
 * Does something with each row of the result, by each rule.
 */
static void
go_through(RtcWarmBatch *b, const AttrNumber *columns, int ncolumns,
		   void (*add) (RtcWarmBatch *b, const RtcRule *rule, StringInfo key,
						StringInfo text))
{
	int			nestlevel = b->needs_pin ? rtc_pin_settings() : -1;
	StringInfoData key;
	StringInfoData text;

	initStringInfo(&key);
	initStringInfo(&text);
	for (uint64 n = 0; n < SPI_processed; n++)
	{
		MemoryContext old = MemoryContextSwitchTo(b->row);
		ListCell   *lc;

		for (int i = 0; i < ncolumns; i++)
			b->values[columns[i] - 1] =
				SPI_getbinval(SPI_tuptable->vals[n], SPI_tuptable->tupdesc,
							  i + 1, &b->nulls[columns[i] - 1]);
		foreach(lc, b->rules)
		{
			if (make_key(b, lfirst(lc), &key))
				add(b, lfirst(lc), &key, &text);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(b->row);
	}
	rtc_unpin_settings(nestlevel);
}

/* Adds a key to the batch, with its stamp, unless a writer is at work on it. */
static void
add_key(RtcWarmBatch *b, const RtcRule *rule, StringInfo key, StringInfo text)
{
	RtcDep		hash = rtc_dep_key(key->data, key->len);
	RtcStampRead read;
	RtcManyKey *k;
	char	   *name;
	size_t		prefixlen = strlen(b->prefix);
	WarmItem   *item;
	bool		found;

	read.n = 0;
	rtc_stamp_read_add(&read, rtc_stamp_bucket(hash));
	if (!rtc_stamp_read_take(&read))
	{
		b->left++;
		return;
	}
	item = hash_search(b->items, &hash, HASH_ENTER, &found);
	if (found)
		return;					/* rows with one key, which nobody should have */
	if (b->many.n == b->max)
	{
		b->max *= 2;
		b->many.key = repalloc_huge(b->many.key, mul_size(b->max, sizeof(RtcManyKey)));
		b->stamp = repalloc_huge(b->stamp, mul_size(b->max, sizeof(RtcWarmStamp)));
	}
	item->n = b->many.n++;
	b->stamp[item->n].bucket = read.bucket[0];
	b->stamp[item->n].version = read.version[0];
	b->lsn = Max(b->lsn, rtc_stamp_read_lsn(&read));
	b->commit_lsn = Max(b->commit_lsn, rtc_stamp_read_commit(&read));

	name = MemoryContextAlloc(b->context, prefixlen + key->len + 1);
	memcpy(name, b->prefix, prefixlen);
	memcpy(name + prefixlen, key->data, key->len + 1);
	k = &b->many.key[item->n];
	memset(k, 0, sizeof(*k));
	k->key = name;
	k->keylen = prefixlen + key->len;
}

/* The place of a key in the list; -1 = it is not in there. */
static int
find_key(const RtcWarmBatch *b, const StringInfoData *key)
{
	RtcDep		hash = rtc_dep_key(key->data, key->len);
	WarmItem   *item = hash_search(b->items, &hash, HASH_FIND, NULL);
	size_t		prefixlen = strlen(b->prefix);
	const RtcManyKey *k;

	if (item == NULL)
		return -1;
	k = &b->many.key[item->n];
	return k->keylen == prefixlen + key->len &&
		memcmp(k->key + prefixlen, key->data, key->len) == 0 ? item->n : -1;
}

void
rtc_warm_keys(RtcWarm *warm, RtcWarmBatch *b)
{
	HASHCTL		ctl = {0};
	SPIPlanPtr	plan = prepare_query(warm, b, b->keycols, b->nkeycols);
	long		limit = 4 * (long) warm->batch;

	PushActiveSnapshot(GetTransactionSnapshot());
	for (;;)
	{
		run_query(warm, plan, warm->step > 1 ? limit : 0);
		b->nrows = SPI_processed;
		if (warm->step == 1 || b->nrows < limit)
			break;
		SPI_freetuptable(SPI_tuptable);
		warm->step = Max(warm->step / 4, 1);
	}

	ctl.keysize = sizeof(RtcDep);
	ctl.entrysize = sizeof(WarmItem);
	ctl.hcxt = CurrentMemoryContext;
	b->items = hash_create("rtcache keys to warm", 1024, &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	b->max = 1024;
	b->many.key = palloc(b->max * sizeof(RtcManyKey));
	b->stamp = palloc(b->max * sizeof(RtcWarmStamp));
	go_through(b, b->keycols, b->nkeycols, add_key);
	PopActiveSnapshot();
	SPI_freetuptable(SPI_tuptable);
}

/* Makes the value of the row at hand by a rule, if its key waits for one. */
static void
add_value(RtcWarmBatch *b, const RtcRule *rule, StringInfo key, StringInfo text)
{
	RtcManyKey *k;
	char	   *value;
	int			n;

	n = find_key(b, key);
	if (n < 0)
		return;
	k = &b->many.key[n];
	if (k->state != RTC_MANY_LEASED || k->value != NULL)
		return;
	if (b->bytes >= MAX_BYTES)
	{
		b->left++;
		return;
	}
	resetStringInfo(text);
	if (!rtc_row_json_append_values(rule->row, b->values, b->nulls, text,
									RtcMaxValueBytes()))
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		return;
	}
	value = MemoryContextAlloc(b->context, text->len);
	memcpy(value, text->data, text->len);
	k->value = value;
	k->vallen = text->len;
	k->ttl_ms = rtc_ttl_jittered(rule->ttl_ms >= 0 ? rule->ttl_ms :
								 rtc_default_ttl_ms());
	b->bytes += text->len;
}

void
rtc_warm_values(RtcWarm *warm, RtcWarmBatch *b)
{
	SPIPlanPtr	plan = prepare_query(warm, b, b->allcols, b->nallcols);

	PushActiveSnapshot(GetTransactionSnapshot());
	RTC_INJECT("warm_snapshot");
	run_query(warm, plan, 0);
	go_through(b, b->allcols, b->nallcols, add_value);
	PopActiveSnapshot();
}
