/*-------------------------------------------------------------------------
 *
 * forget.c
 *		Ops that delete: of a key, of a tag, of a rule, of all.
 *
 * A rule is forgotten when there are no rows to make keys of: at TRUNCATE, and
 * when DDL changes the rule or its table.  Its templates tell which keys it
 * can have made.
 *
 * Model: runs in the backend that writes.  Adding may raise (oplist.h).
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/key.h"
#include "dep/dep.h"
#include "rule/rule_catalog.h"
#include "write/forget.h"
#include "write/oplist.h"

static void
add(RtcOpKind kind, const char *key, size_t len)
{
	RtcOp		op = {.kind = kind,.key = key,.keylen = len};

	rtc_oplist_add(&op);
}

void
rtc_forget_all(void)
{
	add(RTC_OP_CLEAR, NULL, 0);
}

void
rtc_forget_key(const char *key, size_t len)
{
	add(RTC_OP_DEL, key, len);
}

void
rtc_forget_matching(const char *glob, size_t len)
{
	add(RTC_OP_PATTERN, glob, len);
}

void
rtc_forget_tag(const char *tag, size_t len)
{
	(void) rtc_oplist_add_dep(rtc_dep_tag(tag, len), InvalidOid);
}

/* Deletes every key that a template can have made, or the keys of its tag. */
static void
forget_template(const char *text, const RtcNames *names, bool is_tag)
{
	const RtcShape *shape = rtc_shape_make(text, names, InvalidOid);
	StringInfoData made;

	initStringInfo(&made);
	rtc_shape_glob(shape, &made);
	if (is_tag)
		rtc_forget_tag(made.data, made.len);
	else if (!rtc_shape_is_static(shape))
		rtc_forget_matching(made.data, made.len);
	else if (rtc_key_is_valid(made.data, made.len))
		rtc_forget_key(made.data, made.len);
	pfree(made.data);
}

void
rtc_forget_rule(const RtcRuleText *rule, const RtcNames *names)
{
	ListCell   *lc;

	if (rtc_rule_forgets_all(rule, names))
	{
		rtc_forget_all();
		return;
	}
	if (rule->key != NULL)
		forget_template(rule->key, names, false);
	foreach(lc, rule->del)
		forget_template(lfirst(lc), names, false);
	foreach(lc, rule->tag)
		forget_template(lfirst(lc), names, true);
}

void
rtc_forget_rule_ever(const RtcRuleText *rule, Oid table)
{
	RtcNames	none = {0};
	ListCell   *lc;

	if (!rtc_rule_uses_names(rule))
	{
		rtc_forget_rule(rule, &none);
		return;
	}
	foreach(lc, rtc_names_had(table))
		rtc_forget_rule(rule, lfirst(lc));
}
