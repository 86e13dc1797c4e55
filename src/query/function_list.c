/*-------------------------------------------------------------------------
 *
 * function_list.c
 *		Which functions of the server depend on nothing but their arguments?
 *
 * An immutable function does, a volatile one does not.  A stable one must be
 * listed below: its result depends on its arguments and on settings that
 * pinned_settings.c pins.  All others read the clock, the session or catalogs.
 *
 * Input functions of dates and times read the clock: 'now', 'today'.  A call
 * of one while the query runs spoils it, since the text may be any.  So they
 * are not listed, nor are those of rows, arrays, ranges and domains, which
 * call others.  Reading text without naming a function is found by the type
 * (judge_type.c).
 *
 * Model: called when a query is prepared.  Reads catalogs, keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "query/function_list.h"

/* Safe ones. */
static const char *const portable_functions[] = {
	/* text of a value */
	"anyarray_out", "array_out", "cash_out", "date_out", "enum_out",
	"interval_out", "multirange_out", "range_out", "record_out",
	"timestamp_out", "timestamptz_out",
	/* values of a text that has no words for moments */
	"cash_in", "enum_in", "interval_in", "xml", "xml_in", "xml_is_well_formed",
	/* arrays, texts and enums */
	"any_value", "anytextcat", "array_to_string", "concat", "concat_ws",
	"convert", "convert_from", "convert_to", "enum_first", "enum_last",
	"enum_range", "format", "length", "money", "numeric", "quote_literal",
	"quote_nullable", "textanycat",
	/* dates and times */
	"date", "date_add", "date_part", "date_subtract", "date_trunc", "extract",
	"generate_series", "in_range", "interval_pl_timestamptz",
	"make_timestamptz", "overlaps", "time", "timestamp", "timestamptz",
	"timestamptz_mi_interval", "timestamptz_pl_interval", "timetz", "timezone",
	/* comparisons of these */
	"date_cmp_timestamptz", "date_eq_timestamptz", "date_ge_timestamptz",
	"date_gt_timestamptz", "date_le_timestamptz", "date_lt_timestamptz",
	"date_ne_timestamptz",
	"timestamp_cmp_timestamptz", "timestamp_eq_timestamptz",
	"timestamp_ge_timestamptz", "timestamp_gt_timestamptz",
	"timestamp_le_timestamptz", "timestamp_lt_timestamptz",
	"timestamp_ne_timestamptz",
	"timestamptz_cmp_date", "timestamptz_eq_date", "timestamptz_ge_date",
	"timestamptz_gt_date", "timestamptz_le_date", "timestamptz_lt_date",
	"timestamptz_ne_date",
	"timestamptz_cmp_timestamp", "timestamptz_eq_timestamp",
	"timestamptz_ge_timestamp", "timestamptz_gt_timestamp",
	"timestamptz_le_timestamp", "timestamptz_lt_timestamp",
	"timestamptz_ne_timestamp",
	/* JSON */
	"array_to_json", "json_agg", "json_agg_strict", "json_build_array",
	"json_build_object", "json_object_agg", "json_object_agg_strict",
	"json_object_agg_unique", "json_object_agg_unique_strict", "jsonb_agg",
	"jsonb_agg_strict", "jsonb_build_array", "jsonb_build_object",
	"jsonb_object_agg", "jsonb_object_agg_strict", "jsonb_object_agg_unique",
	"jsonb_object_agg_unique_strict", "jsonb_path_exists_tz",
	"jsonb_path_match_tz", "jsonb_path_query_array_tz",
	"jsonb_path_query_first_tz", "jsonb_path_query_tz", "row_to_json",
	"to_json", "to_jsonb"
};

/* Those that read text as the type of their result. */
static const char *const reading_functions[] = {
	"json_populate_record", "json_populate_recordset", "json_to_record",
	"json_to_recordset", "jsonb_populate_record", "jsonb_populate_recordset",
	"jsonb_to_record", "jsonb_to_recordset"
};

/* Those that read the clock, or may do so. */
static const char *const clock_functions[] = {
	"age",						/* of one argument: the others are immutable */
	"array_in", "date_in", "domain_in", "multirange_in", "now", "range_in",
	"record_in", "statement_timestamp", "time_in", "timestamp_in",
	"timestamptz_in", "timetz_in", "transaction_timestamp"
};

/* Formatting functions: lc_time and lc_numeric count for some patterns. */
static const char *const pattern_functions[] = {
	"to_char", "to_date", "to_number", "to_timestamp"
};

static bool
find_name(const char *name, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(name, list[i]) == 0)
			return true;
	}
	return false;
}

#define is_listed(name, list) find_name(name, list, lengthof(list))

bool
rtc_reads_its_type(Oid funcid)
{
	char	   *name;

	if (funcid >= FirstNormalObjectId)
		return false;
	name = get_func_name(funcid);
	return name != NULL && is_listed(name, reading_functions);
}

/* Is this timezone() of a time, which depends on the date? */
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

/*
 * Judges the pattern of to_char() and its kin.  "TM" asks for names in the
 * session's language; for numbers, D, G and L ask for its symbols.
 */
static const char *
judge_pattern(const FuncExpr *func, const char *name)
{
	Const	   *pattern;
	char	   *format;
	bool		is_time;
	const char *reason = NULL;

	if (func == NULL || list_length(func->args) != 2)
		return REASON_SESSION;
	pattern = (Const *) lsecond(func->args);
	if (!IsA(pattern, Const) || pattern->consttype != TEXTOID)
		return REASON_SESSION;
	if (pattern->constisnull)
		return NULL;

	is_time = strcmp(name, "to_number") != 0 &&
		TypeCategory(exprType(linitial(func->args))) != TYPCATEGORY_NUMERIC;
	format = TextDatumGetCString(pattern->constvalue);
	for (char *p = format; *p; p++)
	{
		char		c = pg_ascii_toupper((unsigned char) *p);

		if (is_time ?
			(c == 'T' && pg_ascii_toupper((unsigned char) p[1]) == 'M') :
			(c == 'D' || c == 'G' || c == 'L'))
		{
			reason = REASON_SESSION;
			break;
		}
	}
	pfree(format);
	return reason;
}

const char *
rtc_judge_server_function(Oid funcid, const FuncExpr *call)
{
	char	   *name;

	switch (func_volatile(funcid))
	{
		case PROVOLATILE_IMMUTABLE:
			return NULL;
		case PROVOLATILE_VOLATILE:
			return REASON_VOLATILE;
		default:
			break;
	}

	name = get_func_name(funcid);
	if (name == NULL || is_listed(name, clock_functions) ||
		moves_time_to_zone(funcid, name))
		return RTC_UNCACHEABLE_TIME;
	if (is_listed(name, pattern_functions))
		return judge_pattern(call, name);
	if (is_listed(name, portable_functions) ||
		(call != NULL && is_listed(name, reading_functions)))
		return NULL;
	return REASON_SESSION;
}

bool
rtc_reads_moments(Oid funcid)
{
	const char *reason = funcid < FirstNormalObjectId ?
	rtc_judge_server_function(funcid, NULL) : NULL;

	return reason != NULL && strcmp(reason, RTC_UNCACHEABLE_TIME) == 0;
}
