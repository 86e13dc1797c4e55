/*-------------------------------------------------------------------------
 *
 * judge.c
 *		What the executor calls: functions, types, operators.
 *
 * cacheable.c visits the query and tells what each node makes the executor do:
 * call a function (judge_function.c), use an operator, have values of a type,
 * or read text as a type (judge_type.c).  These find out what that brings
 * along, until everything has been judged.
 *
 * The query is judged, not its plan, which depends on statistics, settings and
 * arguments.  So everything counts that any plan may call.
 *
 * Functions.  function_list.c judges those of the server.  A function of a
 * user must be IMMUTABLE.  The query does not show what a stable one reads, so
 * nobody could check who may read it, or whether row-level security applies.
 *
 * A function in C or PL/pgSQL cannot be looked into.  Its IMMUTABLE is
 * believed, but does not cover
 *
 * -   default arguments, which the planner puts into the call;
 *
 * -   the constraints of domains among its arguments and results;
 *
 * -   the body of a function in SQL, which the planner may put in the place of
 *	   the call.  It is judged like a part of the query, and must not read a
 *	   table;
 *
 * -   the functions of an aggregate, which is called immutable whatever it is
 *	   made of.
 *
 * Operators.  NOT (a < b) becomes a >= b, and 5 = a becomes a = 5, so negator
 * and commutator count.  Sorting, hashing, merging and the pruning of
 * partitions call functions of the operator families (btree, hash) that an
 * operator is in.  A plan may compare values that the query does not compare,
 * like a = c for a = b AND b = c.  So all members of a family count, except
 * the server's own.
 *
 * Types.  Functions write, compare and hash values of any type they are given.
 * So each type of a value in the query brings along its output function, its
 * cast to json (which also makes the text that is stored), its operator
 * classes and, for a range type, the functions of the range.  Reading text
 * calls the input function and checks domains.  The functions of rows, arrays,
 * ranges and domains hide those of their parts, so types are taken apart.
 *
 * Some code is not judged, because it does not change an answer, or because
 * only a superuser can write it, in C: what helps to choose a plan
 * (selectivity, support functions, statistics), functions of access methods
 * with arguments of type internal, handlers of languages, foreign data and
 * tables, hooks, dictionaries and parsers of text search, and type modifiers
 * (the parser applies them; the query's id has the outcome).  Expressions and
 * conditions of indexes are computed when a row is written; a reader only
 * compares them with the query's.
 *
 * Each object is judged once.  Functions that types and operators bring along,
 * and expressions, wait in a queue.  So the work grows with the query, and the
 * stack with the depth of a type.
 *
 * Model: called by cacheable.c when a query is prepared, in a transaction with
 * a snapshot.  Reads catalogs and may raise.  Allocates in the memory context
 * that was current when the judgement began.  Keeps no state: after DDL the
 * query is prepared again.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "query/judge.h"

RtcJudge *
rtc_judge_begin(void)
{
	RtcJudge   *judge = palloc0(sizeof(RtcJudge));
	HASHCTL		info;

	info.keysize = sizeof(RtcJudgedKey);
	info.entrysize = sizeof(RtcJudged);
	info.hcxt = CurrentMemoryContext;
	judge->judged = hash_create("rtcache judged", 128, &info,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return judge;
}

void
rtc_judge_object(RtcJudge *judge, const char *reason)
{
	/* the first reason stays: any of them is true */
	if (reason != NULL && judge->reason == NULL)
		judge->reason = judge->place == NULL ? reason :
			psprintf("%s in %s", reason, judge->place);
}

RtcJudged *
rtc_judge_remember(RtcJudge *judge, RtcAspect aspect, Oid oid, bool *first)
{
	RtcJudgedKey key = {aspect, oid};
	RtcJudged  *judged;
	bool		found;

	judged = hash_search(judge->judged, &key, HASH_ENTER, &found);
	*first = !found;
	if (found)
		return judged;

	judged->moments = false;
	if (aspect == RTC_ASPECT_CALL)
		judge->functions = lappend_oid(judge->functions, oid);
	else if (aspect != RTC_ASPECT_OPERATOR && aspect != RTC_ASPECT_FAMILY)
		judge->types = lappend_oid(judge->types, oid);
	return judged;
}

void
rtc_judge_later(RtcJudge *judge, Oid funcid, Node *tree, const char *text,
				const char *place)
{
	RtcUnseen  *unseen = palloc(sizeof(RtcUnseen));

	unseen->place = place;
	unseen->funcid = funcid;
	unseen->tree = tree;
	unseen->text = text;
	judge->pending = lappend(judge->pending, unseen);
}
