/*-------------------------------------------------------------------------
 *
 * rule_check.h
 *		Checks rules when they are made or altered.  See rule_check.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_CHECK_H
#define RTC_RULE_CHECK_H

#include "postgres.h"

/*
 * A trigger has been made.  If it is a rule: checks it and its clones, deletes
 * the keys that it can have made, and makes it ENABLE ALWAYS.
 */
extern void rtc_check_new_trigger(Oid tgoid, Oid relid);

/*
 * Checks the rules of a table, which was made or altered, and those of its
 * descendants.  forget: deletes the keys that the table's rules can have made.
 */
extern void rtc_check_tables(Oid relid, bool forget);

/*
 * ALTER TABLE has switched the trigger of this name, or all of them (NULL):
 * warns of rules that do not see every change now.
 */
extern void rtc_check_enabled(Oid relid, const char *name);

/*
 * A table, or tables by way of their schema or extension, may have been
 * renamed: sees that no keys with the former names are left.
 */
extern void rtc_check_renamed_table(Oid relid);
extern void rtc_check_renamed_tables(void);

#endif							/* RTC_RULE_CHECK_H */
