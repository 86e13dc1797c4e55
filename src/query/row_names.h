/*-------------------------------------------------------------------------
 *
 * row_names.h
 *		Rows that a column picks by its value.  See row_names.c.
 *
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

/* Values of a relation that are named one by one, at most. */
#define RTC_MAX_PINNED	32

/* A constant; or a parameter, which may be an array of values. */
typedef struct RtcPinItem
{
	RtcArg		arg;			/* parameter; number 0 = a constant */
	Oid			elemtype;		/* array parameter: type of its elements */
	bool		isnull;			/* constant: it is NULL */
	RtcDep		dep;			/* constant: its rows */
	const char *text;			/* constant: for people */
} RtcPinItem;

/* The rows of a relation that have one of some values in a column. */
typedef struct RtcPin
{
	Oid			relid;
	AttrNumber	attnum;
	const char *column;			/* its name, quoted if needed */
	Oid			collation;		/* of the column */
	FmgrInfo	hash;			/* of the values */
	FmgrInfo	output;			/* of the values */
	bool		quote;			/* values are shown in quotes */
	bool		has_params;
	bool		reads_settings; /* settings must be pinned to read arguments */
	bool		reads_catalogs; /* a value has a type of a user */
	int			nitems;
	RtcPinItem	item[FLEXIBLE_ARRAY_MEMBER];
} RtcPin;

/*
 * Makes a pin of what a column equals, in the current memory context.  NULL =
 * the values cannot be named.
 */
extern RtcPin *rtc_pin_make(Relation rel, AttrNumber attnum,
							const RtcFactValues *values);

/* The number of its values at most: the fewer, the better. */
extern int	rtc_pin_cost(const RtcPin *pin);

/*
 * Adds the names of the rows, for these arguments, to the n names in dep, each
 * once.  Returns the new number; -1 = more than max.  Errors: those of input
 * and hash functions.
 */
extern int	rtc_pin_evaluate(RtcPin *pin, ArrayType *args, RtcDep *dep, int n,
							 int max);

/* Appends the pin as a condition; without args (NULL) parameters are "$1". */
extern void rtc_pin_describe(RtcPin *pin, ArrayType *args, StringInfo buf);

#endif							/* RTC_ROW_NAMES_H */
