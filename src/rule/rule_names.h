/*-------------------------------------------------------------------------
 *
 * rule_names.h
 *		The names that {.schema} and {.table} stand for.  See rule_names.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_NAMES_H
#define RTC_RULE_NAMES_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "rule/key_shape.h"

/* Reads the names of a table, in the current memory context; NULL = none. */
extern void rtc_names_of(Oid relid, RtcNames *names);

/*
 * Returns all names (RtcNames *) that a table has or had in this transaction,
 * be it dropped or not; at least one, which may be empty.
 */
extern List *rtc_names_had(Oid relid);

#endif							/* RTC_RULE_NAMES_H */
