/*-------------------------------------------------------------------------
 *
 * judge_type.c
 *		What operators, and values of a type, make the executor call.
 *
 * See judge.c for what counts, and why.
 *
 * Model: as judge.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_range.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "query/function_list.h"
#include "query/judge.h"

/* Judges a function that catalogs lead to, unless it is the server's. */
static void
judge_found_function(RtcJudge *judge, Oid funcid)
{
	if (funcid >= FirstNormalObjectId)
		rtc_judge_later(judge, funcid, NULL, NULL, judge->place);
}

/* ---------------- operators ---------------- */

/* Does a function take what SQL cannot give? */
static bool
takes_internal(Oid funcid)
{
	Oid		   *argtypes;
	int			nargs;

	(void) get_func_signature(funcid, &argtypes, &nargs);
	for (int i = 0; i < nargs; i++)
	{
		if (argtypes[i] == INTERNALOID)
			return true;
	}
	return false;
}

static char *
family_name(Oid family)
{
	HeapTuple	tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		return psprintf("%u", family);
	name = pstrdup(NameStr(((Form_pg_opfamily) GETSTRUCT(tuple))->opfname));
	ReleaseSysCache(tuple);
	return name;
}

/* Judges the members of an operator family for btree or hash. */
static void
judge_family(RtcJudge *judge, Oid family)
{
	const char *before = judge->place;
	CatCList   *list;
	bool		first;

	if (!OidIsValid(family))
		return;
	(void) rtc_judge_remember(judge, RTC_ASPECT_FAMILY, family, &first);
	if (!first)
		return;

	judge->place = psprintf("operator family %s", family_name(family));
	list = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_amop form = (Form_pg_amop)
		GETSTRUCT(&list->members[i]->tuple);

		if (form->amopopr >= FirstNormalObjectId)
			judge_found_function(judge, get_opcode(form->amopopr));
	}
	ReleaseSysCacheList(list);

	list = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_amproc form = (Form_pg_amproc)
		GETSTRUCT(&list->members[i]->tuple);

		if (form->amproc >= FirstNormalObjectId &&
			!takes_internal(form->amproc))
			judge_found_function(judge, form->amproc);
	}
	ReleaseSysCacheList(list);
	judge->place = before;
}

void
rtc_judge_operator(RtcJudge *judge, Oid opno)
{
	HeapTuple	tuple;
	Form_pg_operator form;
	CatCList   *list;
	bool		first;

	if (!OidIsValid(opno))
		return;
	(void) rtc_judge_remember(judge, RTC_ASPECT_OPERATOR, opno, &first);
	tuple = first ? SearchSysCache1(OPEROID, ObjectIdGetDatum(opno)) : NULL;
	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_operator) GETSTRUCT(tuple);
	judge_found_function(judge, form->oprcode);
	if (form->oprnegate >= FirstNormalObjectId)
		judge_found_function(judge, get_opcode(form->oprnegate));
	if (form->oprcom >= FirstNormalObjectId)
		judge_found_function(judge, get_opcode(form->oprcom));
	ReleaseSysCache(tuple);

	list = SearchSysCacheList1(AMOPOPID, ObjectIdGetDatum(opno));
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_amop amop = (Form_pg_amop)
		GETSTRUCT(&list->members[i]->tuple);

		if (amop->amopmethod == BTREE_AM_OID || amop->amopmethod == HASH_AM_OID)
			judge_family(judge, amop->amopfamily);
	}
	ReleaseSysCacheList(list);
}

/* ---------------- types ---------------- */

/* Judges what a range type has besides its subtype. */
static void
judge_range(RtcJudge *judge, Oid typid)
{
	HeapTuple	tuple = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(typid));
	Form_pg_range form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_range) GETSTRUCT(tuple);
	judge_found_function(judge, form->rngcanonical);
	judge_found_function(judge, form->rngsubdiff);
	judge_family(judge, get_opclass_family(form->rngsubopc));
	ReleaseSysCache(tuple);
}

/* Judges the constraints of one domain, without those of its base type. */
static void
judge_domain(RtcJudge *judge, Oid typid)
{
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(typid));
	scan = systable_beginscan(catalog, ConstraintTypidIndexId, true, NULL, 1,
							  &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		value;
		bool		isnull;

		if (((Form_pg_constraint) GETSTRUCT(tuple))->contype != CONSTRAINT_CHECK)
			continue;
		value = heap_getattr(tuple, Anum_pg_constraint_conbin,
							 RelationGetDescr(catalog), &isnull);
		if (!isnull)
			rtc_judge_later(judge, InvalidOid,
							stringToNode(TextDatumGetCString(value)), NULL,
							psprintf("a check of domain %s",
									 format_type_be(typid)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* Judges the functions that write a value of a type without parts. */
static void
judge_writing(RtcJudge *judge, Oid typid)
{
	Oid			function;
	bool		isvarlena;

	getTypeOutputInfo(typid, &function, &isvarlena);
	rtc_judge_later(judge, function, NULL, NULL, judge->place);

	/* as json_categorize_type() of the server */
	if (typid >= FirstNormalObjectId &&
		find_coercion_pathway(JSONOID, typid, COERCION_EXPLICIT, &function) ==
		COERCION_PATH_FUNC)
	{
		const char *before = judge->place;

		judge->place = psprintf("the cast to json of type %s",
								format_type_be(typid));
		rtc_judge_later(judge, function, NULL, NULL, judge->place);
		judge->place = before;
	}
}

/* Judges the function that reads a type without parts, as rtc_judge_type(). */
static bool
judge_input(RtcJudge *judge, Oid typid, RtcAspect aspect)
{
	Oid			function;
	Oid			ioparam;
	bool		moments;

	getTypeInputInfo(typid, &function, &ioparam);
	moments = rtc_reads_moments(function);
	if (aspect == RTC_ASPECT_READING ||
		(aspect == RTC_ASPECT_READING_KNOWN && !moments))
		rtc_judge_later(judge, function, NULL, NULL, judge->place);
	return moments;
}

/* Judges the default operator classes, which functions find by type. */
static void
judge_classes(RtcJudge *judge, Oid typid)
{
	TypeCacheEntry *type = lookup_type_cache(typid,
											 TYPECACHE_BTREE_OPFAMILY |
											 TYPECACHE_HASH_OPFAMILY);
	Oid			hash = type->hash_opf;	/* the entry may change */

	judge_family(judge, type->btree_opf);
	judge_family(judge, hash);
}

/* Judges the attributes of a row type, as rtc_judge_type(). */
static bool
judge_attributes(RtcJudge *judge, Oid typid, RtcAspect aspect)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(typid, -1);
	bool		moments = false;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped)
			moments |= rtc_judge_type(judge, att->atttypid, aspect);
	}
	ReleaseTupleDesc(desc);
	return moments;
}

bool
rtc_judge_type(RtcJudge *judge, Oid typid, RtcAspect aspect)
{
	HeapTuple	tuple;
	RtcJudged  *judged;
	Form_pg_type form;
	Oid			element;
	bool		first;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	judged = rtc_judge_remember(judge, aspect, typid, &first);
	tuple = first ? SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid)) : NULL;
	if (!HeapTupleIsValid(tuple))
		return judged->moments;
	form = (Form_pg_type) GETSTRUCT(tuple);
	if (!form->typisdefined)
	{
		ReleaseSysCache(tuple);
		return false;
	}

	if (aspect == RTC_ASPECT_VALUES)
		judge_classes(judge, typid);
	element = get_element_type(typid);
	if (form->typtype == TYPTYPE_DOMAIN)
	{
		if (aspect == RTC_ASPECT_CHECKS)
			judge_domain(judge, typid);
		else if (aspect == RTC_ASPECT_READING ||
				 aspect == RTC_ASPECT_READING_KNOWN)
			(void) rtc_judge_type(judge, typid, RTC_ASPECT_CHECKS);
		judged->moments = rtc_judge_type(judge, form->typbasetype, aspect);
	}
	else if (OidIsValid(element))
		judged->moments = rtc_judge_type(judge, element, aspect);
	else if (form->typtype == TYPTYPE_RANGE)
	{
		if (aspect != RTC_ASPECT_MOMENTS)
			judge_range(judge, typid);
		judged->moments = rtc_judge_type(judge, get_range_subtype(typid),
										 aspect);
	}
	else if (form->typtype == TYPTYPE_MULTIRANGE)
		judged->moments = rtc_judge_type(judge, get_multirange_range(typid),
										 aspect);
	else if (form->typtype == TYPTYPE_COMPOSITE)
		judged->moments = judge_attributes(judge, typid, aspect);
	else if (aspect == RTC_ASPECT_VALUES)
		judge_writing(judge, typid);
	else if (aspect != RTC_ASPECT_CHECKS)
		judged->moments = judge_input(judge, typid, aspect);
	ReleaseSysCache(tuple);
	return judged->moments;
}
