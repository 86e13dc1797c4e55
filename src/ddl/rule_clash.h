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
 * Checks the key template of a write-through rule.  One that is to be made
 * (tgoid = InvalidOid) is refused: 22023 if all rows have the same key, 42710
 * if another rule makes the same keys.  For an existing rule these are
 * warnings; it also warns if two rows can have the same key, or if another
 * rule can make some of the keys.  A malformed template passes.
 */
extern void rtc_check_clash(Relation rel, Oid tgoid, const char *text);

/* Counts the pairs of rules that make the same keys; appends the first. */
extern int	rtc_clashing_rules(StringInfo buf);

#endif							/* RTC_RULE_CLASH_H */
