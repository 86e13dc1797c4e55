/*-------------------------------------------------------------------------
 *
 * behind.h
 *		Which columns of a table may be written behind, and from a key back to
 *		its row.  See behind.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_BEHIND_H
#define RTC_BEHIND_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

#include "base/fault.h"
#include "rule/template.h"

/* A row that a key names. */
typedef struct RtcBehindRow
{
	int			nkeys;			/* columns of the primary key */
	AttrNumber	attnum[INDEX_MAX_KEYS]; /* in the order of the index */
	Datum		value[INDEX_MAX_KEYS];	/* of these columns */
} RtcBehindRow;

/*
 * Finds the columns of option behind=, whose names these are, in a row type:
 * their numbers are added to *attnums (list of int).  key: the template of the
 * rule.  Returns false and fills *fault (42703 unknown column, 42701 named
 * twice, 22023 part of the key, 0A000 generated) when one cannot be written.
 */
extern bool rtc_behind_bind(List *names, TupleDesc desc,
							const RtcTemplate *key, List **attnums,
							RtcFault *fault);

/*
 * Can the rows of a table be found by the keys that a template makes?  Returns
 * false and fills *fault if not: 55000 the table has no primary key (yet: a
 * restore may make it behind the rule); 42P16 the keys do not tell it.  The
 * caller has locked the table.
 */
extern bool rtc_behind_check(Relation rel, const RtcTemplate *tmpl,
							 RtcFault *fault);

/*
 * The row that a key names, in the current memory context; the template has
 * passed rtc_behind_check().  Returns false if it makes this key for no row.
 * Settings must be pinned as for reading and writing text.  Raises what the
 * input functions of the columns raise.
 */
extern bool rtc_behind_row(Relation rel, RtcTemplate *tmpl, const char *key,
						   int len, RtcBehindRow *row);

#endif							/* RTC_BEHIND_H */
