/*-------------------------------------------------------------------------
 *
 * rule_clash.c
 *		Does each row that rules store have a key of its own?
 *
 * Rows that share a key overwrite each other, and each takes the key away when
 * it is deleted.  This can come about in three ways:
 *
 * -   The template names no column.  All rows of the table have one key.
 *
 * -   Its columns are not unique.  They are if a unique index is on columns of
 *	   the template alone; NULLs do no harm, since a key with a NULL is none.
 *	   Without such an index the rows may still differ, so that is a WARNING.
 *
 * -   Another rule makes the same keys, mostly that of a table of the same name
 *	   in another schema.  Two templates of the same shape (key_shape.c) are
 *	   taken for certain to do so.  If they only have some keys in common, nobody
 *	   knows whether rows have them: a WARNING.  So it is if one table has the
 *	   columns of the other and may be about to become its partition.
 *
 * A row of a partition or an inheritance child is a row of its parent, so
 * rules of one family with the same template do not clash.
 *
 * cache_attach() refuses what is certain.  CREATE TRIGGER only warns, because
 * what pg_dump has written must be restored.
 *
 * Model: called inside a transaction, by the backend that makes the rule and
 * holds a lock on its table.  Rules of other open transactions are not seen;
 * cache_health() tells of them later.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "ddl/rule_clash.h"
#include "rule/rule_catalog.h"
#include "rule/template.h"
#include "write/row_changes.h"

/* Pairs that rtc_clashing_rules() names. */
#define CLASHES_NAMED 3

/* Bytes of a template that a message shows. */
#define TEMPLATE_SHOWN 100

/* Is a unique index on columns of the template alone? */
static bool
has_unique_columns(Relation rel, const RtcTemplate *tmpl)
{
	bool		unique = false;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;
		bool		fits = form->indisunique && form->indisvalid &&
		RelationGetIndexPredicate(index) == NIL;

		for (int i = 0; i < form->indnkeyatts && fits; i++)
			fits = form->indkey.values[i] > 0 &&
				rtc_template_uses(tmpl, form->indkey.values[i]);
		index_close(index, AccessShareLock);
		unique |= fits;
	}
	return unique;
}

/* Have two tables a common ancestor, or is one the ancestor of the other? */
static bool
is_family(Oid relid, Oid other)
{
	List	   *ancestors;
	ListCell   *lc;

	if (relid == other)
		return false;			/* two rules of one table */
	ancestors = rtc_track_ancestors(relid);
	foreach(lc, rtc_track_ancestors(other))
	{
		if (list_member_oid(ancestors, lfirst_oid(lc)))
			return true;
	}
	return false;
}

/* Has the other table a column of the same name and type for each column? */
static bool
has_columns_of(Oid relid, Oid other)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int			natts = 0;
	bool		same = true;

	if (HeapTupleIsValid(tuple))
	{
		natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
		ReleaseSysCache(tuple);
	}
	for (AttrNumber attnum = 1; attnum <= natts && same; attnum++)
	{
		char	   *name = get_attname(relid, attnum, true);
		AttrNumber	twin;

		/* it has been dropped */
		if (name == NULL || !OidIsValid(get_atttype(relid, attnum)))
			continue;
		twin = get_attnum(other, name);
		same = twin != InvalidAttrNumber &&
			get_atttype(other, twin) == get_atttype(relid, attnum);
	}
	return same;
}

/* Can one of the tables be made a partition of the other? */
static bool
can_be_family(Oid relid, Oid other)
{
	bool		is_child = get_rel_relkind(other) == RELKIND_PARTITIONED_TABLE &&
	!get_rel_relispartition(relid);
	bool		is_parent = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE &&
	!get_rel_relispartition(other);

	return (is_child || is_parent) &&
		has_columns_of(relid, other) && has_columns_of(other, relid);
}

/*
 * The rule that surely makes keys of this shape, or else one that makes some
 * of them; NULL = none.  tgoid: our own rule.
 */
static const RtcRuleRow *
find_clash(Oid relid, Oid tgoid, const char *tmpl, const RtcShape *shape,
		   RtcShapeRelation *relation)
{
	const RtcRuleRow *found = NULL;
	ListCell   *lc;

	*relation = RTC_SHAPES_DISJOINT;
	foreach(lc, rtc_rule_keys())
	{
		const RtcRuleRow *other = lfirst(lc);
		RtcShapeRelation this;

		if (other->tgoid == tgoid)
			continue;
		this = rtc_shapes_compare(shape, other->shape);
		if (this > *relation &&
			!(strcmp(tmpl, other->text.key) == 0 && is_family(relid, other->relid)))
		{
			found = other;
			*relation = this;
		}
	}
	return found;
}

/* The name of a table, with its schema if need be. */
static const char *
table_name(Oid relid)
{
	return DatumGetCString(DirectFunctionCall1(regclassout,
											   ObjectIdGetDatum(relid)));
}

/* A template for a message, clipped. */
static const char *
shown(const char *tmpl)
{
	int			len = strlen(tmpl);
	int			clipped = pg_mbcliplen(tmpl, len, TEMPLATE_SHOWN);

	return clipped == len ? tmpl : psprintf("%.*s...", clipped, tmpl);
}

void
rtc_check_clash(Relation rel, Oid tgoid, const char *text)
{
	int			elevel = OidIsValid(tgoid) ? WARNING : ERROR;
	Oid			relid = RelationGetRelid(rel);
	const char *table = table_name(relid);
	RtcNames	names;
	RtcFault	fault;
	RtcTemplate *tmpl;
	RtcShape   *shape;
	const RtcRuleRow *other;
	RtcShapeRelation relation;

	rtc_names_of(relid, &names);
	tmpl = rtc_template_parse(text, RelationGetDescr(rel), &names, &fault);
	if (tmpl == NULL)
		return;
	shape = rtc_shape_make(text, &names, relid);

	if (rtc_shape_is_static(shape))
		ereport(elevel,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key template \"%s\" gives all rows of table \"%s\" the same key",
						shown(text), table),
				 errdetail("Each row that is written replaces the one before."),
				 elevel == ERROR ?
				 errhint("Name the columns of a unique index in the template. For a table that never has more than one row, use CREATE TRIGGER.") :
				 errhint("Name the columns of a unique index in the template, unless the table never has more than one row.")));
	else if (elevel == WARNING && !has_unique_columns(rel, tmpl))
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("rows of table \"%s\" may share the key that template \"%s\" makes",
						table, shown(text)),
				 errdetail("There is no unique index on columns of the template alone."),
				 errhint("Name the columns of a unique index in the template, unless the rows differ anyway.")));

	other = find_clash(relid, tgoid, text, shape, &relation);
	if (relation == RTC_SHAPES_SAME)
	{
		/* it may be about to become a partition of the other, or its parent */
		bool		family = strcmp(text, other->text.key) == 0 &&
		can_be_family(relid, other->relid);

		if (!family || elevel == WARNING)
			ereport(elevel,
					(errcode(family ? ERRCODE_WARNING : ERRCODE_DUPLICATE_OBJECT),
					 errmsg("key template \"%s\" of table \"%s\" makes the keys of rule \"%s\" on table \"%s\"",
							shown(text), table, other->name,
							table_name(other->relid)),
					 errdetail("What one of them stores replaces what the other has stored."),
					 family ?
					 errhint("Make one table a partition of the other, or put {.table} into the template.") :
					 other->relid == relid ?
					 errhint("Drop the other rule first.") :
					 errhint("Put {.schema} or {.table} into the template.")));
	}
	else if (relation == RTC_SHAPES_OVERLAP && elevel == WARNING)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("key template \"%s\" of table \"%s\" can make keys of rule \"%s\" on table \"%s\"",
						shown(text), table, other->name,
						table_name(other->relid)),
				 errdetail("The template of that rule is \"%s\".",
						   shown(other->text.key)),
				 errhint("Let the templates begin differently, or put {.table} into them.")));
}

int
rtc_clashing_rules(StringInfo buf)
{
	List	   *rules = rtc_rule_keys();
	int			n = 0;

	for (int i = 0; i < list_length(rules); i++)
	{
		const RtcRuleRow *a = list_nth(rules, i);

		for (int j = 0; j < i; j++)
		{
			const RtcRuleRow *b = list_nth(rules, j);

			CHECK_FOR_INTERRUPTS();
			if (!rtc_shapes_equal(a->shape, b->shape) ||
				(strcmp(a->text.key, b->text.key) == 0 && is_family(a->relid, b->relid)))
				continue;
			if (n < CLASHES_NAMED)
				appendStringInfo(buf, "%s\"%s\" on %s and \"%s\" on %s",
								 n > 0 ? "; " : "", b->name,
								 table_name(b->relid), a->name,
								 table_name(a->relid));
			else if (n == CLASHES_NAMED)
				appendStringInfoString(buf, "; ...");
			n++;
		}
	}
	return n;
}
