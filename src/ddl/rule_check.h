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
 * A trigger has been made on a table.  If it is a rule: checks it and its
 * clones, deletes the keys that it can have made, makes it ENABLE ALWAYS.
 */
extern void rtc_check_new_trigger(Oid tgoid, Oid relid);

/*
 * A table has been made or altered: checks its rules and those of its
 * descendants.  forget: deletes the keys that its rules can have made.
 */
extern void rtc_check_tables(Oid relid, bool forget);

/*
 * ALTER TABLE has said when the trigger of this name fires, or all of them
 * (NULL): warns if rules do not see every change now.
 */
extern void rtc_check_enabled(Oid relid, const char *name);

/*
 * A table may have got another name, or tables may have, by what was done to
 * their schema or extension: sees that no keys are left that are made of the old
 * one.
 */
extern void rtc_check_renamed_table(Oid relid);
extern void rtc_check_renamed_tables(void);

#endif							/* RTC_RULE_CHECK_H */
