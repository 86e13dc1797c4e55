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
 *
 * Those of rtcache_invalidate and rtcache_truncate are key templates.
 *
 * What begins like an option, letters and underscores up to a "=", is never
 * taken for a key: an option that this version does not know must not quietly
 * become a key that nobody reads.
 *
 * MODEL: parsing looks at the catalogs and allocates in the current memory
 * context; it is done by the rule checker, which raises the fault, and by
 * triggers, which must not.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/varlena.h"

#include "compat.h"
#include "key.h"
#include "oplist.h"
#include "rtcache.h"
#include "rule.h"
#include "ttl.h"

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

/* Fills *fault with 22023; returns NULL for brevity. */
static void *
bad_argument(RtcFault *fault, const char *message, const char *hint)
{
	fault->sqlerrcode = ERRCODE_INVALID_PARAMETER_VALUE;
	fault->message = message;
	fault->detail = NULL;
	fault->hint = hint;
	return NULL;
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

/* Parses a template and adds it to the keys that the rule deletes. */
static bool
add_del(RtcRule *rule, const char *text, TupleDesc desc, RtcFault *fault)
{
	RtcTemplate *tmpl = rtc_template_parse(text, desc, fault);

	if (tmpl == NULL)
		return false;
	rule->del[rule->ndels++] = tmpl;
	rule->needs_pin |= rtc_template_needs_pin(tmpl);
	return true;
}

static RtcRule *
parse_write_through(RtcRule *rule, int nargs, char **args, TupleDesc desc,
					RtcFault *fault)
{
	List	   *columns = NIL;

	if (nargs == 0 || option_name_length(args[0]) > 0)
		return bad_argument(fault,
							psprintf(_("the first argument of %s must be a key template"),
									 rtc_rule_function(rule->kind)),
							_("For example: rtcache_write_through('hero:{id}', 'ttl=1 hour')."));
	rule->key = rtc_template_parse(args[0], desc, fault);
	if (rule->key == NULL)
		return NULL;

	for (int i = 1; i < nargs; i++)
	{
		const char *value;

		if (is_option(args[i], "ttl", &value))
		{
			if (rule->ttl_ms >= 0)
				return bad_argument(fault,
									_("option \"ttl\" is given more than once"),
									NULL);
			if (!rtc_ttl_parse(value, &rule->ttl_ms, fault))
				return NULL;
		}
		else if (is_option(args[i], "del", &value))
		{
			if (!add_del(rule, value, desc, fault))
				return NULL;
		}
		else if (is_option(args[i], "columns", &value))
		{
			if (columns != NIL)
				return bad_argument(fault,
									_("option \"columns\" is given more than once"),
									NULL);
			if (!SplitIdentifierString(pstrdup(value), ',', &columns) ||
				columns == NIL)
				return bad_argument(fault,
									psprintf(_("invalid list of columns \"%s\""),
											 value),
									_("Column names are separated by commas, and quoted like identifiers where needed."));
		}
		else if (option_name_length(args[i]) > 0)
			return bad_argument(fault,
								psprintf(_("unrecognized option \"%.*s\" of %s"),
										 option_name_length(args[i]), args[i],
										 rtc_rule_function(rule->kind)),
								_("The options are \"ttl\", \"del\" and \"columns\"."));
		else
			return bad_argument(fault,
								psprintf(_("invalid argument \"%s\" of %s"),
										 args[i],
										 rtc_rule_function(rule->kind)),
								_("The arguments after the key template are options: \"ttl=...\", \"del=...\" and \"columns=...\"."));
	}

	rule->row = rtc_row_json_make(desc, columns, fault);
	if (rule->row == NULL)
		return NULL;
	rule->needs_pin |= rtc_template_needs_pin(rule->key) ||
		rtc_row_json_needs_pin(rule->row);
	return rule;
}

static RtcRule *
parse_keys(RtcRule *rule, int nargs, char **args, TupleDesc desc,
		   RtcFault *fault)
{
	if (nargs == 0 && rule->kind == RTC_RULE_INVALIDATE)
		return bad_argument(fault,
							psprintf(_("%s needs at least one key template"),
									 rtc_rule_function(rule->kind)),
							_("For example: rtcache_invalidate('hero:{id}', 'hero:all')."));

	for (int i = 0; i < nargs; i++)
	{
		if (option_name_length(args[i]) > 0)
			return bad_argument(fault,
								psprintf(_("unrecognized option \"%.*s\" of %s"),
										 option_name_length(args[i]), args[i],
										 rtc_rule_function(rule->kind)),
								psprintf(_("The arguments of %s are key templates; it has no options."),
										 rtc_rule_function(rule->kind)));
		if (!add_del(rule, args[i], desc, fault))
			return NULL;
	}
	return rule;
}

RtcRule *
rtc_rule_parse(RtcRuleKind kind, int nargs, char **args, TupleDesc desc,
			   RtcFault *fault)
{
	RtcRule    *rule = palloc0(sizeof(RtcRule));

	rule->kind = kind;
	rule->ttl_ms = -1;
	rule->del = palloc(Max(nargs, 1) * sizeof(RtcTemplate *));

	if (kind == RTC_RULE_WRITE_THROUGH)
		return parse_write_through(rule, nargs, args, desc, fault);
	return parse_keys(rule, nargs, args, desc, fault);
}

bool
rtc_rule_key_uses(const RtcRule *rule, AttrNumber attnum)
{
	if (rule->key != NULL && rtc_template_uses(rule->key, attnum))
		return true;
	for (int i = 0; i < rule->ndels; i++)
	{
		if (rtc_template_uses(rule->del[i], attnum))
			return true;
	}
	return false;
}

void
rtc_add_clear_op(void)
{
	RtcOp		op = {.kind = RTC_OP_CLEAR};

	rtc_oplist_add(&op);
}

/* Deletes every key that the template can have made. */
static void
forget_template(const RtcTemplate *tmpl)
{
	const char *prefix = rtc_template_static_prefix(tmpl);
	size_t		len = strlen(prefix);
	StringInfoData glob;
	RtcOp		op = {0};

	if (len == 0)
	{
		rtc_add_clear_op();
		return;
	}

	if (rtc_template_is_static(tmpl))
	{
		op.kind = RTC_OP_DEL;
		op.key = prefix;
		op.keylen = len;
		rtc_oplist_add(&op);
		return;
	}

	initStringInfo(&glob);
	rtc_glob_escape(&glob, prefix, len);
	appendStringInfoChar(&glob, '*');
	op.kind = RTC_OP_PATTERN;
	op.key = glob.data;
	op.keylen = glob.len;
	rtc_oplist_add(&op);
	pfree(glob.data);
}

void
rtc_rule_forget_keys(const RtcRule *rule)
{
	if (rule->key != NULL)
		forget_template(rule->key);
	for (int i = 0; i < rule->ndels; i++)
		forget_template(rule->del[i]);
	if (rule->kind == RTC_RULE_TRUNCATE && rule->ndels == 0)
		rtc_add_clear_op();
}
