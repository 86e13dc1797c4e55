/*-------------------------------------------------------------------------
 *
 * function_list.c
 *		Which functions of the server depend on nothing but their arguments?
 *
 * An immutable one does, a volatile one does not.  A stable one must be on the
 * list below, which has those whose result depends on nothing but their
 * arguments and the settings that pinned_settings.c pins; the others read the clock, the
 * session or the catalogs.
 *
 * Input functions of dates and times read the clock: 'now', 'today'.  Whatever
 * calls one while the query runs spoils it, since the text may be any.  Nobody
 * has to know all ways to call one: none of them is on the list, nor those of
 * rows, arrays, ranges and domains, which call others.  What reads a known type
 * without naming a function is found by the type (judge.c).
 *
 * MODEL: called by judge.c when a query is prepared.  Reads catalogs, keeps no
 * state.
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
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "query/function_list.h"

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
rtc_reads_its_type(Oid funcid)
{
	char	   *name;

	if (funcid >= FirstNormalObjectId)
		return false;
	name = get_func_name(funcid);
	return name != NULL && is_listed(name, reading_functions);
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

/*
 * Judges the pattern of to_char() and its kin: "TM" asks for names in the
 * session's language, and for numbers D, G and L ask for its symbols.
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

	switch (exprType(linitial(func->args)))
	{
		case INTERVALOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			is_time = true;
			break;
		default:
			is_time = strcmp(name, "to_date") == 0 ||
				strcmp(name, "to_timestamp") == 0;
			break;
	}

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
	if (!is_listed(name, portable_functions) ||
		(call == NULL && is_listed(name, reading_functions)))
		return REASON_SESSION;
	return NULL;
}

bool
rtc_reads_moments(Oid funcid)
{
	const char *reason = funcid < FirstNormalObjectId ?
	rtc_judge_server_function(funcid, NULL) : NULL;

	return reason != NULL && strcmp(reason, RTC_UNCACHEABLE_TIME) == 0;
}
