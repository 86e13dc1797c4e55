/*-------------------------------------------------------------------------
 *
 * portable.c
 *		Do functions, and types, depend on nothing but values?
 *
 * Functions: a volatile one spoils the query, an immutable one never does.
 * A stable one that comes with the server must be on the list below, which has
 * those whose result depends on nothing but their arguments and the settings
 * that pin.c pins; the others read the clock, the session or the catalogs.
 * A stable function of the user's spoils it as well.  What it reads is not in
 * the query: nobody could check whether another role may read it too, or
 * whether row-level security shows it something else.
 *
 * Types: the input and output functions of one that is part of a row, an array
 * or a range are hidden by those of the whole, so types are taken apart.
 *
 * Input functions of dates and times read the clock: 'now', 'today'.  Whatever
 * calls one while the query runs spoils it, since the text may be any.  Nobody
 * has to know all ways to call one: none of them is on the list, nor those of
 * rows, arrays, ranges and domains, which call others.  What reads a known type
 * without naming a function is found by the type (cacheable.c).
 *
 * MODEL: called by cacheable.c when a query is prepared.  Reads catalogs, keeps
 * no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "portable.h"

/* Stable functions of the server that are safe; sorted by strcmp(). */
static const char *const portable_functions[] = {
	"any_value",
	"anyarray_out",
	"anytextcat",
	"array_out",
	"array_to_json",
	"array_to_string",
	"cash_in",
	"cash_out",
	"concat",
	"concat_ws",
	"convert",
	"convert_from",
	"convert_to",
	"date",
	"date_add",
	"date_cmp_timestamptz",
	"date_eq_timestamptz",
	"date_ge_timestamptz",
	"date_gt_timestamptz",
	"date_le_timestamptz",
	"date_lt_timestamptz",
	"date_ne_timestamptz",
	"date_out",
	"date_part",
	"date_subtract",
	"date_trunc",
	"enum_first",
	"enum_in",
	"enum_last",
	"enum_out",
	"enum_range",
	"extract",
	"format",
	"generate_series",
	"in_range",
	"interval_in",
	"interval_out",
	"interval_pl_timestamptz",
	"json_agg",
	"json_agg_strict",
	"json_build_array",
	"json_build_object",
	"json_object_agg",
	"json_object_agg_strict",
	"json_object_agg_unique",
	"json_object_agg_unique_strict",
	"json_populate_record",
	"json_populate_recordset",
	"json_to_record",
	"json_to_recordset",
	"jsonb_agg",
	"jsonb_agg_strict",
	"jsonb_build_array",
	"jsonb_build_object",
	"jsonb_object_agg",
	"jsonb_object_agg_strict",
	"jsonb_object_agg_unique",
	"jsonb_object_agg_unique_strict",
	"jsonb_path_exists_tz",
	"jsonb_path_match_tz",
	"jsonb_path_query_array_tz",
	"jsonb_path_query_first_tz",
	"jsonb_path_query_tz",
	"jsonb_populate_record",
	"jsonb_populate_recordset",
	"jsonb_to_record",
	"jsonb_to_recordset",
	"length",
	"make_timestamptz",
	"money",
	"multirange_out",
	"numeric",
	"overlaps",
	"quote_literal",
	"quote_nullable",
	"range_out",
	"record_out",
	"row_to_json",
	"textanycat",
	"time",
	"timestamp",
	"timestamp_cmp_timestamptz",
	"timestamp_eq_timestamptz",
	"timestamp_ge_timestamptz",
	"timestamp_gt_timestamptz",
	"timestamp_le_timestamptz",
	"timestamp_lt_timestamptz",
	"timestamp_ne_timestamptz",
	"timestamp_out",
	"timestamptz",
	"timestamptz_cmp_date",
	"timestamptz_cmp_timestamp",
	"timestamptz_eq_date",
	"timestamptz_eq_timestamp",
	"timestamptz_ge_date",
	"timestamptz_ge_timestamp",
	"timestamptz_gt_date",
	"timestamptz_gt_timestamp",
	"timestamptz_le_date",
	"timestamptz_le_timestamp",
	"timestamptz_lt_date",
	"timestamptz_lt_timestamp",
	"timestamptz_mi_interval",
	"timestamptz_ne_date",
	"timestamptz_ne_timestamp",
	"timestamptz_out",
	"timestamptz_pl_interval",
	"timetz",
	"timezone",
	"to_json",
	"to_jsonb",
	"xml",
	"xml_in",
	"xml_is_well_formed"
};

/* Stable functions of the server that read the clock, or may do; sorted. */
static const char *const clock_functions[] = {
	"age",						/* of one argument: the others are immutable */
	"array_in",
	"date_in",
	"domain_in",
	"multirange_in",
	"now",
	"range_in",
	"record_in",
	"statement_timestamp",
	"time_in",
	"timestamp_in",
	"timestamptz_in",
	"timetz_in",
	"transaction_timestamp"
};

/* Functions of the server that read text as the type of their result; sorted. */
static const char *const reading_functions[] = {
	"json_populate_record",
	"json_populate_recordset",
	"json_to_record",
	"json_to_recordset",
	"jsonb_populate_record",
	"jsonb_populate_recordset",
	"jsonb_to_record",
	"jsonb_to_recordset"
};

/* Formatting functions: lc_time and lc_numeric count for some patterns. */
static const char *const pattern_functions[] = {
	"to_char",
	"to_date",
	"to_number",
	"to_timestamp"
};

static int
compare_names(const void *key, const void *element)
{
	return strcmp((const char *) key, *(const char *const *) element);
}

#define is_listed(name, list) \
	(bsearch((name), (list), lengthof(list), sizeof((list)[0]), \
			 compare_names) != NULL)

bool
rtc_is_pattern_function(const char *name)
{
	return is_listed(name, pattern_functions);
}

bool
rtc_reads_its_type(Oid funcid)
{
	char	   *name;

	if (funcid >= FirstNormalObjectId)
		return false;
	name = get_func_name(funcid);
	return name != NULL && is_listed(name, reading_functions);
}

static const char *
judge_aggregate_functions(Form_pg_aggregate form)
{
	const Oid	funcid[] = {
		form->aggtransfn, form->aggfinalfn, form->aggcombinefn,
		form->aggserialfn, form->aggdeserialfn, form->aggmtransfn,
		form->aggminvtransfn, form->aggmfinalfn
	};
	const char *reason = NULL;

	for (int i = 0; i < lengthof(funcid) && reason == NULL; i++)
	{
		if (OidIsValid(funcid[i]))
			reason = rtc_judge_function(funcid[i]);
	}
	return reason;
}

/* An aggregate is called immutable whatever it is made of. */
static const char *
judge_aggregate(Oid aggid)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggid));
	Form_pg_aggregate form;
	const char *reason;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return REASON_FUNCTION; /* dropped meanwhile */
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	reason = judge_aggregate_functions(form);

	/* The initial value is a text that each use reads. */
	(void) SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval,
						   &isnull);
	if (reason == NULL && !isnull)
		reason = rtc_judge_input(form->aggtranstype);
	(void) SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_aggminitval,
						   &isnull);
	if (reason == NULL && !isnull)
		reason = rtc_judge_input(form->aggmtranstype);
	ReleaseSysCache(tuple);
	return reason;
}

/* Is this timezone() of a time, whose zone is that of today? */
static bool
moves_time_to_zone(Oid funcid, const char *name)
{
	Oid		   *argtypes;
	int			nargs;

	if (strcmp(name, "timezone") != 0)
		return false;
	(void) get_func_signature(funcid, &argtypes, &nargs);
	return nargs > 0 && argtypes[nargs - 1] == TIMETZOID;
}

const char *
rtc_judge_function(Oid funcid)
{
	const char *reason = NULL;
	char	   *name;

	/* what is done to it tells nobody (definition.c) */
	if (funcid >= FirstNormalObjectId &&
		isAnyTempNamespace(get_func_namespace(funcid)))
		return REASON_TEMP_FUNCTION;
	if (funcid >= FirstNormalObjectId &&
		get_func_prokind(funcid) == PROKIND_AGGREGATE)
		return judge_aggregate(funcid);

	switch (func_volatile(funcid))
	{
		case PROVOLATILE_IMMUTABLE:
			return NULL;
		case PROVOLATILE_VOLATILE:
			return REASON_VOLATILE;
		default:
			break;
	}

	if (funcid >= FirstNormalObjectId)
		return REASON_FUNCTION;

	name = get_func_name(funcid);
	if (name == NULL || is_listed(name, clock_functions) ||
		moves_time_to_zone(funcid, name))
		reason = RTC_UNCACHEABLE_TIME;
	else if (!is_listed(name, portable_functions) &&
			 !rtc_is_pattern_function(name))
		reason = REASON_SESSION;
	return reason;
}

/* What the elements of an array, range or domain are made of. */
static Oid
innermost_type(Oid typid)
{
	for (;;)
	{
		Oid			part;

		typid = getBaseType(typid);
		part = get_element_type(typid);
		if (!OidIsValid(part))
			part = get_range_subtype(typid);
		if (!OidIsValid(part) && OidIsValid(get_multirange_range(typid)))
			part = get_range_subtype(get_multirange_range(typid));
		if (!OidIsValid(part))
			return typid;
		typid = part;
	}
}

bool
rtc_type_has_rows(Oid typid)
{
	return get_typtype(innermost_type(typid)) == TYPTYPE_COMPOSITE;
}

/* Judges a type by what it is made of. */
static const char *
judge_parts(Oid typid, const char *(*judge) (Oid typid))
{
	const char *reason = NULL;

	check_stack_depth();
	typid = innermost_type(typid);
	if (typid == RECORDOID || get_typtype(typid) != TYPTYPE_COMPOSITE)
		return judge(typid);
	else
	{
		TupleDesc	desc = lookup_rowtype_tupdesc(typid, -1);

		for (int i = 0; i < desc->natts && reason == NULL; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);

			if (!att->attisdropped)
				reason = judge_parts(att->atttypid, judge);
		}
		ReleaseTupleDesc(desc);
	}
	return reason;
}

static const char *
judge_output_function(Oid typid)
{
	Oid			output;
	bool		isvarlena;

	getTypeOutputInfo(typid, &output, &isvarlena);
	return rtc_judge_function(output);
}

static const char *
judge_input_function(Oid typid)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(typid, &input, &ioparam);
	return rtc_judge_function(input);
}

const char *
rtc_judge_type(Oid typid)
{
	return judge_parts(typid, judge_output_function);
}

const char *
rtc_judge_input(Oid typid)
{
	return judge_parts(typid, judge_input_function);
}

bool
rtc_type_reads_moments(Oid typid)
{
	const char *reason = rtc_judge_input(typid);

	return reason != NULL && strcmp(reason, RTC_UNCACHEABLE_TIME) == 0;
}
