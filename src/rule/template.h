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
 * Parses a template against a row type, in the current memory context.  names:
 * those of the rule's table; they may be NULL if the template does not use
 * them.  Returns NULL and fills *fault (22023 malformed, 42703 unknown column,
 * 0A000 virtual generated column) when it is wrong.
 */
extern RtcTemplate *rtc_template_parse(const char *text, TupleDesc desc,
									   const RtcNames *names,
									   RtcFault *fault);

/*
 * Appends the rendered key.  Returns false, and leaves buf as it was, when a
 * column of the template is NULL in this tuple.  Settings must be pinned by
 * the caller if rtc_template_needs_pin().  The key may come out longer than
 * RTC_MAX_KEY_LEN, or reserved: callers check.
 */
extern bool rtc_template_render(RtcTemplate *tmpl, HeapTuple tuple,
								TupleDesc desc, StringInfo buf);

/* Is column attnum (1-based) used by the template? */
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
 * Does the text output of this type (or of the type under this domain) depend
 * on session settings?  True when in doubt.
 */
extern bool rtc_type_needs_pin(Oid typid);

/* Appends the text of an integer of 2, 4 or 8 bytes. */
extern void rtc_append_integer(StringInfo buf, Datum value, int16 len);

#endif							/* RTC_TEMPLATE_H */
