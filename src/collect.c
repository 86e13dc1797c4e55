/*-------------------------------------------------------------------------
 *
 * collect.c
 *		The rows of a query as jsonb.
 *
 * A row becomes an object, as row_to_json() makes it.  If all there is to a row
 * is one column of type json or jsonb, it is taken as it is: the query has made
 * the shape it wants.
 *
 * MODEL: a DestReceiver that lives as long as one execution, in the memory
 * context it was made in.  Rows are converted in a context that is reset after
 * each, because to_jsonb() leaves a lot behind.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "collect.h"
#include "compat.h"

typedef struct Collector
{
	DestReceiver pub;			/* must be first */
	bool		one_row;
	MemoryContext context;		/* holds what is collected */
	MemoryContext row_context;	/* reset after each row */
	TupleDesc	desc;			/* of the rows, with the names of the query */
	Oid			as_is;			/* JSONOID, JSONBOID: single column of it */
	FmgrInfo	to_jsonb;		/* as called with a record */
	Jsonb	   *row;			/* one_row: the row */
	JsonbBuilder rows;			/* else: all rows */
} Collector;

/* DestReceiver: the shape of the rows is known. */
static void
collector_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	Collector  *collector = (Collector *) self;
	MemoryContext oldcontext = MemoryContextSwitchTo(collector->context);

	collector->as_is = InvalidOid;
	if (desc->natts == 1)
	{
		Oid			typid = getBaseType(TupleDescAttr(desc, 0)->atttypid);

		if (typid == JSONOID || typid == JSONBOID)
			collector->as_is = typid;
	}

	if (!OidIsValid(collector->as_is))
	{
		collector->desc = BlessTupleDesc(desc);

		/* to_jsonb(anyelement) learns the type from its call expression. */
		fmgr_info(F_TO_JSONB, &collector->to_jsonb);
		fmgr_info_set_expr((Node *)
						   makeFuncExpr(F_TO_JSONB, JSONBOID,
										list_make1(makeNullConst(RECORDOID, -1,
																 InvalidOid)),
										InvalidOid, InvalidOid,
										COERCE_EXPLICIT_CALL),
						   &collector->to_jsonb);
	}

	if (!collector->one_row)
		jsonb_push_compat(&collector->rows, WJB_BEGIN_ARRAY, NULL);
	MemoryContextSwitchTo(oldcontext);
}

/* A single json or jsonb value; a NULL is a JSON null. */
static Jsonb *
value_to_jsonb(Collector *collector, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (isnull)
	{
		JsonbValue	null;

		null.type = jbvNull;
		return JsonbValueToJsonb(&null);
	}
	if (collector->as_is == JSONBOID)
		return DatumGetJsonbP(value);
	value = CStringGetDatum(TextDatumGetCString(value));
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, value));
}

/*
 * A row as an object.  The slot's own descriptor may be the table's, without
 * the names that the query gives to columns.
 */
static Jsonb *
row_to_jsonb(Collector *collector, TupleTableSlot *slot)
{
	HeapTuple	tuple;

	slot_getallattrs(slot);
	tuple = heap_form_tuple(collector->desc, slot->tts_values,
							slot->tts_isnull);
	return DatumGetJsonbP(FunctionCall1(&collector->to_jsonb,
										HeapTupleGetDatum(tuple)));
}

/* Copies a jsonb into a memory context. */
static Jsonb *
copy_jsonb(MemoryContext context, const Jsonb *jb)
{
	Jsonb	   *copy = MemoryContextAlloc(context, VARSIZE(jb));

	memcpy(copy, jb, VARSIZE(jb));
	return copy;
}

/* DestReceiver: a row. */
static bool
collector_receive(TupleTableSlot *slot, DestReceiver *self)
{
	Collector  *collector = (Collector *) self;
	MemoryContext oldcontext;
	Jsonb	   *row;

	if (collector->one_row && collector->row != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("query returned more than one row"),
				 errhint("Use cache_list for a query that returns several rows.")));

	oldcontext = MemoryContextSwitchTo(collector->row_context);
	row = OidIsValid(collector->as_is) ? value_to_jsonb(collector, slot) :
		row_to_jsonb(collector, slot);
	row = copy_jsonb(collector->context, row);

	if (collector->one_row)
		collector->row = row;
	else
	{
		JsonbValue	value;

		MemoryContextSwitchTo(collector->context);
		value.type = jbvBinary;
		value.val.binary.data = &row->root;
		value.val.binary.len = VARSIZE(row) - VARHDRSZ;
		jsonb_push_compat(&collector->rows, WJB_ELEM, &value);
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(collector->row_context);
	return true;
}

static void
collector_shutdown(DestReceiver *self)
{
}

static void
collector_destroy(DestReceiver *self)
{
}

DestReceiver *
rtc_collector_create(bool one_row)
{
	Collector  *collector = palloc0(sizeof(Collector));

	collector->pub.receiveSlot = collector_receive;
	collector->pub.rStartup = collector_startup;
	collector->pub.rShutdown = collector_shutdown;
	collector->pub.rDestroy = collector_destroy;
	collector->pub.mydest = DestNone;
	collector->one_row = one_row;
	collector->context = CurrentMemoryContext;
	collector->row_context = AllocSetContextCreate(CurrentMemoryContext,
												   "rtcache row",
												   ALLOCSET_DEFAULT_SIZES);
	return &collector->pub;
}

Jsonb *
rtc_collector_result(DestReceiver *receiver, MemoryContext context)
{
	Collector  *collector = (Collector *) receiver;
	MemoryContext oldcontext;
	Jsonb	   *result;

	if (collector->one_row)
		return collector->row == NULL ? NULL :
			copy_jsonb(context, collector->row);

	oldcontext = MemoryContextSwitchTo(collector->context);
	jsonb_push_compat(&collector->rows, WJB_END_ARRAY, NULL);
	MemoryContextSwitchTo(context);
	result = JsonbValueToJsonb(collector->rows.result);
	MemoryContextSwitchTo(oldcontext);
	return result;
}
