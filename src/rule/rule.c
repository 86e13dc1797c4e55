/*-------------------------------------------------------------------------
 *
 * rule.c
 *		Rules: what the arguments of a trigger say.
 *
 * The arguments of rtcache_write_through are a key template and options,
 * "name=value":
 *
 *		ttl=interval		time to live; '0' = does not expire
 *		del=template		another key to delete; may be repeated
 *		columns=a,b			the columns to store; all by default
 *		warm				a worker stores the rows that are there
 *		behind=a,b			the columns that may be written behind; none by default
 *		tag=template		a tag that the rows belong to; may be repeated
 *
 * Those of rtcache_invalidate and rtcache_truncate are key templates, and
 * "tag=template".  Both can track their table without naming a key: an
 * rtcache_invalidate without arguments, and an rtcache_truncate with
 *
 *		keys=none			no key; without arguments it means all keys
 *
 * An argument that begins like an option (letters and underscores up to a "=")
 * is never taken for a key, or an unknown option would become a key that
 * nobody reads.
 *
 * Arguments are first read from texts to RtcRuleText, which needs no table.
 * Then that is bound to the columns and the names of a table.
 *
 * Model: results are in the current memory context.  Binding reads catalogs.
 * Errors in a rule are returned as a fault: rule_check.c raises it, a trigger
 * must not.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/varlena.h"

#include "rule/behind.h"
#include "rule/rule.h"
#include "rule/ttl.h"

/* A truncate rule with this has no keys; one without arguments has all. */
#define KEYS_NONE "keys=none"

const char *
rtc_rule_function(RtcRuleKind kind)
{
	switch (kind)
	{
		case RTC_RULE_WRITE_THROUGH:
			return "rtcache_write_through";
		case RTC_RULE_INVALIDATE:
			return "rtcache_invalidate";
		case RTC_RULE_TRUNCATE:
			return "rtcache_truncate";
		case RTC_RULE_NONE:
			break;
	}
	return "";
}

/* Length of the name if the argument is "name=...", else 0. */
static int
option_name_length(const char *arg)
{
	int			n = 0;

	while ((arg[n] >= 'a' && arg[n] <= 'z') ||
		   (arg[n] >= 'A' && arg[n] <= 'Z') || arg[n] == '_')
		n++;
	return arg[n] == '=' ? n : 0;
}

/* Is this option "name="?  Then *value is what follows. */
static bool
is_option(const char *arg, const char *name, const char **value)
{
	size_t		len = strlen(name);

	if (strncmp(arg, name, len) != 0 || arg[len] != '=')
		return false;
	*value = arg + len + 1;
	return true;
}

/* Notes the first fault. */
static void
note_fault(RtcFault *fault, const char *message, const char *hint)
{
	if (fault->message == NULL)
		(void) rtc_fault_set(fault, ERRCODE_INVALID_PARAMETER_VALUE, message,
							 NULL, hint);
}

/* Notes an option that rules of this kind do not have. */
static void
note_unknown(RtcFault *fault, RtcRuleKind kind, const char *arg)
{
	note_fault(fault,
			   psprintf(_("unrecognized option \"%.*s\" of %s"),
						option_name_length(arg), arg,
						rtc_rule_function(kind)),
			   kind == RTC_RULE_WRITE_THROUGH ?
			   _("The options are \"ttl\", \"del\", \"tag\", \"columns\", \"warm\" and \"behind\".") :
			   kind == RTC_RULE_TRUNCATE ?
			   _("The arguments of rtcache_truncate are key templates, \"tag=...\" and \"keys=none\".") :
			   _("The arguments of rtcache_invalidate are key templates and \"tag=...\"."));
}

/* Takes the value of an option that may be given once. */
static void
take_once(RtcFault *fault, const char **option, const char *name,
		  const char *value)
{
	if (*option != NULL)
		note_fault(fault,
				   psprintf(_("option \"%s\" is given more than once"), name),
				   NULL);
	else
		*option = pstrdup(value);
}

/* Reads one argument behind the key template of rtcache_write_through. */
static void
read_option(RtcRuleText *rule, const char *arg, RtcFault *fault)
{
	const char *value;

	if (is_option(arg, "ttl", &value))
		take_once(fault, &rule->ttl, "ttl", value);
	else if (is_option(arg, "columns", &value))
		take_once(fault, &rule->columns, "columns", value);
	else if (strcmp(arg, "warm") == 0)
		rule->warm = true;
	else if (is_option(arg, "behind", &value))
		take_once(fault, &rule->behind, "behind", value);
	else if (is_option(arg, "del", &value))
		rule->del = lappend(rule->del, pstrdup(value));
	else if (option_name_length(arg) > 0)
		note_unknown(fault, rule->kind, arg);
	else
		note_fault(fault,
				   psprintf(_("invalid argument \"%s\" of %s"), arg,
							rtc_rule_function(rule->kind)),
				   _("The arguments after the key template are options: \"ttl=...\", \"del=...\", \"tag=...\", \"columns=...\", \"warm\" and \"behind=...\"."));
}

bool
rtc_rule_read(RtcRuleKind kind, int nargs, char **args, RtcRuleText *rule,
			  RtcFault *fault)
{
	int			first = 0;

	memset(rule, 0, sizeof(*rule));
	memset(fault, 0, sizeof(*fault));
	rule->kind = kind;

	if (kind == RTC_RULE_WRITE_THROUGH)
	{
		if (nargs == 0 || option_name_length(args[0]) > 0)
			note_fault(fault,
					   psprintf(_("the first argument of %s must be a key template"),
								rtc_rule_function(kind)),
					   _("For example: rtcache_write_through('hero:{id}', 'ttl=1 hour')."));
		else
			rule->key = pstrdup(args[first++]);
	}

	for (int i = first; i < nargs; i++)
	{
		const char *value;

		if (is_option(args[i], "tag", &value))
			rule->tag = lappend(rule->tag, pstrdup(value));
		else if (kind == RTC_RULE_WRITE_THROUGH)
			read_option(rule, args[i], fault);
		else if (kind == RTC_RULE_TRUNCATE && strcmp(args[i], KEYS_NONE) == 0)
			rule->no_keys = true;
		else if (option_name_length(args[i]) > 0)
			note_unknown(fault, kind, args[i]);
		else
			rule->del = lappend(rule->del, pstrdup(args[i]));
	}
	if (rule->no_keys && rule->del != NIL)
		note_fault(fault,
				   _("option \"keys=none\" contradicts a key template"),
				   NULL);
	return fault->message == NULL;
}

/* Binds templates; false and *fault if one is malformed. */
static bool
bind_templates(RtcRule *rule, List *texts, List **templates, TupleDesc desc,
			   const RtcNames *names, RtcFault *fault)
{
	ListCell   *lc;

	foreach(lc, texts)
	{
		RtcTemplate *t = rtc_template_parse(lfirst(lc), desc, names, fault);

		if (t == NULL)
			return false;
		*templates = lappend(*templates, t);
		rule->needs_pin |= rtc_template_needs_pin(t);
	}
	return true;
}

/* Splits a list of column names; false and *fault if it is none. */
static bool
split_columns(const char *text, List **columns, RtcFault *fault)
{
	if (SplitIdentifierString(pstrdup(text), ',', columns) && *columns != NIL)
		return true;
	(void) rtc_fault_set(fault, ERRCODE_INVALID_PARAMETER_VALUE,
						 psprintf(_("invalid list of columns \"%s\""), text),
						 NULL,
						 _("Column names are separated by commas, and quoted like identifiers where needed."));
	return false;
}

RtcRule *
rtc_rule_bind(const RtcRuleText *text, TupleDesc desc, const RtcNames *names,
			  RtcFault *fault)
{
	RtcRule    *rule = palloc0(sizeof(RtcRule));
	List	   *columns = NIL;
	List	   *behind = NIL;

	rule->kind = text->kind;
	rule->ttl_ms = -1;
	if (text->key != NULL)
	{
		rule->key = rtc_template_parse(text->key, desc, names, fault);
		if (rule->key == NULL)
			return NULL;
		rule->needs_pin |= rtc_template_needs_pin(rule->key);
	}
	if (text->ttl != NULL && !rtc_ttl_parse(text->ttl, &rule->ttl_ms, fault))
		return NULL;
	if (!bind_templates(rule, text->del, &rule->del, desc, names, fault) ||
		!bind_templates(rule, text->tag, &rule->tag, desc, names, fault))
		return NULL;

	if (text->kind != RTC_RULE_WRITE_THROUGH)
		return rule;
	if (text->columns != NULL &&
		!split_columns(text->columns, &columns, fault))
		return NULL;
	if (text->behind != NULL &&
		(!split_columns(text->behind, &behind, fault) ||
		 !rtc_behind_bind(behind, desc, rule->key, &rule->behind, fault)))
		return NULL;
	rule->row = rtc_row_json_make(desc, columns, fault);
	if (rule->row == NULL)
		return NULL;
	rule->needs_pin |= rtc_row_json_needs_pin(rule->row);
	return rule;
}

bool
rtc_rule_key_uses(const RtcRule *rule, AttrNumber attnum)
{
	ListCell   *lc;

	if (rule->key != NULL && rtc_template_uses(rule->key, attnum))
		return true;
	foreach(lc, rule->del)
	{
		if (rtc_template_uses(lfirst(lc), attnum))
			return true;
	}
	foreach(lc, rule->tag)
	{
		if (rtc_template_uses(lfirst(lc), attnum))
			return true;
	}
	return false;
}

/* The templates of the keys that a rule makes. */
static List *
key_templates(const RtcRuleText *rule)
{
	return rule->key == NULL ? rule->del :
		lcons(unconstify(char *, rule->key), list_copy(rule->del));
}

bool
rtc_rule_forgets_all(const RtcRuleText *rule, const RtcNames *names)
{
	ListCell   *lc;

	if (rule->kind == RTC_RULE_TRUNCATE && rule->del == NIL &&
		rule->tag == NIL && !rule->no_keys)
		return true;
	foreach(lc, key_templates(rule))
	{
		if (rtc_shape_begins_open(rtc_shape_make(lfirst(lc), names,
												 InvalidOid)))
			return true;
	}
	foreach(lc, rule->tag)
	{
		if (!rtc_shape_is_static(rtc_shape_make(lfirst(lc), names,
												InvalidOid)))
			return true;
	}
	return false;
}

bool
rtc_rule_uses_names(const RtcRuleText *rule)
{
	ListCell   *lc;

	foreach(lc, list_concat_copy(key_templates(rule), rule->tag))
	{
		if (rtc_text_uses_names(lfirst(lc)))
			return true;
	}
	return false;
}
