/*-------------------------------------------------------------------------
 *
 * row_names.c
 *		Rows that a column picks by its value.
 *
 * A row is named by the hash of a value, which both sides compute: writers
 * with the extended hash function of the column's type, readers with that of
 * the type they compare with, from the same hash family.  Constants are hashed
 * when the query is prepared, parameters at each call.
 *
 * MODEL: called by query_deps.c.  A pin lives as long as its plan; evaluating it
 * allocates in the current memory context and runs input functions and hash
 * functions of types, which may raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/hash.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "dep/value_hash.h"
#include "query/args.h"
#include "query/row_names.h"
#include "rule/template.h"

/* A constant, or a parameter that is a value or an array of them. */
typedef struct PinItem
{
	RtcArg		arg;			/* parameter */
	bool		isnull;			/* constant: it is NULL */
	RtcDep		dep;			/* constant: its rows */
	const char *text;			/* constant: for people */
	Oid			elemtype;		/* parameter: of an array; else invalid */
	int16		elemlen;
	bool		elembyval;
	char		elemalign;
} PinItem;

struct RtcPin
{
	Oid			relid;
	AttrNumber	attnum;
	const char *column;			/* its name, quoted where needed */
	Oid			collation;		/* of the column */
	FmgrInfo	hash;			/* of what it is compared with */
	FmgrInfo	output;			/* likewise */
	bool		quote;			/* a value is shown in quotes */
	bool		reads_settings;
	bool		reads_catalogs;
	bool		has_params;
	int			nitems;
	PinItem		item[FLEXIBLE_ARRAY_MEMBER];
};

/* Names the rows with a value. */
static RtcDep
name_rows(RtcPin *pin, Datum value)
{
	uint64		hash;

	hash = DatumGetUInt64(FunctionCall2Coll(&pin->hash, pin->collation, value,
											Int64GetDatum(0)));
	return rtc_dep_value(pin->relid, pin->attnum, hash);
}

/* How a value is shown. */
static char *
show(RtcPin *pin, Datum value)
{
	char	   *text = OutputFunctionCall(&pin->output, value);

	return pin->quote ? quote_literal_cstr(text) : text;
}

/* Adds a constant. */
static void
add_constant(RtcPin *pin, Datum value, bool isnull)
{
	PinItem    *item = &pin->item[pin->nitems++];

	item->isnull = isnull;
	item->text = isnull ? "NULL" : show(pin, value);
	if (!isnull)
		item->dep = name_rows(pin, value);
}

/* Adds a parameter. */
static void
add_param(RtcPin *pin, const Param *param, bool is_array)
{
	PinItem    *item = &pin->item[pin->nitems++];
	Oid			type = param->paramtype;

	pin->has_params = true;
	rtc_arg_init(&item->arg, param, CurrentMemoryContext);
	if (is_array)
	{
		type = get_element_type(type);
		item->elemtype = type;
		get_typlenbyvalalign(type, &item->elemlen, &item->elembyval,
							 &item->elemalign);
	}
	pin->reads_settings |= rtc_type_needs_pin(type);
	pin->reads_catalogs |= type >= FirstNormalObjectId;
}

/* The elements of an array. */
static void
take_apart(Datum array, Oid elemtype, Datum **values, bool **isnull, int *n)
{
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(elemtype, &len, &byval, &align);
	deconstruct_array(DatumGetArrayTypeP(array), elemtype, len, byval, align,
					  values, isnull, n);
}

RtcPin *
rtc_pin_make(Relation rel, AttrNumber attnum, const RtcFactValues *values)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	Node	   *first = values->nodes != NIL ? linitial(values->nodes) : NULL;
	Datum	   *element = NULL;
	bool	   *isnull = NULL;
	int			n = list_length(values->nodes);
	RtcPin	   *pin;
	Oid			hash;
	Oid			output;
	Oid			valuetype;
	bool		isvarlena;
	ListCell   *lc;

	/* What writers do, and what we have to do to get the same. */
	if (!OidIsValid(rtc_hash_function(att->atttypid)))
		return NULL;
	hash = get_opfamily_proc(rtc_hash_family(att->atttypid), values->type,
							 values->type, HASHEXTENDED_PROC);
	if (!OidIsValid(hash))
		return NULL;

	/* The type of what is hashed, which the operator may take for another. */
	valuetype = values->type;
	if (first != NULL)
		valuetype = IsA(first, Const) ? ((Const *) first)->consttype :
			((Param *) first)->paramtype;
	if (values->is_array)
		valuetype = get_element_type(valuetype);
	if (get_typtype(valuetype) == TYPTYPE_PSEUDO)
		return NULL;

	if (values->is_array && IsA(first, Const))
	{
		if (((Const *) first)->constisnull)
			n = 0;
		else
			take_apart(((Const *) first)->constvalue, valuetype, &element,
					   &isnull, &n);
	}
	if (n > RTC_MAX_PINNED)
		return NULL;

	pin = palloc0(offsetof(RtcPin, item) + n * sizeof(PinItem));
	pin->relid = RelationGetRelid(rel);
	pin->attnum = attnum;
	pin->column = pstrdup(quote_identifier(NameStr(att->attname)));
	pin->collation = att->attcollation;
	fmgr_info_cxt(hash, &pin->hash, CurrentMemoryContext);
	getTypeOutputInfo(valuetype, &output, &isvarlena);
	fmgr_info_cxt(output, &pin->output, CurrentMemoryContext);
	switch (getBaseType(valuetype))
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case OIDOID:
			break;
		default:
			pin->quote = true;
			break;
	}

	if (element != NULL)
	{
		for (int i = 0; i < n; i++)
			add_constant(pin, element[i], isnull[i]);
	}
	else if (n > 0)
	{
		foreach(lc, values->nodes)
		{
			Node	   *node = lfirst(lc);

			if (IsA(node, Const))
				add_constant(pin, ((Const *) node)->constvalue,
							 ((Const *) node)->constisnull);
			else
				add_param(pin, (Param *) node, values->is_array);
		}
	}
	return pin;
}

int
rtc_pin_cost(const RtcPin *pin)
{
	int			cost = 0;

	/* An array may have any number of elements. */
	for (int i = 0; i < pin->nitems; i++)
		cost += OidIsValid(pin->item[i].elemtype) ? RTC_MAX_PINNED : 1;
	return cost;
}

bool
rtc_pin_has_params(const RtcPin *pin)
{
	return pin->has_params;
}

bool
rtc_pin_reads_catalogs(const RtcPin *pin)
{
	return pin->reads_catalogs;
}

bool
rtc_pin_reads_settings(const RtcPin *pin)
{
	return pin->reads_settings;
}

/* Adds a dependency that is not there yet; -1 = there is no room. */
static int
add_dep(RtcDep *dep, int n, int max, RtcDep new)
{
	for (int i = 0; i < n; i++)
	{
		if (dep[i] == new)
			return n;
	}
	if (n >= max)
		return -1;
	dep[n] = new;
	return n + 1;
}

int
rtc_pin_evaluate(RtcPin *pin, ArrayType *args, RtcDep *dep, int n, int max)
{
	for (int i = 0; i < pin->nitems && n >= 0; i++)
	{
		PinItem    *item = &pin->item[i];
		Datum		value;
		Datum	   *element;
		bool	   *isnull;
		int			nelements;

		if (item->arg.number == 0)
		{
			if (!item->isnull)
				n = add_dep(dep, n, max, item->dep);
		}
		else if (rtc_arg_read(&item->arg, args, &value))
		{
			if (!OidIsValid(item->elemtype))
			{
				n = add_dep(dep, n, max, name_rows(pin, value));
				continue;
			}
			deconstruct_array(DatumGetArrayTypeP(value), item->elemtype,
							  item->elemlen, item->elembyval, item->elemalign,
							  &element, &isnull, &nelements);
			for (int j = 0; j < nelements && n >= 0; j++)
			{
				if (!isnull[j])
					n = add_dep(dep, n, max, name_rows(pin, element[j]));
			}
		}
	}
	return n;
}

void
rtc_pin_describe(RtcPin *pin, ArrayType *args, StringInfo buf)
{
	StringInfoData list;
	int			n = 0;

	initStringInfo(&list);
	for (int i = 0; i < pin->nitems; i++)
	{
		PinItem    *item = &pin->item[i];
		const char *comma = n > 0 ? ", " : "";
		Datum		value;
		Datum	   *element;
		bool	   *isnull;
		int			nelements;

		if (item->arg.number == 0)
			appendStringInfo(&list, "%s%s", comma, item->text);
		else if (args == NULL && OidIsValid(item->elemtype))
		{
			appendStringInfo(buf, "%s = ANY ($%d)", pin->column, item->arg.number);
			return;
		}
		else if (args == NULL)
			appendStringInfo(&list, "%s$%d", comma, item->arg.number);
		else if (!rtc_arg_read(&item->arg, args, &value))
			appendStringInfo(&list, "%sNULL", comma);
		else if (OidIsValid(item->elemtype))
		{
			take_apart(value, item->elemtype, &element, &isnull, &nelements);
			for (int j = 0; j < nelements; j++, n++)
				appendStringInfo(&list, "%s%s", n > 0 ? ", " : "",
								 isnull[j] ? "NULL" : show(pin, element[j]));
			continue;
		}
		else
			appendStringInfo(&list, "%s%s", comma, show(pin, value));
		n++;
	}
	if (n == 1)
		appendStringInfo(buf, "%s = %s", pin->column, list.data);
	else
		appendStringInfo(buf, "%s IN (%s)", pin->column, list.data);
}
