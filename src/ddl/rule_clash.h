/*-------------------------------------------------------------------------
 *
 * rule_clash.h
 *		Does each row that rules store have a key of its own?  See rule_clash.c.
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
 * Refuses a key template of a write-through rule that is to be made on a table:
 * 22023 if all rows have the same key, 42710 if another rule makes the same
 * keys.  What is malformed passes, for others to refuse.
 */
extern void rtc_refuse_clash(Relation rel, const char *tmpl);

/*
 * The same for a rule that is there, as a WARNING; also if the keys of two rows
 * can be the same, or if another rule can make some of the keys.
 */
extern void rtc_warn_of_clash(Relation rel, Oid tgoid, const char *tmpl);

/*
 * Counts the pairs of rules that make the same keys, and appends the first of
 * them.
 */
extern int	rtc_clashing_rules(StringInfo buf);

#endif							/* RTC_RULE_CLASH_H */
