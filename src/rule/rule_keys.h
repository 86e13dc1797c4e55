/*-------------------------------------------------------------------------
 *
 * rule_keys.h
 *		Under which keys do rules store rows?  See rule_keys.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_KEYS_H
#define RTC_RULE_KEYS_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "rule/key_shape.h"

/* A write-through rule, enabled or not. */
typedef struct RtcRuleKeys
{
	Oid			tgoid;			/* the trigger, which is no clone */
	Oid			relid;			/* its table */
	const char *trigger;		/* its name */
	const char *tmpl;			/* its key template */
	RtcShape   *shape;			/* of that */
} RtcRuleKeys;

/*
 * Returns all write-through rules of the database (RtcRuleKeys *) except
 * clones, which use the keys of the original.  The list is valid until the
 * next call.
 */
extern List *rtc_rule_keys(void);

/* Returns those that can make a key.  Only the list itself is the caller's. */
extern List *rtc_rules_that_make(const char *key, size_t len);

#endif							/* RTC_RULE_KEYS_H */
