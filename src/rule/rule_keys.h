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
 * All write-through rules of the database (RtcRuleKeys *) but the clones in
 * partitions, which store under the keys of the original.  The list is valid
 * until this is called again.
 */
extern List *rtc_rule_keys(void);

/*
 * Those that can make a key, in a list of the current memory context; its
 * elements are valid as above.
 */
extern List *rtc_rules_that_make(const char *key, size_t len);

#endif							/* RTC_RULE_KEYS_H */
