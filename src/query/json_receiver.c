/*-------------------------------------------------------------------------
 *
 * json_receiver.c
 *		The rows of a query as JSON.
 *
 * A row becomes an object, as by row_to_json().  A row of one column of type
 * json or jsonb is taken as it is: the query has made the shape it wants.
 *
 * The rows become text for Redis, spelled as by rules (row_json.c).  The jsonb
 * is read from this text, as it is from a value that Redis has; row by row,
 * because the server's parser of JSON cannot be cancelled.
 *
 * Model: a DestReceiver of one execution, in the memory context it was made
 * in.  Rows are converted in a context that is reset after each one.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "query/json_receiver.h"
#include "rule/row_json.h"

typedef struct Collector
{
	DestReceiver pub;			/* must be first */
	bool		one_row;
	StringInfo	text;			/* the answer so far */
	uint64		nrows;
	MemoryContext context;		/* holds row */
	MemoryContext row_context;	/* reset after each row */
	Oid			as_is;			/* JSONOID, JSONBOID: the only column */
	RtcRowJson *row;			/* else: how rows are written */
	JsonbBuilder rows;			/* not one_row: the same as the text */
} Collector;

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
		RtcFault	fault = {0};

		collector->row = rtc_row_json_make(desc, NIL, &fault);
		if (collector->row == NULL)
			elog(ERROR, "%s", fault.message);
	}

	if (!collector->one_row)
	{
		appendStringInfoChar(collector->text, '[');
		jsonb_push_compat(&collector->rows, WJB_BEGIN_ARRAY, NULL);
	}
	MemoryContextSwitchTo(oldcontext);
}

/* A single json or jsonb value; a NULL is a JSON null. */
static void
append_as_is(Collector *collector, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (isnull)
		appendStringInfoString(collector->text, "null");
	else if (collector->as_is == JSONBOID)
	{
		Jsonb	   *jb = DatumGetJsonbP(value);

		JsonbToCString(collector->text, &jb->root, VARSIZE(jb));
	}
	else
	{
		text	   *t = DatumGetTextPP(value);

		appendBinaryStringInfo(collector->text, VARDATA_ANY(t),
							   VARSIZE_ANY_EXHDR(t));
	}
}

/* Reads jsonb from text, in the current memory context. */
static Jsonb *
read_jsonb(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/* Reads the row that the text has from here on. */
static void
add_row(Collector *collector, int start)
{
	Jsonb	   *read = read_jsonb(collector->text->data + start);
	Jsonb	   *row;
	JsonbValue	value;
	MemoryContext oldcontext = MemoryContextSwitchTo(collector->context);

	/* the builder points into it */
	row = palloc(VARSIZE(read));
	memcpy(row, read, VARSIZE(read));
	value.type = jbvBinary;
	value.val.binary.data = &row->root;
	value.val.binary.len = VARSIZE(row) - VARHDRSZ;
	jsonb_push_compat(&collector->rows, WJB_ELEM, &value);
	MemoryContextSwitchTo(oldcontext);
}

static bool
collector_receive(TupleTableSlot *slot, DestReceiver *self)
{
	Collector  *collector = (Collector *) self;
	MemoryContext oldcontext;
	int			start;

	if (collector->nrows++ > 0)
	{
		if (collector->one_row)
			ereport(ERROR,
					(errcode(ERRCODE_CARDINALITY_VIOLATION),
					 errmsg("query returned more than one row"),
					 errhint("Use cache_list for a query that returns several rows.")));
		appendStringInfoChar(collector->text, ',');
	}

	start = collector->text->len;
	oldcontext = MemoryContextSwitchTo(collector->row_context);
	if (OidIsValid(collector->as_is))
		append_as_is(collector, slot);
	else
	{
		slot_getallattrs(slot);
		(void) rtc_row_json_append_values(collector->row, slot->tts_values,
										  slot->tts_isnull, collector->text,
										  MaxAllocSize);
	}
	if (!collector->one_row)
		add_row(collector, start);
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
rtc_collector_create(bool one_row, StringInfo text)
{
	Collector  *collector = palloc0(sizeof(Collector));

	collector->pub.receiveSlot = collector_receive;
	collector->pub.rStartup = collector_startup;
	collector->pub.rShutdown = collector_shutdown;
	collector->pub.rDestroy = collector_destroy;
	collector->pub.mydest = DestNone;
	collector->one_row = one_row;
	collector->text = text;
	collector->context = CurrentMemoryContext;
	collector->row_context = AllocSetContextCreate(CurrentMemoryContext,
												   "rtcache row",
												   ALLOCSET_DEFAULT_SIZES);
	return &collector->pub;
}

Jsonb *
rtc_collector_result(DestReceiver *receiver)
{
	Collector  *collector = (Collector *) receiver;

	if (collector->one_row)
		return collector->nrows == 0 ? NULL :
			read_jsonb(collector->text->data);
	appendStringInfoChar(collector->text, ']');
	jsonb_push_compat(&collector->rows, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(collector->rows.result);
}
