/*-------------------------------------------------------------------------
 *
 * judge.c
 *		What the executor calls: functions, types, operators.
 *
 * cacheable.c goes through the query and tells here what each node makes the
 * executor do: call a function, use an operator, have values of a type, read
 * text as a type.  Here it is found out what that brings along, until nothing
 * is left that has not been judged.
 *
 * The query is judged, and not its plan: which plan is made depends on
 * statistics, on settings and on arguments, and it may be another one tomorrow.
 * So all that any plan may call counts.
 *
 * Functions.  Those of the server are in function_list.c.  A function of the user's
 * must be IMMUTABLE.  What a stable one reads is not in the query: nobody could
 * check whether another role may read it too, or whether row-level security
 * shows it something else.
 *
 * IMMUTABLE is a promise about what cannot be looked into, a function in C or
 * PL/pgSQL: it is believed.  It does not cover
 *
 * -   default arguments, which the planner puts into the call;
 *
 * -   the constraints of domains among its arguments and results;
 *
 * -   the body of a function in SQL, which the planner may put in the place of
 *	   the call: it is judged as if it were part of the query, and must not read
 *	   a table;
 *
 * -   the functions of an aggregate, which is called immutable whatever it is
 *	   made of.
 *
 * Operators.  NOT (a < b) becomes a >= b, and 5 = a becomes a = 5: so negator
 * and commutator count.  Sorting, hashing, merging and the pruning of partitions
 * call functions of the operator families (btree, hash) that an operator is in.
 * A plan may compare values that the query does not compare, like a = c for
 * a = b AND b = c.  So all of a family counts, but for what comes with the
 * server.
 *
 * Types.  Functions write, compare and hash values of whatever type they are
 * given.  So all of that counts for each type of a value in the query: output
 * function, a cast to json (by which the answer is stored, too), operator classes,
 * what belongs to a range type.  Reading text calls the input function and
 * checks domains.  The functions of a type that is part of a row, an array, a
 * range or a domain are hidden by those of the whole, so types are taken apart.
 *
 * Not judged, since they do not change an answer or can be written in C only, by
 * a superuser: what helps to choose a plan (selectivity, support functions,
 * statistics), functions of access methods with arguments of type internal,
 * handlers of languages, of foreign data and of tables, hooks, dictionaries and
 * parsers of text search, type modifiers (the parser applies them; the query is
 * named after the outcome).  Expressions and conditions of indexes are computed
 * when a row is written; a reader compares them with the query's.
 *
 * Each object is judged once, and expressions that come up wait in a queue: so
 * the work grows with the query, and the stack with the depth of a type.
 *
 * MODEL: called by cacheable.c when a query is prepared, in a transaction with
 * a snapshot.  Reads catalogs, keeps no state.  What DDL changes in them is read
 * when the query is prepared again.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "query/judge.h"
#include "query/judge_internal.h"

/* An expression that waits for being judged. */
typedef struct Pending
{
	RtcUnseen	unseen;
	RtcPlace	place;			/* where it is */
} Pending;

RtcJudge *
rtc_judge_begin(void)
{
	RtcJudge   *judge = palloc0(sizeof(RtcJudge));
	HASHCTL		info;

	judge->context = CurrentMemoryContext;
	info.keysize = sizeof(RtcJudgedKey);
	info.entrysize = sizeof(RtcJudged);
	info.hcxt = judge->context;
	judge->judged = hash_create("rtcache judged", 128, &info,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return judge;
}

const char *
rtc_judge_reason(const RtcJudge *judge)
{
	return judge->reason;
}

/* The name of an operator family. */
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

void
rtc_judge_object(RtcJudge *judge, const char *reason)
{
	const RtcPlace *place = &judge->place;

	/* The first reason stays: any of them is true. */
	if (reason == NULL || judge->reason != NULL)
		return;
	if (place->what == NULL)
		judge->reason = reason;
	else
		judge->reason = psprintf("%s in %s %s", reason, place->what,
								 place->classid == ProcedureRelationId ?
								 format_procedure(place->oid) :
								 place->classid == TypeRelationId ?
								 format_type_be(place->oid) :
								 family_name(place->oid));
}

RtcJudged *
rtc_judge_remember(RtcJudge *judge, RtcAspect aspect, Oid oid, bool *first)
{
	RtcJudgedKey key = {aspect, oid};
	RtcJudged  *judged;
	bool		found;

	judged = hash_search(judge->judged, &key, HASH_ENTER, &found);
	if (!found)
		judged->moments = false;
	*first = !found;
	return judged;
}

RtcPlace
rtc_judge_enter(RtcJudge *judge, const char *what, Oid classid, Oid oid)
{
	RtcPlace	before = judge->place;

	judge->place.what = what;
	judge->place.classid = classid;
	judge->place.oid = oid;
	return before;
}

void
rtc_judge_objects(const RtcJudge *judge, List **functions, List **types)
{
	HASH_SEQ_STATUS scan;
	RtcJudged  *judged;

	*functions = NIL;
	*types = NIL;
	hash_seq_init(&scan, judge->judged);
	while ((judged = hash_seq_search(&scan)) != NULL)
	{
		switch (judged->key.aspect)
		{
			case RTC_ASPECT_CALL:
				*functions = lappend_oid(*functions, judged->key.oid);
				break;
			case RTC_ASPECT_OPERATOR:
			case RTC_ASPECT_FAMILY:
				break;
			default:
				*types = lappend_oid(*types, judged->key.oid);
				break;
		}
	}
	list_sort(*functions, list_oid_cmp);
	list_sort(*types, list_oid_cmp);
	list_deduplicate_oid(*types);
}

/* ---------------- expressions ---------------- */

void
rtc_judge_later(RtcJudge *judge, Node *tree, const char *text, const char *what,
				Oid classid, Oid oid)
{
	Pending    *pending = palloc(sizeof(Pending));

	pending->unseen.tree = tree;
	pending->unseen.text = text;
	pending->unseen.is_body = IsA(tree, Query);
	pending->place.what = what;
	pending->place.classid = classid;
	pending->place.oid = oid;
	judge->pending = lappend(judge->pending, pending);
}

const RtcUnseen *
rtc_judge_next(RtcJudge *judge)
{
	Pending    *pending;

	if (judge->reason != NULL || judge->next >= list_length(judge->pending))
		return NULL;
	pending = list_nth(judge->pending, judge->next++);
	judge->place = pending->place;
	return &pending->unseen;
}
