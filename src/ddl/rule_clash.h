/*-------------------------------------------------------------------------
 *
 * rule_clash.h
 *		Do the rows that rules store have their own keys?  See rule_clash.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_CLASH_H
#define RTC_RULE_CLASH_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/rel.h"

/*
 * Refuses the key template of a write-through rule that is to be made: 22023
 * if all rows have the same key, 42710 if another rule makes the same keys.  A
 * malformed template passes.
 */
extern void rtc_refuse_clash(Relation rel, const char *tmpl);

/*
 * Warns of the same about an existing rule; also if two rows can have the same
 * key, and if another rule can make some of the keys.
 */
extern void rtc_warn_of_clash(Relation rel, Oid tgoid, const char *tmpl);

/* Counts the pairs of rules that make the same keys; appends the first. */
extern int	rtc_clashing_rules(StringInfo buf);

#endif							/* RTC_RULE_CLASH_H */
