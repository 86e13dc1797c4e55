/*-------------------------------------------------------------------------
 *
 * rule_cache.h
 *		The rules of this backend, ready for use.  See rule_cache.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_CACHE_H
#define RTC_RULE_CACHE_H

#include "postgres.h"

#include "commands/trigger.h"

#include "rule/rule.h"
#include "write/row_changes.h"

/* A rule of this backend. */
typedef struct RtcCachedRule
{
	Oid			tgoid;			/* hash key: the trigger */
	Oid			relid;			/* its table */
	bool		stale;			/* make it again before use */
	bool		alone;			/* no other rule stores rows of the table */
	MemoryContext cxt;			/* holds what the pointers below point to */
	RtcRule    *rule;			/* NULL = unusable, see fault */
	RtcRuleText text;			/* what could be read of it */
	RtcNames	names;			/* of its table, if its templates use them */
	RtcTrack   *track;			/* what a changed row changes; NULL = another
								 * rule notes that */
	RtcFault	fault;			/* valid when rule is NULL */
	TransactionId fault_xid;	/* top transaction and subtransaction of the */
	SubTransactionId fault_subid;	/* last warning about the fault */
} RtcCachedRule;

/*
 * Returns the rule of the trigger that is firing.  Raises what reading
 * catalogs raises, and no fault of the rule.  The entry, and what it points to
 * now, stay until the outermost trigger returns.
 */
extern RtcCachedRule *rtc_cached_rule(TriggerData *trigdata, RtcRuleKind kind);

#endif							/* RTC_RULE_CACHE_H */
