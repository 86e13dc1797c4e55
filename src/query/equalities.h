/*-------------------------------------------------------------------------
 *
 * equalities.h
 *		Which columns equal what, wherever it matters.  See equalities.c.
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

/* One of these values; none if all are NULL. */
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

/* A query on the way down to the current one. */
typedef struct RtcScope
{
	struct RtcScope *outer;		/* NULL = nothing is known of it */
	Query	   *query;
	List	   *facts;			/* RtcFact: those that hold here */
} RtcScope;

/*
 * Returns a new list of the facts of the scope and of a condition (NULL =
 * none); not all of them if there are very many.
 */
extern List *rtc_facts_add(const RtcScope *scope, Node *quals);

/* The facts with values that a column equals. */
extern List *rtc_facts_about(List *facts, Index varno, AttrNumber attnum);

/*
 * Turns a fact about something that this expression is into one about the
 * column of the query that it is; NULL = it is no column with that equality.
 */
extern RtcFact *rtc_facts_carry(const RtcScope *scope, Node *column,
								const RtcFact *fact);

#endif							/* RTC_EQUALITIES_H */
