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
 * Arguments are read in two steps.  The first, from texts to RtcRuleText, needs
 * no table, which may have been dropped.  The second binds that to the columns
 * and the names of a table.
 *
 * MODEL: binding looks at the catalogs and allocates in the current memory
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

#include "base/key.h"
#include "compat.h"
#include "dep/dep.h"
#include "op.h"
#include "rule/rule.h"
#include "rule/rule_names.h"
#include "rule/ttl.h"
#include "write/oplist.h"

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

/* Notes what is wrong, unless something else is already. */
static void
note_fault(RtcFault *fault, const char *message, const char *hint)
{
	if (fault->message == NULL)
		(void) bad_argument(fault, message, hint);
}

/* An option that rules of this kind do not have. */
static void
note_unknown(RtcFault *fault, RtcRuleKind kind, const char *arg)
{
	note_fault(fault,
			   psprintf(_("unrecognized option \"%.*s\" of %s"),
						option_name_length(arg), arg,
						rtc_rule_function(kind)),
			   kind == RTC_RULE_WRITE_THROUGH ?
			   _("The options are \"ttl\", \"del\", \"tag\" and \"columns\".") :
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
	else if (is_option(arg, "del", &value))
		rule->del = lappend(rule->del, pstrdup(value));
	else if (option_name_length(arg) > 0)
		note_unknown(fault, rule->kind, arg);
	else
		note_fault(fault,
				   psprintf(_("invalid argument \"%s\" of %s"), arg,
							rtc_rule_function(rule->kind)),
				   _("The arguments after the key template are options: \"ttl=...\", \"del=...\", \"tag=...\" and \"columns=...\"."));
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

/* Parses the templates of a list into an array; false and *fault if bad. */
static bool
bind_templates(RtcRule *rule, List *texts, RtcTemplate ***tmpl, int *n,
			   TupleDesc desc, const RtcNames *names, RtcFault *fault)
{
	ListCell   *lc;

	*tmpl = palloc(Max(list_length(texts), 1) * sizeof(RtcTemplate *));
	*n = 0;
	foreach(lc, texts)
	{
		RtcTemplate *t = rtc_template_parse(lfirst(lc), desc, names, fault);

		if (t == NULL)
			return false;
		(*tmpl)[(*n)++] = t;
		rule->needs_pin |= rtc_template_needs_pin(t);
	}
	return true;
}

RtcRule *
rtc_rule_bind(const RtcRuleText *text, TupleDesc desc, const RtcNames *names,
			  RtcFault *fault)
{
	RtcRule    *rule = palloc0(sizeof(RtcRule));
	List	   *columns = NIL;

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
	if (!bind_templates(rule, text->del, &rule->del, &rule->ndels, desc,
						names, fault) ||
		!bind_templates(rule, text->tag, &rule->tag, &rule->ntags, desc,
						names, fault))
		return NULL;

	if (text->kind != RTC_RULE_WRITE_THROUGH)
		return rule;
	if (text->columns != NULL &&
		(!SplitIdentifierString(pstrdup(text->columns), ',', &columns) ||
		 columns == NIL))
		return bad_argument(fault,
							psprintf(_("invalid list of columns \"%s\""),
									 text->columns),
							_("Column names are separated by commas, and quoted like identifiers where needed."));
	rule->row = rtc_row_json_make(desc, columns, fault);
	if (rule->row == NULL)
		return NULL;
	rule->needs_pin |= rtc_row_json_needs_pin(rule->row);
	return rule;
}

RtcRule *
rtc_rule_parse(Relation rel, const Trigger *trigger, RtcRuleKind kind,
			   RtcRuleText *text, RtcNames *names, RtcFault *fault)
{
	memset(names, 0, sizeof(*names));
	if (!rtc_rule_read(kind, trigger->tgnargs, trigger->tgargs, text, fault))
		return NULL;
	if (rtc_rule_uses_names(text))
		rtc_names_of(trigger->tgisclone ?
					 rtc_rule_table(trigger->tgoid, false) :
					 RelationGetRelid(rel), names);
	return rtc_rule_bind(text, RelationGetDescr(rel), names, fault);
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
forget_key(const RtcShape *shape)
{
	StringInfoData glob;
	RtcOp		op = {0};

	initStringInfo(&glob);
	rtc_shape_glob(shape, &glob);
	op.kind = rtc_shape_is_static(shape) ? RTC_OP_DEL : RTC_OP_PATTERN;
	op.key = glob.data;
	op.keylen = glob.len;
	if (op.kind == RTC_OP_PATTERN || rtc_key_is_valid(op.key, op.keylen))
		rtc_oplist_add(&op);
	pfree(glob.data);
}

/* Drops what depends on a tag without columns. */
static void
forget_tag(const RtcShape *shape)
{
	StringInfoData tag;

	initStringInfo(&tag);
	rtc_shape_glob(shape, &tag);
	(void) rtc_oplist_add_dep(rtc_dep_tag(tag.data, tag.len));
	pfree(tag.data);
}

bool
rtc_rule_forgets_all(const RtcRuleText *rule, const RtcNames *names)
{
	ListCell   *lc;

	if (rule->kind == RTC_RULE_TRUNCATE && rule->del == NIL &&
		rule->tag == NIL && !rule->no_keys)
		return true;
	if (rule->key != NULL &&
		rtc_shape_begins_open(rtc_shape_make(rule->key, names, InvalidOid)))
		return true;
	foreach(lc, rule->del)
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

void
rtc_rule_forget(const RtcRuleText *rule, const RtcNames *names)
{
	ListCell   *lc;

	if (rtc_rule_forgets_all(rule, names))
	{
		rtc_add_clear_op();
		return;
	}
	if (rule->key != NULL)
		forget_key(rtc_shape_make(rule->key, names, InvalidOid));
	foreach(lc, rule->del)
		forget_key(rtc_shape_make(lfirst(lc), names, InvalidOid));
	foreach(lc, rule->tag)
		forget_tag(rtc_shape_make(lfirst(lc), names, InvalidOid));
}

void
rtc_rule_forget_ever(const RtcRuleText *rule, Oid table)
{
	RtcNames	none = {0};
	ListCell   *lc;

	if (!rtc_rule_uses_names(rule))
	{
		rtc_rule_forget(rule, &none);
		return;
	}
	foreach(lc, rtc_names_had(table))
		rtc_rule_forget(rule, lfirst(lc));
}

bool
rtc_rule_uses_names(const RtcRuleText *rule)
{
	ListCell   *lc;

	if (rule->key != NULL && rtc_text_uses_names(rule->key))
		return true;
	foreach(lc, rule->del)
	{
		if (rtc_text_uses_names(lfirst(lc)))
			return true;
	}
	foreach(lc, rule->tag)
	{
		if (rtc_text_uses_names(lfirst(lc)))
			return true;
	}
	return false;
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
