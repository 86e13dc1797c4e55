/*-------------------------------------------------------------------------
 *
 * forget.h
 *		Ops that delete.  See forget.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FORGET_H
#define RTC_FORGET_H

#include "postgres.h"

#include "rule/rule.h"

/*
 * These add ops to the current transaction and raise like rtc_oplist_add().
 * The caller has checked the keys.
 */

/* CLEAR: deletes every key of the database. */
extern void rtc_forget_all(void);

/* DEL: deletes a key. */
extern void rtc_forget_key(const char *key, size_t len);

/* PATTERN: deletes the keys that match a glob. */
extern void rtc_forget_matching(const char *glob, size_t len);

/* Deletes the keys that depend on a tag. */
extern void rtc_forget_tag(const char *tag, size_t len);

/*
 * Deletes every key that a rule can have made when its table had these names,
 * and the keys that depend on its tags.
 */
extern void rtc_forget_rule(const RtcRuleText *rule, const RtcNames *names);

/* The same for all names that its table has or had in this transaction. */
extern void rtc_forget_rule_ever(const RtcRuleText *rule, Oid table);

#endif							/* RTC_FORGET_H */
