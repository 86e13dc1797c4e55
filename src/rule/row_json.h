/*-------------------------------------------------------------------------
 *
 * row_json.h
 *		A row as JSON text.  See row_json.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ROW_JSON_H
#define RTC_ROW_JSON_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "base/fault.h"

/* White space behind a value marks one that was not written by a rule. */
#define RTC_NO_ROW_MARK '\n'

typedef struct RtcRowJson RtcRowJson;	/* how to write rows of one type */

/*
 * Prepares for a row type, in the current memory context.  names: the columns
 * (list of char *) in their order; NIL = all.  Returns NULL and fills *fault
 * (42703, 22023, 0A000) when a column cannot be used.
 */
extern RtcRowJson *rtc_row_json_make(TupleDesc desc, List *names,
									 RtcFault *fault);

/*
 * Appends a row as row_to_json() would.  Returns false, with buf in any state,
 * if that takes more than limit bytes.  The caller pins the settings if
 * rtc_row_json_needs_pin().
 */
extern bool rtc_row_json_append(RtcRowJson *row, HeapTuple tuple,
								TupleDesc desc, StringInfo buf, size_t limit);

/* The same for a deformed row: a value for each column of the row type. */
extern bool rtc_row_json_append_values(RtcRowJson *row, const Datum *values,
									   const bool *isnull, StringInfo buf,
									   size_t limit);

/* The n-th column, from 0; InvalidAttrNumber behind the last one. */
extern AttrNumber rtc_row_json_column(const RtcRowJson *row, int n);

/* Adds the numbers of the columns to a list of int. */
extern List *rtc_row_json_columns(const RtcRowJson *row, List *columns);

/*
 * Does this text look like one of rtc_row_json_append()?  Text printed from
 * jsonb does not, because it has blanks behind colons; nor does text that ends
 * with RTC_NO_ROW_MARK.  May be false for a first name with escapes.
 */
extern bool rtc_is_row_text(const char *text, size_t len);

/* Does the text of any column depend on session settings? */
extern bool rtc_row_json_needs_pin(const RtcRowJson *row);

#endif							/* RTC_ROW_JSON_H */
