/*-------------------------------------------------------------------------
 *
 * rule.h
 *		Rules: what the arguments of a trigger say.  See rule.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_H
#define RTC_RULE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "nodes/pg_list.h"

#include "base/fault.h"
#include "rule/key_shape.h"
#include "rule/row_json.h"
#include "rule/template.h"

/* Which of our trigger functions a rule calls. */
typedef enum RtcRuleKind
{
	RTC_RULE_NONE = 0,			/* none of them */
	RTC_RULE_WRITE_THROUGH,
	RTC_RULE_INVALIDATE,
	RTC_RULE_TRUNCATE
} RtcRuleKind;

/* A rule, ready for use.  Everything lives in one memory context. */
typedef struct RtcRule
{
	RtcRuleKind kind;
	RtcTemplate *key;			/* WRITE_THROUGH: where the row goes */
	RtcRowJson *row;			/* WRITE_THROUGH: how the row is written */
	int64		ttl_ms;			/* WRITE_THROUGH: -1 = default, 0 = does not
								 * expire */
	List	   *del;			/* of RtcTemplate *: keys to delete, del= of
								 * WRITE_THROUGH, the arguments of the others */
	List	   *tag;			/* of RtcTemplate *: what the rows belong to,
								 * tag= */
	List	   *behind;			/* of int: the columns that may be written
								 * behind, behind=; see behind.h */
	bool		needs_pin;		/* rendering depends on session settings */
} RtcRule;

/*
 * A rule as it is written; for those who have no table to bind it to, which may
 * have been dropped, that is all there is.
 */
typedef struct RtcRuleText
{
	RtcRuleKind kind;
	const char *key;			/* WRITE_THROUGH; else NULL */
	const char *ttl;			/* NULL = default */
	const char *columns;		/* NULL = all */
	const char *behind;			/* NULL = none */
	List	   *del;			/* of char *; all keys that the others delete */
	List	   *tag;			/* of char * */
	bool		no_keys;
} RtcRuleText;

/* SQL name of the trigger function of a rule. */
extern const char *rtc_rule_function(RtcRuleKind kind);

/*
 * Reads the arguments of a rule, in the current memory context.  False, and
 * *fault (22023), if something is malformed; that is left out.
 */
extern bool rtc_rule_read(RtcRuleKind kind, int nargs, char **args,
						  RtcRuleText *text, RtcFault *fault);

/*
 * Binds a rule to its table's row type and names, in the current memory
 * context.  Returns NULL and fills *fault when they do not fit: 22023
 * malformed, 42703 unknown column, 0A000 generated column.
 */
extern RtcRule *rtc_rule_bind(const RtcRuleText *text, TupleDesc desc,
							  const RtcNames *names, RtcFault *fault);

/* Is column attnum part of a key or tag that the rule makes? */
extern bool rtc_rule_key_uses(const RtcRule *rule, AttrNumber attnum);

/*
 * Does forgetting the rule mean to delete every key of the database?  Nobody
 * knows which keys depend on a tag with columns in it, so that means all keys,
 * and so does a template that begins with a column, or a truncate rule without
 * arguments.
 */
extern bool rtc_rule_forgets_all(const RtcRuleText *rule,
								 const RtcNames *names);

/* Do the templates of a rule have {.schema} or {.table} in them? */
extern bool rtc_rule_uses_names(const RtcRuleText *rule);

#endif							/* RTC_RULE_H */
