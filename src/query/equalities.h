/*-------------------------------------------------------------------------
 *
 * equalities.h
 *		Which columns equal what, wherever it matters.  See equalities.c.
 *
 * For query_deps.c, row_names.c and rule_answer.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_EQUALITIES_H
#define RTC_EQUALITIES_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"

/* One of these values, or, if all of them are NULL, none. */
typedef struct RtcFactValues
{
	Oid			type;			/* what the operator takes them for */
	bool		is_array;		/* the one node is an array of values */
	List	   *nodes;			/* Const and external Param nodes */
} RtcFactValues;

/*
 * A column equals one of some values, or another column of the same query.
 * Columns are named by range table index and number.
 */
typedef struct RtcFact
{
	Index		varno;
	AttrNumber	attnum;
	Index		other_varno;	/* 0 = values */
	AttrNumber	other_attnum;
	RtcFactValues *values;		/* NULL = another column */
	Oid			opfamily;		/* hash family of the equality */
	Oid			collation;		/* under which it was judged */
	bool		builtin;		/* the operator comes with the server */
} RtcFact;

/* A query on the way from the top to the one being looked at. */
typedef struct RtcScope
{
	struct RtcScope *outer;		/* the one it is in; NULL = nothing known */
	Query	   *query;
	List	   *facts;			/* RtcFact: what is known where we are */
} RtcScope;

/*
 * Returns the facts of the scope and those that a condition (NULL = none)
 * adds; not all of them if there are very many.  The list of the scope is not
 * changed.
 */
extern List *rtc_facts_add(const RtcScope *scope, Node *quals);

/* All that a column equals: a list of RtcFact that have values. */
extern List *rtc_facts_about(List *facts, Index varno, AttrNumber attnum);

/*
 * A column of the scope's query equals the values of a fact about something
 * that is the same thing.  NULL = not by the equality of that column.
 */
extern RtcFact *rtc_facts_carry(const RtcScope *scope, Node *column,
								const RtcFact *fact);

#endif							/* RTC_EQUALITIES_H */
