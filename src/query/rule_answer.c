/*-------------------------------------------------------------------------
 *
 * rule_answer.c
 *		Is an answer what a rule stores anyway?
 *
 * A rule like rtcache_write_through('hero:{id}') puts each row into Redis as
 * it is written.  The answer of
 *
 *		cache_get('hero:5', 'SELECT * FROM hero WHERE id = $1', '{5}')
 *
 * is that row.  So it may be taken from there although no query stored it, and
 * it depends on nothing but its key, if
 *
 * -   the query selects the columns of the rule, in their order and under their
 *	   names, from one table that has no children and is no partition,
 *
 * -   its condition gives a value to each column of a unique index, and no more,
 *
 * -   the template of the rule uses just these columns, and makes the key of the
 *	   lookup of these values.  Equal values must be written alike: 1.0 and 1.00
 *	   would make two keys of one row,
 *
 * -   the rule sees every change: it is ENABLE ALWAYS, has no condition, and so
 *	   on.  Another rule may cover the table and see what this one does not,
 *
 * -   no other rule, of any table, can make this key,
 *
 * -   a rule for TRUNCATE that is ENABLE ALWAYS deletes this key, if there is
 *	   one for TRUNCATE at all.  Without one the table is not covered, and its
 *	   answers live by their time to live anyhow.
 *
 * Model: analyzed when a query is prepared; the result lives with its plan.
 * Asked when L1 does not have the answer.  Reads catalogs.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "base/key.h"
#include "base/pinned_settings.h"
#include "query/args.h"
#include "query/equalities.h"
#include "query/rule_answer.h"
#include "rule/rule_catalog.h"

/* A column that the condition gives a value to. */
typedef struct OwnedColumn
{
	AttrNumber	attnum;
	RtcArg		arg;			/* the parameter; number 0 = a constant */
	Datum		value;			/* the constant */
	bool		isnull;			/* the constant is NULL */
} OwnedColumn;

struct RtcOwned
{
	MemoryContext context;		/* of all this */
	Oid			tgoid;			/* the rule */
	RtcTemplate *key;			/* its template, for rows of "desc" */
	TupleDesc	desc;			/* of the table, with the values' types */
	bool		sees_truncate;	/* there is a rule for TRUNCATE ... */
	bool		forgets_all;	/* ... that deletes all keys */
	List	   *forgets;		/* RtcShape: ... or those of these shapes */
	Bitmapset  *attnums;		/* of the columns */
	int			ncolumns;
	OwnedColumn column[INDEX_MAX_KEYS];
};

/* ---------------- the query ---------------- */

/* The only table of a plain SELECT; NULL = the query is another one. */
static RangeTblEntry *
only_table(const Query *query)
{
	FromExpr   *from = query->jointree;
	RangeTblEntry *rte;

	if (query->commandType != CMD_SELECT || query->setOperations != NULL ||
		query->cteList != NIL || query->hasAggs || query->hasWindowFuncs ||
		query->hasTargetSRFs || query->hasSubLinks ||
		query->distinctClause != NIL || query->groupClause != NIL ||
		query->groupingSets != NIL || query->havingQual != NULL ||
		query->sortClause != NIL || query->limitCount != NULL ||
		query->limitOffset != NULL || query->rowMarks != NIL ||
		from == NULL || list_length(from->fromlist) != 1 ||
		!IsA(linitial(from->fromlist), RangeTblRef))
		return NULL;
	rte = rt_fetch(((RangeTblRef *) linitial(from->fromlist))->rtindex,
				   query->rtable);
	return rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_RELATION &&
		rte->securityQuals == NIL && rte->tablesample == NULL ? rte : NULL;
}

/* Are the results the columns of the rule, under their names? */
static bool
selects_columns(const Query *query, Relation rel, const RtcRowJson *row)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Var		   *var = (Var *) tle->expr;
		AttrNumber	attnum = rtc_row_json_column(row, n++);

		if (tle->resjunk || !IsA(var, Var) || var->varlevelsup != 0 ||
			var->varattno <= 0 || var->varattno != attnum ||
			tle->resname == NULL ||
			strcmp(tle->resname,
				   NameStr(TupleDescAttr(RelationGetDescr(rel),
										 attnum - 1)->attname)) != 0)
			return false;
	}
	if (n == 1)
	{
		/* cache_get() takes a single column of JSON as it is */
		TargetEntry *only = linitial_node(TargetEntry, query->targetList);
		Oid			type = getBaseType(exprType((Node *) only->expr));

		if (type == JSONOID || type == JSONBOID)
			return false;
	}
	return rtc_row_json_column(row, n) == InvalidAttrNumber;
}

/* Number of conditions that are connected by AND. */
static int
count_conditions(Node *quals)
{
	int			n = 0;
	ListCell   *lc;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (quals == NULL)
		return 0;
	if (!IsA(quals, BoolExpr) || ((BoolExpr *) quals)->boolop != AND_EXPR)
		return 1;
	foreach(lc, ((BoolExpr *) quals)->args)
		n += count_conditions(lfirst(lc));
	return n;
}

/* Are equal values of two types written alike? */
static bool
written_alike(Oid a, Oid b)
{
#define is_integer(type) \
	((type) == INT2OID || (type) == INT4OID || (type) == INT8OID)
#define is_text(type) ((type) == TEXTOID || (type) == VARCHAROID)

	return a == b || (is_integer(a) && is_integer(b)) ||
		(is_text(a) && is_text(b));
}

/* Are equal values of a column identical? */
static bool
equality_is_identity(Form_pg_attribute att)
{
	TypeCacheEntry *type = lookup_type_cache(att->atttypid,
											 TYPECACHE_BTREE_OPFAMILY |
											 TYPECACHE_HASH_OPFAMILY);
	Oid			proc;

	/* both families of the server agree */
	if (!OidIsValid(type->btree_opf) ||
		type->btree_opf >= FirstNormalObjectId ||
		type->hash_opf >= FirstNormalObjectId ||
		getBaseType(att->atttypid) == BPCHAROID)
		return false;
	proc = get_opfamily_proc(type->btree_opf, type->btree_opintype,
							 type->btree_opintype, BTEQUALIMAGE_PROC);
	return OidIsValid(proc) &&
		DatumGetBool(OidFunctionCall1Coll(proc, att->attcollation,
										  ObjectIdGetDatum(type->btree_opintype)));
}

/* Takes the value of a column from a fact; false = it cannot be used. */
static bool
take_column(RtcOwned *owned, Relation rel, const RtcFact *fact)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
										  fact->attnum - 1);
	OwnedColumn *column;
	Node	   *node;
	Oid			type;

	if (fact->values == NULL || fact->values->is_array ||
		list_length(fact->values->nodes) != 1 ||
		bms_is_member(fact->attnum, owned->attnums) ||
		owned->ncolumns == INDEX_MAX_KEYS || !equality_is_identity(att))
		return false;

	node = linitial(fact->values->nodes);
	type = getBaseType(exprType(node));
	column = &owned->column[owned->ncolumns++];
	column->attnum = fact->attnum;
	owned->attnums = bms_add_member(owned->attnums, fact->attnum);
	TupleDescInitEntry(owned->desc, fact->attnum, NameStr(att->attname), type,
					   -1, 0);
	if (IsA(node, Const))
	{
		Const	   *constant = (Const *) node;

		column->isnull = constant->constisnull;
		if (!column->isnull)
			column->value = datumCopy(constant->constvalue,
									  constant->constbyval,
									  constant->constlen);
	}
	else
		rtc_arg_init(&column->arg, (Param *) node, owned->context);
	return written_alike(type, getBaseType(att->atttypid));
}

/* Has the table a unique index on just these columns? */
static bool
is_unique(const RtcOwned *owned, Relation rel)
{
	bool		found = false;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = relation_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;
		bool		fits;

		fits = form->indisunique && form->indimmediate && form->indisvalid &&
			form->indisready && form->indislive &&
			form->indnkeyatts == owned->ncolumns &&
			RelationGetIndexPredicate(index) == NIL;
		for (int i = 0; i < form->indnkeyatts && fits; i++)
		{
			AttrNumber	attnum = form->indkey.values[i];
			Form_pg_attribute att;

			fits = attnum > 0 && bms_is_member(attnum, owned->attnums);
			if (!fits)
				break;
			att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
			fits = index->rd_opfamily[i] ==
				lookup_type_cache(att->atttypid,
								  TYPECACHE_BTREE_OPFAMILY)->btree_opf &&
				index->rd_indcollation[i] == att->attcollation;
		}
		relation_close(index, AccessShareLock);
		found |= fits;
	}
	return found;
}

/* ---------------- the rules ---------------- */

/* Does a template use just these columns? */
static bool
uses_columns(const RtcOwned *owned, Relation rel, const RtcTemplate *tmpl)
{
	for (int i = 1; i <= RelationGetDescr(rel)->natts; i++)
	{
		if (rtc_template_uses(tmpl, i) != bms_is_member(i, owned->attnums))
			return false;
	}
	return true;
}

/* Notes what a rule deletes at TRUNCATE. */
static void
take_truncate(RtcOwned *owned, const RtcRuleText *text, const RtcNames *names)
{
	ListCell   *lc;

	owned->forgets_all |= rtc_rule_forgets_all(text, names);
	foreach(lc, text->del)
		owned->forgets = lappend(owned->forgets,
								 rtc_shape_make(lfirst(lc), names, InvalidOid));
}

/* Looks at the rules of the table; false = none stores the answer. */
static bool
take_rules(RtcOwned *owned, const Query *query, Relation rel)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];
		RtcRuleKind kind = rtc_rule_kind(trigger->tgfoid);
		RtcRule    *rule;
		RtcRuleText text;
		RtcNames	names;
		RtcFault	fault = {0};

		if ((kind != RTC_RULE_WRITE_THROUGH && kind != RTC_RULE_TRUNCATE) ||
			trigger->tgenabled == TRIGGER_DISABLED)
			continue;
		rule = rtc_rule_parse(rel, trigger, kind, &text, &names, &fault);
		if (rule == NULL)
			return false;

		if (kind == RTC_RULE_TRUNCATE)
		{
			owned->sees_truncate = true;
			if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS)
				take_truncate(owned, &text, &names);
		}
		else if (owned->key == NULL && rtc_rule_sees_rows(trigger) &&
				 uses_columns(owned, rel, rule->key) &&
				 selects_columns(query, rel, rule->row))
		{
			owned->tgoid = trigger->tgoid;
			owned->key = rtc_template_parse(text.key, owned->desc, &names,
											&fault);
		}
	}
	return owned->key != NULL;
}

RtcOwned *
rtc_owned_analyze(List *queries, MemoryContext context)
{
	Query	   *query = linitial_node(Query, queries);
	RangeTblEntry *rte = only_table(query);
	RtcScope	scope = {NULL, query, NIL};
	MemoryContext oldcontext;
	Relation	rel;
	RtcOwned   *owned = NULL;
	List	   *facts;
	ListCell   *lc;
	bool		fits;

	if (rte == NULL)
		return NULL;
	facts = rtc_facts_add(&scope, query->jointree->quals);
	if (facts == NIL ||
		list_length(facts) != count_conditions(query->jointree->quals))
		return NULL;

	/* most queries have no such rule: be quick */
	rel = relation_open(rte->relid, NoLock);
	fits = rel->trigdesc != NULL && rel->trigdesc->trig_insert_after_row &&
		!rel->rd_rel->relispartition &&
		(!has_subclass(rte->relid) ||
		 find_inheritance_children(rte->relid, AccessShareLock) == NIL);
	if (fits)
	{
		oldcontext = MemoryContextSwitchTo(context);
		owned = palloc0(sizeof(RtcOwned));
		owned->context = context;
		owned->desc = CreateTupleDescCopy(RelationGetDescr(rel));
		foreach(lc, facts)
			fits = fits && take_column(owned, rel, lfirst(lc));
		fits = fits && is_unique(owned, rel) && take_rules(owned, query, rel);
		MemoryContextSwitchTo(oldcontext);
	}
	relation_close(rel, NoLock);
	return fits ? owned : NULL;
}

/* ---------------- one call ---------------- */

/* Does TRUNCATE of the table delete the key, if rules see it? */
static bool
truncate_forgets(const RtcOwned *owned, const char *key, size_t keylen)
{
	ListCell   *lc;

	if (!owned->sees_truncate || owned->forgets_all)
		return true;
	foreach(lc, owned->forgets)
	{
		if (rtc_shape_matches(lfirst(lc), key, keylen))
			return true;
	}
	return false;
}

/* Can another rule make the key? */
static bool
has_rivals(const RtcOwned *owned, const char *key, size_t keylen)
{
	ListCell   *lc;

	foreach(lc, rtc_rules_that_make(key, keylen))
	{
		if (((RtcRuleRow *) lfirst(lc))->tgoid != owned->tgoid)
			return true;
	}
	return false;
}

const char *
rtc_owned_key(RtcOwned *owned, ArrayType *args, size_t *keylen)
{
	int			natts = owned->desc->natts;
	Datum	   *values = palloc0(natts * sizeof(Datum));
	bool	   *isnull = palloc(natts * sizeof(bool));
	StringInfoData key;
	int			nestlevel = -1;
	bool		found = true;

	memset(isnull, true, natts * sizeof(bool));
	initStringInfo(&key);
	if (rtc_template_needs_pin(owned->key))
		nestlevel = rtc_pin_query_settings(false);
	for (int i = 0; i < owned->ncolumns && found; i++)
	{
		OwnedColumn *column = &owned->column[i];
		Datum	   *value = &values[column->attnum - 1];

		*value = column->value;
		found = column->arg.number == 0 ? !column->isnull :
			rtc_arg_read(&column->arg, args, value);
		isnull[column->attnum - 1] = false;
	}
	found = found &&
		rtc_template_render(owned->key,
							heap_form_tuple(owned->desc, values, isnull),
							owned->desc, &key) &&
		rtc_key_is_valid(key.data, key.len);
	rtc_unpin_settings(nestlevel);
	if (!found)
		return NULL;

	if (has_rivals(owned, key.data, key.len) ||
		!truncate_forgets(owned, key.data, key.len))
		return NULL;
	*keylen = key.len;
	return key.data;
}
