/*-------------------------------------------------------------------------
 *
 * row_names.c
 *		Rows that a column picks by its value.
 *
 * A row is named by the hash of a value: writers hash with the function of the
 * column's type, readers with that of the type they compare with, in one hash
 * family.  Constants are hashed when the query is prepared, parameters at each
 * call.
 *
 * Model: called by query_deps.c.  A pin lives as long as its plan.  Evaluating
 * allocates in the current memory context and runs input and hash functions,
 * which may raise.
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

static RtcDep
name_rows(RtcPin *pin, Datum value)
{
	uint64		hash;

	hash = DatumGetUInt64(FunctionCall2Coll(&pin->hash, pin->collation, value,
											Int64GetDatum(0)));
	return rtc_dep_value(pin->relid, pin->attnum, hash);
}

static char *
show(RtcPin *pin, Datum value)
{
	char	   *text = OutputFunctionCall(&pin->output, value);

	return pin->quote ? quote_literal_cstr(text) : text;
}

static void
add_constant(RtcPin *pin, Datum value, bool isnull)
{
	RtcPinItem *item = &pin->item[pin->nitems++];

	item->isnull = isnull;
	item->text = isnull ? "NULL" : show(pin, value);
	if (!isnull)
		item->dep = name_rows(pin, value);
}

static void
add_param(RtcPin *pin, const Param *param, bool is_array)
{
	RtcPinItem *item = &pin->item[pin->nitems++];
	Oid			type = param->paramtype;

	pin->has_params = true;
	rtc_arg_init(&item->arg, param, CurrentMemoryContext);
	if (is_array)
		type = item->elemtype = get_element_type(type);
	pin->reads_settings |= rtc_type_needs_pin(type);
	pin->reads_catalogs |= type >= FirstNormalObjectId;
}

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

	/* values must be hashed as writers do */
	if (!OidIsValid(rtc_hash_function(att->atttypid)))
		return NULL;
	hash = get_opfamily_proc(rtc_hash_family(att->atttypid), values->type,
							 values->type, HASHEXTENDED_PROC);
	if (!OidIsValid(hash))
		return NULL;

	/* the type of the values, which the operator may take for another */
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

	pin = palloc0(offsetof(RtcPin, item) + n * sizeof(RtcPinItem));
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

	/* an array may have any number of elements */
	for (int i = 0; i < pin->nitems; i++)
		cost += OidIsValid(pin->item[i].elemtype) ? RTC_MAX_PINNED : 1;
	return cost;
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

/*
 * Reads the values of a parameter: one, for which *values and *isnull have
 * room, or the elements of an array, which are palloc'd.
 */
static int
read_values(RtcPinItem *item, ArrayType *args, Datum **values, bool **isnull)
{
	int			n = 1;

	**isnull = !rtc_arg_read(&item->arg, args, *values);
	if (!**isnull && OidIsValid(item->elemtype))
		take_apart(**values, item->elemtype, values, isnull, &n);
	return n;
}

int
rtc_pin_evaluate(RtcPin *pin, ArrayType *args, RtcDep *dep, int n, int max)
{
	for (int i = 0; i < pin->nitems && n >= 0; i++)
	{
		RtcPinItem *item = &pin->item[i];
		Datum		value;
		bool		null;
		Datum	   *values = &value;
		bool	   *isnull = &null;
		int			nvalues;

		if (item->arg.number == 0)
		{
			if (!item->isnull)
				n = add_dep(dep, n, max, item->dep);
			continue;
		}
		nvalues = read_values(item, args, &values, &isnull);
		for (int j = 0; j < nvalues && n >= 0; j++)
		{
			if (!isnull[j])
				n = add_dep(dep, n, max, name_rows(pin, values[j]));
		}
	}
	return n;
}

static void
append_item(StringInfo list, const char *text)
{
	appendStringInfo(list, "%s%s", list->len > 0 ? ", " : "", text);
}

void
rtc_pin_describe(RtcPin *pin, ArrayType *args, StringInfo buf)
{
	StringInfoData list;
	int			n = 0;

	initStringInfo(&list);
	for (int i = 0; i < pin->nitems; i++)
	{
		RtcPinItem *item = &pin->item[i];
		Datum		value;
		bool		null;
		Datum	   *values = &value;
		bool	   *isnull = &null;
		int			nvalues = 1;

		if (item->arg.number == 0)
			append_item(&list, item->text);
		else if (args != NULL)
		{
			nvalues = read_values(item, args, &values, &isnull);
			for (int j = 0; j < nvalues; j++)
				append_item(&list, isnull[j] ? "NULL" : show(pin, values[j]));
		}
		else if (OidIsValid(item->elemtype))
		{
			appendStringInfo(buf, "%s = ANY ($%d)", pin->column,
							 item->arg.number);
			return;
		}
		else
			append_item(&list, psprintf("$%d", item->arg.number));
		n += nvalues;
	}
	appendStringInfo(buf, n == 1 ? "%s = %s" : "%s IN (%s)", pin->column,
					 list.data);
}
