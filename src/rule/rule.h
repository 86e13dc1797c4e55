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
	int64		ttl_ms;			/* WRITE_THROUGH, ms: -1 = default, 0 = never
								 * expires */
	List	   *del;			/* RtcTemplate *: keys to delete */
	List	   *tag;			/* RtcTemplate *: tags of the rows */
	List	   *behind;			/* int: the columns that may be written
								 * behind; see behind.h */
	bool		needs_pin;		/* rendering depends on session settings */
} RtcRule;

/* A rule as it is written, which may outlive its table. */
typedef struct RtcRuleText
{
	RtcRuleKind kind;
	const char *key;			/* WRITE_THROUGH; else NULL */
	const char *ttl;			/* NULL = default */
	const char *columns;		/* NULL = all */
	const char *behind;			/* NULL = none */
	bool		warm;			/* WRITE_THROUGH: rows that are there are
								 * stored by a worker */
	List	   *del;			/* char *: keys to delete */
	List	   *tag;			/* char * */
	bool		no_keys;		/* TRUNCATE: "keys=none" */
} RtcRuleText;

/* SQL name of the trigger function of a rule. */
extern const char *rtc_rule_function(RtcRuleKind kind);

/*
 * Reads the arguments of a rule, in the current memory context.  Returns false
 * and fills *fault (22023) if some are malformed; *text has the others.
 */
extern bool rtc_rule_read(RtcRuleKind kind, int nargs, char **args,
						  RtcRuleText *text, RtcFault *fault);

/*
 * Binds a rule to the row type and the names of its table, in the current
 * memory context.  Returns NULL and fills *fault if they do not fit: 22023
 * malformed, 42703 unknown column, 0A000 generated column.
 */
extern RtcRule *rtc_rule_bind(const RtcRuleText *text, TupleDesc desc,
							  const RtcNames *names, RtcFault *fault);

/* Does a key or tag of the rule use this column? */
extern bool rtc_rule_key_uses(const RtcRule *rule, AttrNumber attnum);

/*
 * Does forgetting the rule delete all keys of the database?  So it is for a
 * template that begins with a column, a tag with columns (nobody knows which
 * keys depend on those), and a truncate rule without arguments.
 */
extern bool rtc_rule_forgets_all(const RtcRuleText *rule,
								 const RtcNames *names);

/* Do its templates use {.schema} or {.table}? */
extern bool rtc_rule_uses_names(const RtcRuleText *rule);

#endif							/* RTC_RULE_H */
