/*-------------------------------------------------------------------------
 *
 * row_json.c
 *		A row as JSON text, byte for byte as row_to_json() has it.
 *
 * This is how Redis holds values: rows that a rule stores, and answers of
 * queries (json_receiver.c).
 *
 * row_to_json() looks up the type of every column for every row, which is most
 * of its cost for a small row.  Here that is done once for each rule or
 * execution.  Types that need more (arrays, composites, types with a cast to
 * json) go through to_json(), column by column.
 *
 * Model: an RtcRowJson lives in the memory context of its rule, or of one
 * execution.  It holds no state of a row: a cast to json is a user's function,
 * which may cause another row of the same rule to be written meanwhile.
 * Functions of types may raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "rule/row_json.h"
#include "rule/template.h"

typedef enum ColumnKind
{
	COL_BOOL,
	COL_DATETIME,				/* date, timestamp, timestamptz */
	COL_FLOAT,
	COL_INTEGER,
	COL_JSON,					/* json, jsonb: text of the output function */
	COL_NUMERIC,
	COL_OUTPUT,					/* the same, quoted */
	COL_TO_JSON					/* result of to_json() */
} ColumnKind;

typedef struct Column
{
	ColumnKind	kind;
	AttrNumber	attnum;
	Oid			base;			/* its type; under a domain, the base type */
	int16		len;			/* of the type, in bytes; -1 = any */
	const char *label;			/* '{"name":' or ',"name":' */
	int			labellen;
	FmgrInfo	func;			/* output function, or to_json() */
} Column;

struct RtcRowJson
{
	bool		needs_pin;
	int			ncolumns;
	Column		column[FLEXIBLE_ARRAY_MEMBER];
};

/* Decides how a column is written, as json_categorize_type() of the server. */
static void
init_column(Column *column, Form_pg_attribute att, bool first)
{
	Oid			base = getBaseType(att->atttypid);
	StringInfoData label;

	initStringInfo(&label);
	appendStringInfoChar(&label, first ? '{' : ',');
	escape_json(&label, NameStr(att->attname));
	appendStringInfoChar(&label, ':');
	column->label = label.data;
	column->labellen = label.len;
	column->attnum = att->attnum;
	column->base = base;
	column->len = att->attlen;

	switch (base)
	{
		case BOOLOID:
			column->kind = COL_BOOL;
			return;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			column->kind = COL_DATETIME;
			return;
		case FLOAT4OID:
		case FLOAT8OID:
			column->kind = COL_FLOAT;
			return;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			column->kind = COL_INTEGER;
			return;
		case JSONOID:
		case JSONBOID:
			column->kind = COL_JSON;
			break;
		case NUMERICOID:
			column->kind = COL_NUMERIC;
			break;
		default:
			column->kind = base < FirstNormalObjectId && base != ANYARRAYOID &&
				!type_is_array(base) && !type_is_rowtype(base) ?
				COL_OUTPUT : COL_TO_JSON;
			break;
	}

	if (column->kind != COL_TO_JSON)
	{
		Oid			func;
		bool		isvarlena;

		getTypeOutputInfo(base, &func, &isvarlena);
		fmgr_info_cxt(func, &column->func, CurrentMemoryContext);
	}
	else
	{
		/* to_json(anyelement) learns the type from its call expression. */
		Const	   *arg = makeNullConst(att->atttypid, -1, InvalidOid);
		FuncExpr   *call = makeFuncExpr(F_TO_JSON, JSONOID, list_make1(arg),
										InvalidOid, InvalidOid,
										COERCE_EXPLICIT_CALL);

		fmgr_info_cxt(F_TO_JSON, &column->func, CurrentMemoryContext);
		fmgr_info_set_expr((Node *) call, &column->func);
	}
}

/* Does the JSON text of a column depend on session settings? */
static bool
column_needs_pin(const Column *column, Oid typid)
{
	return (column->kind == COL_OUTPUT || column->kind == COL_TO_JSON) &&
		rtc_type_needs_pin(typid);
}

/* Finds a column by name; NULL and *fault if there is none. */
static Form_pg_attribute
find_column(TupleDesc desc, const char *name, RtcFault *fault)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att;
	}
	return rtc_fault_set(fault, ERRCODE_UNDEFINED_COLUMN,
						 psprintf(_("column \"%s\" in option \"columns\" does not exist"),
								  name),
						 NULL, NULL);
}

/* Adds a column; false and *fault if it cannot be used. */
static bool
add_column(RtcRowJson *row, Form_pg_attribute att, RtcFault *fault)
{
	Column	   *column;

	for (int i = 0; i < row->ncolumns; i++)
	{
		if (row->column[i].attnum == att->attnum)
		{
			(void) rtc_fault_set(fault, ERRCODE_INVALID_PARAMETER_VALUE,
								 psprintf(_("column \"%s\" appears twice in option \"columns\""),
										  NameStr(att->attname)),
								 NULL, NULL);
			return false;
		}
	}

	/* 'v': virtual, so a trigger's row does not have it */
	if (att->attgenerated == 'v')
	{
		(void) rtc_fault_set(fault, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf(_("cannot cache virtual generated column \"%s\""),
									  NameStr(att->attname)),
							 _("The value of a virtual generated column is not known to triggers."),
							 _("Name the other columns in option \"columns\"."));
		return false;
	}

	column = &row->column[row->ncolumns];
	init_column(column, att, row->ncolumns == 0);
	row->needs_pin |= column_needs_pin(column, att->atttypid);
	row->ncolumns++;
	return true;
}

RtcRowJson *
rtc_row_json_make(TupleDesc desc, List *names, RtcFault *fault)
{
	int			max = names == NIL ? desc->natts : list_length(names);
	RtcRowJson *row;

	row = palloc0(offsetof(RtcRowJson, column) + max * sizeof(Column));

	if (names != NIL)
	{
		ListCell   *lc;

		foreach(lc, names)
		{
			Form_pg_attribute att = find_column(desc, lfirst(lc), fault);

			/* ends at the first repetition, so max is enough */
			if (att == NULL || !add_column(row, att, fault))
				return NULL;
		}
	}
	else
	{
		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);

			if (!att->attisdropped && !add_column(row, att, fault))
				return NULL;
		}
	}
	return row;
}

AttrNumber
rtc_row_json_column(const RtcRowJson *row, int n)
{
	return n < row->ncolumns ? row->column[n].attnum : InvalidAttrNumber;
}

List *
rtc_row_json_columns(const RtcRowJson *row, List *columns)
{
	for (int i = 0; i < row->ncolumns; i++)
		columns = list_append_unique_int(columns, row->column[i].attnum);
	return columns;
}

bool
rtc_row_json_needs_pin(const RtcRowJson *row)
{
	return row->needs_pin;
}

/*
 * Is the text of this value certainly longer than limit?  Asked first, because
 * making a text that does not fit into a StringInfo would raise.
 */
static bool
is_certainly_longer(const Column *column, Datum value, size_t limit)
{
	size_t		size;

	if (column->len != -1)
		return false;
	size = toast_raw_datum_size(value) - VARHDRSZ;

	switch (column->base)
	{
		case BPCHAROID:
		case JSONOID:
		case TEXTOID:
		case VARCHAROID:
			return size > limit;
		default:
			/* No built-in type stores a byte of text in more than eight. */
			return size / 8 > limit;
	}
}

/* A date or time as in the server's JSON, in UTC. */
static void
append_datetime(StringInfo buf, Datum value, Oid typid)
{
	char		str[MAXDATELEN + 1];
	const int	utc = 0;

	JsonEncodeDateTime(str, value, typid,
					   typid == TIMESTAMPTZOID ? &utc : NULL);
	appendStringInfo(buf, "\"%s\"", str);
}

/* A float as with extra_float_digits at its default. */
static void
append_float(StringInfo buf, Datum value, Oid typid)
{
	char		str[64];
	double		number = typid == FLOAT4OID ? DatumGetFloat4(value) :
	DatumGetFloat8(value);
	int			len = typid == FLOAT4OID ?
	float_to_shortest_decimal_buf(DatumGetFloat4(value), str) :
	double_to_shortest_decimal_buf(number, str);

	if (isnan(number) || isinf(number))
		appendStringInfo(buf, "\"%.*s\"", len, str);
	else
		appendBinaryStringInfo(buf, str, len);
}

static void
append_value(StringInfo buf, Column *column, Datum value)
{
	char	   *str;

	switch (column->kind)
	{
		case COL_BOOL:
			appendStringInfoString(buf, DatumGetBool(value) ? "true" : "false");
			break;
		case COL_DATETIME:
			append_datetime(buf, value, column->base);
			break;
		case COL_FLOAT:
			append_float(buf, value, column->base);
			break;
		case COL_INTEGER:
			rtc_append_integer(buf, value, column->len);
			break;
		case COL_JSON:
			appendStringInfoString(buf, OutputFunctionCall(&column->func,
														   value));
			break;
		case COL_NUMERIC:
			str = OutputFunctionCall(&column->func, value);
			if (IsValidJsonNumber(str, strlen(str)))
				appendStringInfoString(buf, str);
			else
				escape_json(buf, str);
			break;
		case COL_OUTPUT:
			escape_json(buf, OutputFunctionCall(&column->func, value));
			break;
		case COL_TO_JSON:
			str = TextDatumGetCString(FunctionCall1(&column->func, value));
			appendStringInfoString(buf, str);
			break;
	}
}

bool
rtc_row_json_append(RtcRowJson *row, HeapTuple tuple, TupleDesc desc,
					StringInfo buf, size_t limit)
{
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));

	heap_deform_tuple(tuple, desc, values, isnull);
	return rtc_row_json_append_values(row, values, isnull, buf, limit);
}

bool
rtc_row_json_append_values(RtcRowJson *row, const Datum *values,
						   const bool *isnull, StringInfo buf, size_t limit)
{
	size_t		start = buf->len;

	for (int i = 0; i < row->ncolumns; i++)
	{
		Column	   *column = &row->column[i];
		int			n = column->attnum - 1;

		appendBinaryStringInfo(buf, column->label, column->labellen);
		if (isnull[n])
			appendBinaryStringInfo(buf, "null", 4);
		else if (is_certainly_longer(column, values[n], limit))
			return false;
		else
			append_value(buf, column, values[n]);
		if (buf->len - start > limit)
			return false;
	}
	if (row->ncolumns == 0)
		appendStringInfoChar(buf, '{');
	appendStringInfoChar(buf, '}');
	return buf->len - start <= limit;
}

bool
rtc_is_row_text(const char *text, size_t len)
{
	size_t		i = 2;

	if (len < 2 || text[0] != '{' || text[1] != '"' || text[len - 1] != '}')
		return false;
	while (i < len && text[i] != '"' && text[i] != '\\')
		i++;
	return i + 2 < len && text[i] == '"' && text[i + 1] == ':' &&
		text[i + 2] != ' ';
}
