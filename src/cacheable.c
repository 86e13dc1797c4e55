/*-------------------------------------------------------------------------
 *
 * cacheable.c
 *		May the answer of a query be cached?
 *
 * Yes, if everybody who asks the same question at the same time would get the
 * same answer, and if only writes to tables change it.  The verdict comes from
 * the analyzed and rewritten query tree, so views are looked into.
 *
 * Functions: a volatile one spoils the query, an immutable one never does.
 * A stable one that comes with the server must be on the list below, which has
 * those whose result depends on nothing but their arguments and the settings
 * that pin.c pins; the others read the clock, the session or the catalogs.
 * A stable function of the user's spoils it as well.  What it reads is not in
 * the query: nobody could check whether another role may read it too, or
 * whether row-level security shows it something else.
 *
 * MODEL: called by query.c when a query is prepared, in a transaction with the
 * relations of the query locked.  Reads catalogs, keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "cacheable.h"
#include "compat.h"

/* Reasons.  Short and stable: they are shown to users. */
#define REASON_VOLATILE		"volatile function"
#define REASON_FUNCTION		"function that is not immutable"
#define REASON_SESSION		"depends on the session"
#define REASON_CATALOG		"system catalog"
#define REASON_TEMPORARY	"temporary table"
#define REASON_TEMP_FUNCTION "temporary function"
#define REASON_SEQUENCE		"sequence"
#define REASON_ROW_LOCK		"row lock"
#define REASON_RLS			"row-level security"
#define REASON_SAMPLE		"table sample"
#define REASON_SYSTEM_COLUMN	"system column"

/* Stable functions of the server that are safe; sorted by strcmp(). */
static const char *const portable_functions[] = {
	"any_value",
	"anyarray_out",
	"anytextcat",
	"array_in",
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
	"date_in",
	"date_le_timestamptz",
	"date_lt_timestamptz",
	"date_ne_timestamptz",
	"date_out",
	"date_part",
	"date_subtract",
	"date_trunc",
	"domain_in",
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
	"multirange_in",
	"multirange_out",
	"numeric",
	"overlaps",
	"pg_input_is_valid",
	"quote_literal",
	"quote_nullable",
	"range_in",
	"range_out",
	"record_in",
	"record_out",
	"row_to_json",
	"textanycat",
	"time",
	"time_in",
	"timestamp",
	"timestamp_cmp_timestamptz",
	"timestamp_eq_timestamptz",
	"timestamp_ge_timestamptz",
	"timestamp_gt_timestamptz",
	"timestamp_in",
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
	"timestamptz_in",
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
	"timetz_in",
	"timezone",
	"to_json",
	"to_jsonb",
	"xml",
	"xml_in",
	"xml_is_well_formed"
};

/* Stable functions of the server that read the clock. */
static const char *const clock_functions[] = {
	"age",						/* of one argument: the others are immutable */
	"now",
	"statement_timestamp",
	"transaction_timestamp"
};

/* Formatting functions: lc_time and lc_numeric count for some patterns. */
static const char *const pattern_functions[] = {
	"to_char",
	"to_date",
	"to_number",
	"to_timestamp"
};

typedef struct Judge
{
	RtcVerdict *verdict;
	const char *text;			/* source text of the query */
	size_t		textlen;
	Query	   *query;			/* whose nodes are being visited */
} Judge;

/* The first reason stays: any of them is true. */
static void
object(Judge *judge, const char *reason)
{
	if (judge->verdict->reason == NULL)
		judge->verdict->reason = reason;
}

static int
compare_names(const void *key, const void *element)
{
	return strcmp((const char *) key, *(const char *const *) element);
}

#define is_listed(name, list) \
	(bsearch((name), (list), lengthof(list), sizeof((list)[0]), \
			 compare_names) != NULL)

/* Why the use of a function spoils the query; NULL = it does not. */
static const char *
judge_function(Oid funcid)
{
	const char *reason = NULL;
	char	   *name;

	/* what is done to it tells nobody (definition.c) */
	if (funcid >= FirstNormalObjectId &&
		isAnyTempNamespace(get_func_namespace(funcid)))
		return REASON_TEMP_FUNCTION;

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
	if (name == NULL || is_listed(name, clock_functions))
		reason = RTC_UNCACHEABLE_TIME;
	else if (!is_listed(name, portable_functions) &&
			 !is_listed(name, pattern_functions))
		reason = REASON_SESSION;
	return reason;
}

static bool
function_walker(Oid funcid, void *context)
{
	Judge	   *judge = context;
	const char *reason = judge_function(funcid);

	if (reason != NULL)
		object(judge, reason);
	return false;
}

/*
 * Judges the pattern of to_char() and its kin: "TM" asks for names in the
 * session's language, and for numbers D, G and L ask for its symbols.
 */
static void
judge_pattern(Judge *judge, FuncExpr *func)
{
	Const	   *pattern;
	char	   *name;
	char	   *format;
	bool		is_time;

	if (func->funcid >= FirstNormalObjectId || list_length(func->args) != 2)
		return;
	name = get_func_name(func->funcid);
	if (name == NULL || !is_listed(name, pattern_functions))
		return;

	pattern = (Const *) lsecond(func->args);
	if (!IsA(pattern, Const) || pattern->consttype != TEXTOID)
	{
		object(judge, REASON_SESSION);
		return;
	}
	if (pattern->constisnull)
		return;

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
			object(judge, REASON_SESSION);
			break;
		}
	}
	pfree(format);
}

/* CURRENT_DATE, CURRENT_USER and others that have a keyword of their own. */
static void
judge_keyword(Judge *judge, SQLValueFunction *keyword)
{
	switch (keyword->op)
	{
		case SVFOP_CURRENT_DATE:
		case SVFOP_CURRENT_TIME:
		case SVFOP_CURRENT_TIME_N:
		case SVFOP_CURRENT_TIMESTAMP:
		case SVFOP_CURRENT_TIMESTAMP_N:
		case SVFOP_LOCALTIME:
		case SVFOP_LOCALTIME_N:
		case SVFOP_LOCALTIMESTAMP:
		case SVFOP_LOCALTIMESTAMP_N:
			object(judge, RTC_UNCACHEABLE_TIME);
			break;
		default:
			object(judge, REASON_SESSION);
			break;
	}
}

bool
rtc_type_reads_moments(Oid typid)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(getBaseType(typid), &input, &ioparam);
	return input < FirstNormalObjectId &&
		func_volatile(input) != PROVOLATILE_IMMUTABLE;
}

bool
rtc_text_names_moment(const char *text, size_t len)
{
	static const char *const moments[] = {"now", "today", "tomorrow", "yesterday"};
	size_t		i = 0;

	while (i < len)
	{
		size_t		start = i;

		while (i < len && isalpha((unsigned char) text[i]))
			i++;
		for (int m = 0; m < lengthof(moments); m++)
		{
			if (i - start == strlen(moments[m]) &&
				pg_strncasecmp(text + start, moments[m], i - start) == 0)
				return true;
		}
		if (i == start)
			i++;
	}
	return false;
}

/*
 * Finds 'now', 'today' and the like.  The parser has turned such a literal into
 * the date of that moment already; but it left us where the literal began.
 */
static void
judge_constant(Judge *judge, Const *constant)
{
	const char *start;
	const char *end;
	size_t		len;
	bool		escapes;		/* E'...' or U&'...' */

	if (constant->location < 0 || constant->location >= judge->textlen ||
		constant->constisnull || !rtc_type_reads_moments(constant->consttype))
		return;

	/* from the opening quote to the closing one, as near as matters */
	start = judge->text + constant->location;
	len = judge->textlen - constant->location;
	while (len > 0 && *start != '\'' && *start != '$')
	{
		start++;
		len--;
	}
	if (len == 0)
		return;
	escapes = start > judge->text + constant->location && *start == '\'';
	if (*start == '$')
	{
		end = memchr(start + 1, '$', len - 1);
		if (end == NULL)
			return;
		len -= end + 1 - start;
		start = end + 1;
		end = memchr(start, '$', len);
	}
	else
	{
		start++;
		len--;
		end = memchr(start, '\'', len);
	}
	if (end != NULL)
		len = end - start;

	/* With escapes there is no telling without reading them. */
	if (rtc_text_names_moment(start, len) ||
		(escapes && memchr(start, '\\', len) != NULL))
	{
		judge->verdict->names_moment = true;
		object(judge, RTC_UNCACHEABLE_TIME);
	}
}

/* May a value of this type contain money? */
static bool
type_may_hold_money(Oid typid)
{
	Oid			element;

	typid = getBaseType(typid);
	element = get_element_type(typid);
	if (OidIsValid(element))
		typid = getBaseType(element);
	return typid == MONEYOID || type_is_rowtype(typid);
}

/* Notes whether a node brings money in; nobody knows what functions do. */
static bool
brings_money(Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcid >= FirstNormalObjectId)
				return true;
			return type_may_hold_money(exprType(node));
		case T_CoerceViaIO:
		case T_Const:
		case T_Param:
		case T_RowExpr:
		case T_Var:
			return type_may_hold_money(exprType(node));
		case T_Aggref:
			return ((Aggref *) node)->aggfnoid >= FirstNormalObjectId;
		case T_WindowFunc:
			return ((WindowFunc *) node)->winfnoid >= FirstNormalObjectId;
		case T_OpExpr:
			return ((OpExpr *) node)->opno >= FirstNormalObjectId;
		default:
			return false;
	}
}

/* Does a relation show rows of this session's temporary tables? */
static bool
has_temporary_child(Oid relid)
{
	ListCell   *lc;

	if (!has_subclass(relid))
		return false;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (isTempNamespace(get_rel_namespace(lfirst_oid(lc))))
			return true;
	}
	return false;
}

/* Judges one relation, and notes it. */
static void
judge_relation(Judge *judge, RangeTblEntry *rte)
{
	RtcVerdict *verdict = judge->verdict;

	/* Not set: a view whose query has taken its place, noted in there. */
	if (rte->rellockmode != NoLock)
	{
		verdict->relids = lappend_oid(verdict->relids, rte->relid);
		verdict->lockmodes = lappend_int(verdict->lockmodes,
										 rte->rellockmode);
	}

	/* A view counts as what is in it. */
	if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW)
		return;

	if (IsCatalogRelationOid(rte->relid))
		object(judge, REASON_CATALOG);
	else if (rte->relkind == RELKIND_SEQUENCE)
		object(judge, REASON_SEQUENCE);
	else if (get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP ||
			 (rte->inh && has_temporary_child(rte->relid)))
		object(judge, REASON_TEMPORARY);
	else if (check_enable_rls(rte->relid,
							  check_as_user_compat(judge->query, rte),
							  true) == RLS_ENABLED)
		object(judge, REASON_RLS);
}

/* Judges how a result column is written: 'pg_class'::regclass, for example. */
static void
judge_column(Judge *judge, Oid typid)
{
	Oid			element;
	Oid			output;
	bool		isvarlena;
	const char *reason;

	typid = getBaseType(typid);
	element = get_element_type(typid);
	if (OidIsValid(element))
		typid = getBaseType(element);
	getTypeOutputInfo(typid, &output, &isvarlena);
	reason = judge_function(output);
	if (reason != NULL)
		object(judge, reason);
}

static bool
judge_walker(Node *node, void *context)
{
	Judge	   *judge = context;

	if (node == NULL)
		return false;

	if (IsA(node, Query))
	{
		Query	   *outer = judge->query;

		judge->query = (Query *) node;
		if (judge->query->rowMarks != NIL)
			object(judge, REASON_ROW_LOCK);
		(void) query_tree_walker(judge->query, judge_walker, context,
								 QTW_EXAMINE_RTES_BEFORE);
		judge->query = outer;
		return false;
	}
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if ((rte->rtekind == RTE_RELATION || rte->rtekind == RTE_SUBQUERY) &&
			OidIsValid(rte->relid))
			judge_relation(judge, rte);
		return false;			/* query_tree_walker goes into it */
	}

	(void) check_functions_in_node(node, function_walker, context);
	if (!judge->verdict->money)
		judge->verdict->money = brings_money(node);
	if (IsA(node, FuncExpr))
		judge_pattern(judge, (FuncExpr *) node);
	else if (IsA(node, Const))
		judge_constant(judge, (Const *) node);
	else if (IsA(node, Var))
	{
		/* ctid, xmin and others change without a write to the row */
		if (((Var *) node)->varattno < 0 &&
			((Var *) node)->varattno != TableOidAttributeNumber)
			object(judge, REASON_SYSTEM_COLUMN);
	}
	else if (IsA(node, SQLValueFunction))
		judge_keyword(judge, (SQLValueFunction *) node);
	else if (IsA(node, NextValueExpr))
		object(judge, REASON_VOLATILE);
	else if (IsA(node, TableSampleClause))
		object(judge, REASON_SAMPLE);

	return expression_tree_walker(node, judge_walker, context);
}

void
rtc_judge_query(List *queries, const char *text, RtcVerdict *verdict)
{
	Judge		judge;
	ListCell   *lc;

	memset(verdict, 0, sizeof(RtcVerdict));
	judge.verdict = verdict;
	judge.text = text;
	judge.textlen = strlen(text);
	judge.query = NULL;

	foreach(lc, queries)
	{
		Query	   *query = lfirst_node(Query, lc);
		ListCell   *column;

		(void) judge_walker((Node *) query, &judge);
		foreach(column, query->targetList)
		{
			TargetEntry *tle = lfirst_node(TargetEntry, column);

			if (!tle->resjunk)
				judge_column(&judge, exprType((Node *) tle->expr));
		}
	}
}
