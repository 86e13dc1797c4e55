/*-------------------------------------------------------------------------
 *
 * template.h
 *		Key templates: from rows to cache keys.  See template.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TEMPLATE_H
#define RTC_TEMPLATE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "lib/stringinfo.h"

#include "base/fault.h"
#include "rule/key_shape.h"

typedef struct RtcTemplate RtcTemplate; /* parsed "hero:{id}" */

/*
 * Parses a template for a row type, in the current memory context.  names:
 * those of the rule's table; NULL is allowed if the template does not use
 * them.  Returns NULL and fills *fault if it is wrong: 22023 malformed, 42703
 * unknown column, 0A000 virtual generated column.
 */
extern RtcTemplate *rtc_template_parse(const char *text, TupleDesc desc,
									   const RtcNames *names,
									   RtcFault *fault);

/*
 * Appends the key of a row.  Returns false, and leaves buf as it was, if a
 * column of the template is NULL.  The caller pins the settings if
 * rtc_template_needs_pin(), and checks the key, which may be too long or
 * reserved.
 */
extern bool rtc_template_render(RtcTemplate *tmpl, HeapTuple tuple,
								TupleDesc desc, StringInfo buf);

/* Does the template use this column? */
extern bool rtc_template_uses(const RtcTemplate *tmpl, AttrNumber attnum);

/*
 * The n-th part of a template, counted from 0; false = there are no more.
 * *attnum: the column, InvalidAttrNumber for literal text, which *text and *len
 * tell.
 */
extern bool rtc_template_part(const RtcTemplate *tmpl, int n,
							  AttrNumber *attnum, const char **text, int *len);

/* Does the text of any column depend on session settings? */
extern bool rtc_template_needs_pin(const RtcTemplate *tmpl);

/*
 * Does the text of this type, or of its base type, depend on session settings?
 * True when in doubt.
 */
extern bool rtc_type_needs_pin(Oid typid);

/* Appends the text of an integer of 2, 4 or 8 bytes. */
extern void rtc_append_integer(StringInfo buf, Datum value, int16 len);

#endif							/* RTC_TEMPLATE_H */
