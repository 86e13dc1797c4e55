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
 *		tag=template		a tag that the rows belong to; may be repeated
 *
 * Those of rtcache_invalidate and rtcache_truncate are key templates, and
 * "tag=template" as well.  Both track their table without any key, too: an
 * rtcache_invalidate without arguments, an rtcache_truncate with
 *
 *		keys=none			no key, where without arguments it means all
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

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "compat.h"
#include "dep.h"
#include "key.h"
#include "oplist.h"
#include "rtcache.h"
#include "rule.h"
#include "ttl.h"

/* Says that a truncate rule has no keys, while no arguments mean all. */
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

/* Parses a template and adds it to those in a list. */
static bool
add_template(RtcRule *rule, RtcTemplate **list, int *n, const char *text,
			 TupleDesc desc, RtcFault *fault)
{
	RtcTemplate *tmpl = rtc_template_parse(text, desc, fault);

	if (tmpl == NULL)
		return false;
	list[(*n)++] = tmpl;
	rule->needs_pin |= rtc_template_needs_pin(tmpl);
	return true;
}

/* ... to the keys that the rule deletes. */
static bool
add_del(RtcRule *rule, const char *text, TupleDesc desc, RtcFault *fault)
{
	return add_template(rule, rule->del, &rule->ndels, text, desc, fault);
}

/* ... to the tags of its rows. */
static bool
add_tag(RtcRule *rule, const char *text, TupleDesc desc, RtcFault *fault)
{
	return add_template(rule, rule->tag, &rule->ntags, text, desc, fault);
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
		else if (is_option(args[i], "tag", &value))
		{
			if (!add_tag(rule, value, desc, fault))
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
								_("The options are \"ttl\", \"del\", \"tag\" and \"columns\"."));
		else
			return bad_argument(fault,
								psprintf(_("invalid argument \"%s\" of %s"),
										 args[i],
										 rtc_rule_function(rule->kind)),
								_("The arguments after the key template are options: \"ttl=...\", \"del=...\", \"tag=...\" and \"columns=...\"."));
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
	for (int i = 0; i < nargs; i++)
	{
		const char *value;

		if (is_option(args[i], "tag", &value))
		{
			if (!add_tag(rule, value, desc, fault))
				return NULL;
		}
		else if (rule->kind == RTC_RULE_TRUNCATE &&
				 strcmp(args[i], KEYS_NONE) == 0)
			rule->no_keys = true;
		else if (option_name_length(args[i]) > 0)
			return bad_argument(fault,
								psprintf(_("unrecognized option \"%.*s\" of %s"),
										 option_name_length(args[i]), args[i],
										 rtc_rule_function(rule->kind)),
								rule->kind == RTC_RULE_TRUNCATE ?
								_("The arguments of rtcache_truncate are key templates, \"tag=...\" and \"keys=none\".") :
								_("The arguments of rtcache_invalidate are key templates and \"tag=...\"."));
		else if (!add_del(rule, args[i], desc, fault))
			return NULL;
	}
	if (rule->no_keys && rule->ndels > 0)
		return bad_argument(fault,
							_("option \"keys=none\" contradicts a key template"),
							NULL);
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
	rule->tag = palloc(Max(nargs, 1) * sizeof(RtcTemplate *));

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
	for (int i = 0; i < rule->ntags; i++)
	{
		if (rtc_template_uses(rule->tag[i], attnum))
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

/* Deletes every key that a template can have made. */
static void
forget_key(const char *text)
{
	size_t		len = strcspn(text, "{");
	StringInfoData glob;
	RtcOp		op = {0};

	if (len == 0)
	{
		rtc_add_clear_op();
		return;
	}

	if (text[len] == '\0')
	{
		op.kind = RTC_OP_DEL;
		op.key = text;
		op.keylen = len;
		rtc_oplist_add(&op);
		return;
	}

	initStringInfo(&glob);
	rtc_glob_escape(&glob, text, len);
	appendStringInfoChar(&glob, '*');
	op.kind = RTC_OP_PATTERN;
	op.key = glob.data;
	op.keylen = glob.len;
	rtc_oplist_add(&op);
	pfree(glob.data);
}

static void
forget_tag(const char *text)
{
	if (strchr(text, '{') == NULL)
		(void) rtc_oplist_add_dep(rtc_dep_tag(text, strlen(text)));
	else
		rtc_add_clear_op();
}

void
rtc_rule_forget(const RtcRuleText *rule)
{
	ListCell   *lc;

	if (rule->key != NULL)
		forget_key(rule->key);
	foreach(lc, rule->del)
		forget_key(lfirst(lc));
	foreach(lc, rule->tag)
		forget_tag(lfirst(lc));
	if (rule->kind == RTC_RULE_TRUNCATE && rule->del == NIL &&
		rule->tag == NIL && !rule->no_keys)
		rtc_add_clear_op();
}

bool
rtc_rule_sees_rows(const Trigger *trigger)
{
	return trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
		TRIGGER_FOR_AFTER(trigger->tgtype) &&
		TRIGGER_FOR_ROW(trigger->tgtype) &&
		TRIGGER_FOR_INSERT(trigger->tgtype) &&
		TRIGGER_FOR_UPDATE(trigger->tgtype) &&
		TRIGGER_FOR_DELETE(trigger->tgtype) &&
		trigger->tgqual == NULL && trigger->tgnattr == 0;
}

char	  **
rtc_rule_args(HeapTuple tuple, TupleDesc desc, int *nargs)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_pg_trigger_tgargs, desc, &isnull);
	bytea	   *bytes;
	const char *p;
	const char *end;
	char	  **args;
	int			n = ((Form_pg_trigger) GETSTRUCT(tuple))->tgnargs;

	*nargs = 0;
	args = palloc((n + 1) * sizeof(char *));
	if (isnull || n == 0)
		return args;
	bytes = DatumGetByteaPP(value);
	p = VARDATA_ANY(bytes);
	end = p + VARSIZE_ANY_EXHDR(bytes);
	while (*nargs < n && p < end)
	{
		args[*nargs] = pnstrdup(p, end - p);
		p += strlen(args[*nargs]) + 1;
		(*nargs)++;
	}
	return args;
}

void
rtc_rule_read(RtcRuleKind kind, int nargs, char **args, RtcRuleText *rule)
{
	memset(rule, 0, sizeof(*rule));
	rule->kind = kind;
	for (int i = 0; i < nargs; i++)
	{
		const char *value;

		if (is_option(args[i], "tag", &value))
			rule->tag = lappend(rule->tag, pstrdup(value));
		else if (kind == RTC_RULE_TRUNCATE && strcmp(args[i], KEYS_NONE) == 0)
			rule->no_keys = true;
		else if (kind != RTC_RULE_WRITE_THROUGH)
		{
			if (option_name_length(args[i]) == 0)
				rule->del = lappend(rule->del, pstrdup(args[i]));
		}
		else if (is_option(args[i], "ttl", &value))
			rule->ttl = pstrdup(value);
		else if (is_option(args[i], "del", &value))
			rule->del = lappend(rule->del, pstrdup(value));
		else if (is_option(args[i], "columns", &value))
			rule->columns = pstrdup(value);
		else if (i == 0)
			rule->key = pstrdup(args[i]);
	}
}

RtcRuleKind
rtc_rule_kind(Oid function)
{
	HeapTuple	tuple;
	Datum		prosrc;
	bool		isnull;
	RtcRuleKind kind = RTC_RULE_NONE;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return RTC_RULE_NONE;
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
	{
		prosrc = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
		if (!isnull)
		{
			char	   *symbol = TextDatumGetCString(prosrc);

			for (int k = RTC_RULE_WRITE_THROUGH; k <= RTC_RULE_TRUNCATE; k++)
			{
				if (strcmp(symbol, rtc_rule_function((RtcRuleKind) k)) == 0)
					kind = (RtcRuleKind) k;
			}
		}
	}
	ReleaseSysCache(tuple);

	if (kind != RTC_RULE_NONE)
	{
		Oid			extension = get_extension_oid(RTC_NAME, true);

		if (!OidIsValid(extension) ||
			getExtensionOfObject(ProcedureRelationId, function) != extension)
			return RTC_RULE_NONE;
	}
	return kind;
}
