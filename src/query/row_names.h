/*-------------------------------------------------------------------------
 *
 * row_names.h
 *		Rows that a column picks by its value.  See row_names.c.
 *
 * Private to query_deps.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ROW_NAMES_H
#define RTC_ROW_NAMES_H

#include "postgres.h"

#include "access/attnum.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/rel.h"

#include "dep/dep.h"
#include "query/equalities.h"

/* No more values of a relation than these are named one by one. */
#define RTC_MAX_PINNED	32

/* The rows of a relation whose column has one of some values. */
typedef struct RtcPin RtcPin;

/*
 * Makes a pin, in the current memory context, of what a column of a relation
 * equals.  NULL = its values cannot be named.
 */
extern RtcPin *rtc_pin_make(Relation rel, AttrNumber attnum,
							const RtcFactValues *values);

/* Is this pin to be preferred, as far as the number of values goes? */
extern int	rtc_pin_cost(const RtcPin *pin);

/* Does the pin depend on parameters? */
extern bool rtc_pin_has_params(const RtcPin *pin);

/* Must settings be pinned when its parameters are read? */
extern bool rtc_pin_reads_settings(const RtcPin *pin);

/* May what a parameter means change, with a type of the user's? */
extern bool rtc_pin_reads_catalogs(const RtcPin *pin);

/*
 * Names the rows, at most max; -1 = there are more.  Duplicates are left out,
 * of dep[0] to dep[n - 1] as well, and the new number is returned.
 */
extern int	rtc_pin_evaluate(RtcPin *pin, ArrayType *args, RtcDep *dep, int n,
							 int max);

/* Appends what the pin says, like a condition of a query. */
extern void rtc_pin_describe(RtcPin *pin, ArrayType *args, StringInfo buf);

#endif							/* RTC_ROW_NAMES_H */
