/*-------------------------------------------------------------------------
 *
 * cacheable.c
 *		May the answer of a query be cached?
 *
 * Yes, if everybody who asks the same question at the same time would get the
 * same answer, and if only writes to tables change it.  The verdict comes from
 * the analyzed and rewritten query tree, so views are looked into.
 *
 * Which functions and types it may use is told by portable.c.
 *
 * The text 'today' is one date now and another one tomorrow.  A literal and an
 * argument are texts that we can look at; any other text that the query makes a
 * date of is known to nobody before it runs.
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
#include "parser/scanner.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "cacheable.h"
#include "compat.h"

/* Reasons.  Short and stable: they are shown to users. */
#define REASON_CATALOG		"system catalog"
#define REASON_TEMPORARY	"temporary table"
#define REASON_SEQUENCE		"sequence"
#define REASON_ROW_LOCK		"row lock"
#define REASON_RLS			"row-level security"
#define REASON_SAMPLE		"table sample"
#define REASON_SYSTEM_COLUMN	"system column"

typedef struct Judge
{
	RtcVerdict *verdict;
	const char *text;			/* source text of the query */
	size_t		textlen;
	Query	   *query;			/* whose nodes are being visited */
	List	   *harmless;		/* nodes whose type does not matter */
} Judge;

/* The first reason stays: any of them is true. */
static void
object(Judge *judge, const char *reason)
{
	if (judge->verdict->reason == NULL)
		judge->verdict->reason = reason;
}

/* Why reading, or writing, values of a type spoils the query; NULL = no. */
static const char *
input_reason(Judge *judge, Oid typid)
{
	judge->verdict->row_types |= rtc_type_has_rows(typid);
	return rtc_judge_input(typid);
}

static const char *
output_reason(Judge *judge, Oid typid)
{
	judge->verdict->row_types |= rtc_type_has_rows(typid);
	return rtc_judge_type(typid);
}

static bool
function_walker(Oid funcid, void *context)
{
	Judge	   *judge = context;
	const char *reason = rtc_judge_function(funcid);

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
	if (name == NULL || !rtc_is_pattern_function(name))
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

static const char *const moments[] = {"now", "today", "tomorrow", "yesterday"};

/* Is such a word in the text?  "words": not as a part of another one. */
static bool
find_moment(const char *text, size_t len, bool words)
{
	for (size_t i = 0; i < len; i++)
	{
		if (words && i > 0 && isalpha((unsigned char) text[i - 1]))
			continue;
		for (int m = 0; m < lengthof(moments); m++)
		{
			size_t		n = strlen(moments[m]);

			if (len - i >= n &&
				pg_strncasecmp(text + i, moments[m], n) == 0 &&
				!(words && len - i > n &&
				  isalpha((unsigned char) text[i + n])))
				return true;
		}
	}
	return false;
}

bool
rtc_text_names_moment(const char *text, size_t len)
{
	char	   *bare;
	size_t		n = 0;
	bool		found;

	if (find_moment(text, len, true))
		return true;
	if (memchr(text, '\\', len) == NULL && memchr(text, '"', len) == NULL)
		return false;

	/* Rows, arrays and ranges take {to\day} and (to"d"ay) for the same. */
	bare = palloc(len);
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] != '\\' && text[i] != '"')
			bare[n++] = text[i];
	}
	found = find_moment(bare, n, false);
	pfree(bare);
	return found;
}

/*
 * The string that a literal in the source text stands for; NULL = there is no
 * telling, as with escapes that the scanner leaves to others.
 */
static char *
read_literal(const char *text)
{
	core_yyscan_t scanner;
	core_yy_extra_type extra;
	core_YYSTYPE value;
	YYLTYPE		location;

	/* All of these are strings for the scanner, whatever follows. */
	if (*text != '\'' && *text != '$' &&
		!((*text == 'E' || *text == 'e') && text[1] == '\''))
		return NULL;
	scanner = scanner_init(text, &extra, &ScanKeywords, ScanKeywordTokens);
	(void) core_yylex(&value, &location, scanner);
	scanner_finish(scanner);
	return value.str;
}

/*
 * Finds 'now', 'today' and the like.  The parser has turned such a literal into
 * the date of that moment already; but it left us where the literal began.
 */
static void
judge_constant(Judge *judge, Const *constant)
{
	char	   *literal;

	if (constant->location < 0 || constant->location >= judge->textlen ||
		constant->constisnull || !rtc_type_reads_moments(constant->consttype))
		return;

	literal = read_literal(judge->text + constant->location);
	if (literal == NULL || rtc_text_names_moment(literal, strlen(literal)))
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

/*
 * Notes arguments whose type does not matter, since they are taken for what
 * they are: to_tsvector('english', ...), tableoid = 'city'::regclass.  Only
 * constants and columns, which nobody has to look up.
 */
static void
note_harmless(Judge *judge, Oid funcid, List *args)
{
	Oid		   *argtypes;
	int			nargs;
	int			i = 0;
	ListCell   *lc;

	if (funcid >= FirstNormalObjectId)
		return;
	(void) get_func_signature(funcid, &argtypes, &nargs);
	foreach(lc, args)
	{
		Node	   *arg = lfirst(lc);

		if ((IsA(arg, Const) || IsA(arg, Var)) && i < nargs &&
			argtypes[i] == exprType(arg))
			judge->harmless = lappend(judge->harmless, arg);
		i++;
	}
}

/* Judges a list of types, for being read from text and written. */
static void
judge_columns(Judge *judge, List *types)
{
	ListCell   *lc;

	foreach(lc, types)
	{
		const char *reason = input_reason(judge, lfirst_oid(lc));

		if (reason == NULL)
			reason = output_reason(judge, lfirst_oid(lc));
		if (reason != NULL)
			object(judge, reason);
	}
}

/*
 * Judges what reads text as values of some type, while the query runs or before,
 * without calling the input function by its name.
 */
static void
judge_reading(Judge *judge, Node *node)
{
	const char *reason = NULL;

	switch (nodeTag(node))
	{
		case T_CoerceViaIO:
			reason = input_reason(judge, exprType(node));
			if (reason == NULL)
			{
				Node	   *arg = (Node *) ((CoerceViaIO *) node)->arg;

				reason = output_reason(judge, exprType(arg));
			}
			break;
		case T_FuncExpr:
			if (!list_member_ptr(judge->harmless, node) &&
				rtc_reads_its_type(((FuncExpr *) node)->funcid))
				reason = input_reason(judge, exprType(node));
			break;
		case T_Const:
		case T_Param:
			/* 'today' is looked for in the text, here and in query.c */
			if (!list_member_ptr(judge->harmless, node) &&
				!rtc_type_reads_moments(exprType(node)))
				reason = input_reason(judge, exprType(node));
			break;
		case T_RangeTblFunction:
			/* the columns are those of the record that the function returns */
			if (((RangeTblFunction *) node)->funccoltypes != NIL)
				judge->harmless = lappend(judge->harmless,
										  ((RangeTblFunction *) node)->funcexpr);
			judge_columns(judge, ((RangeTblFunction *) node)->funccoltypes);
			break;
		case T_TableFunc:
			judge_columns(judge, ((TableFunc *) node)->coltypes);
			break;
		default:
			if (reads_json_compat(node))
				judge_columns(judge, list_make1_oid(exprType(node)));
			break;
	}
	if (reason != NULL)
		object(judge, reason);
}

/*
 * Judges the type of an expression, wherever it stands: many functions write
 * whatever they are given, rows contain it, and parameters are read.  What such
 * a value comes from is one of these nodes.
 */
static void
judge_value(Judge *judge, Node *node)
{
	const char *reason = NULL;

	if (IsA(node, FuncExpr))
		note_harmless(judge, ((FuncExpr *) node)->funcid,
					  ((FuncExpr *) node)->args);
	else if (IsA(node, OpExpr))
		note_harmless(judge, get_opcode(((OpExpr *) node)->opno),
					  ((OpExpr *) node)->args);
	else if (IsA(node, RelabelType) &&
			 ((RelabelType *) node)->resulttype == OIDOID &&
			 !IsA(((RelabelType *) node)->arg, Param))
		judge->harmless = lappend(judge->harmless,
								  ((RelabelType *) node)->arg);
	judge_reading(judge, node);
	if (list_member_ptr(judge->harmless, node))
		return;

	switch (nodeTag(node))
	{
		case T_Aggref:
		case T_ArrayCoerceExpr:
		case T_CoerceViaIO:
		case T_Const:
		case T_FuncExpr:
		case T_OpExpr:
		case T_Param:
		case T_RelabelType:
		case T_Var:
		case T_WindowFunc:
			reason = output_reason(judge, exprType(node));
			break;
		default:
			break;
	}
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

	/* A conversion through text is judged by its types. */
	if (!IsA(node, CoerceViaIO))
		(void) check_functions_in_node(node, function_walker, context);
	judge_value(judge, node);
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
	judge.harmless = NIL;

	foreach(lc, queries)
	{
		Query	   *query = lfirst_node(Query, lc);

		(void) judge_walker((Node *) query, &judge);
	}
}
