/*-------------------------------------------------------------------------
 *
 * row_names.h
 *		Rows that a column picks by its value.  See row_names.c.
 *
 * For query_deps.c and query_deps_eval.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ROW_NAMES_H
#define RTC_ROW_NAMES_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/rel.h"

#include "dep/dep.h"
#include "query/args.h"
#include "query/equalities.h"

/* At most so many values of a relation are named one by one. */
#define RTC_MAX_PINNED	32

/* A constant, or a parameter that is a value or an array of them. */
typedef struct RtcPinItem
{
	RtcArg		arg;			/* parameter; number 0 = a constant */
	Oid			elemtype;		/* parameter: of its elements; invalid = it is
								 * no array */
	bool		isnull;			/* constant: it is NULL */
	RtcDep		dep;			/* constant: its rows */
	const char *text;			/* constant: for people */
} RtcPinItem;

/* The rows of a relation whose column has one of some values. */
typedef struct RtcPin
{
	Oid			relid;
	AttrNumber	attnum;
	const char *column;			/* its name, quoted where needed */
	Oid			collation;		/* of the column */
	FmgrInfo	hash;			/* of what it is compared with */
	FmgrInfo	output;			/* of what it is compared with */
	bool		quote;			/* a value is shown in quotes */
	bool		has_params;		/* it depends on parameters */
	bool		reads_settings; /* settings must be pinned to read them */
	bool		reads_catalogs; /* a user's type says what they mean */
	int			nitems;
	RtcPinItem	item[FLEXIBLE_ARRAY_MEMBER];
} RtcPin;

/*
 * Makes a pin, in the current memory context, of what a column of a relation
 * equals.  NULL = its values cannot be named.
 */
extern RtcPin *rtc_pin_make(Relation rel, AttrNumber attnum,
							const RtcFactValues *values);

/* How many values a pin has, or may have: the fewer, the better. */
extern int	rtc_pin_cost(const RtcPin *pin);

/*
 * Adds the names of the rows, for these arguments, to dep[0] to dep[n - 1], each
 * once.  Returns the new number; -1 = it would be more than max.  Errors: those
 * of the input and hash functions of types.
 */
extern int	rtc_pin_evaluate(RtcPin *pin, ArrayType *args, RtcDep *dep, int n,
							 int max);

/*
 * Appends what the pin says, like a condition of a query.  args: NULL =
 * parameters are shown as "$1".
 */
extern void rtc_pin_describe(RtcPin *pin, ArrayType *args, StringInfo buf);

#endif							/* RTC_ROW_NAMES_H */
