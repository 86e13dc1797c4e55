/*-------------------------------------------------------------------------
 *
 * test_rule.c
 *		Rules: how the arguments of a trigger are read, without a table.
 *
 * rooms: rule/rule rule/key_shape base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "rule/rule.h"
#include "unit.h"

/* The texts of a list. */
static const char *
joined(List *list)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, list)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? " " : "", (char *) lfirst(lc));
	return buf.data;
}

/*
 * What is understood of arguments, which end in NULL, or why they are refused.
 */
static const char *
meaning(RtcRuleKind kind, const char *const *args)
{
	StringInfoData buf;
	RtcRuleText rule;
	RtcFault	fault;
	int			nargs = 0;

	while (args[nargs] != NULL)
		nargs++;
	if (!rtc_rule_read(kind, nargs, (char **) args, &rule, &fault))
		return psprintf("%s %s", unpack_sql_state(fault.sqlerrcode), fault.message);
	initStringInfo(&buf);
	if (rule.key != NULL)
		appendStringInfo(&buf, "key=%s ", rule.key);
	if (rule.ttl != NULL)
		appendStringInfo(&buf, "ttl=%s ", rule.ttl);
	if (rule.columns != NULL)
		appendStringInfo(&buf, "columns=%s ", rule.columns);
	if (rule.del != NIL)
		appendStringInfo(&buf, "del=(%s) ", joined(rule.del));
	if (rule.tag != NIL)
		appendStringInfo(&buf, "tag=(%s) ", joined(rule.tag));
	if (rule.no_keys)
		appendStringInfoString(&buf, "no keys ");
	if (buf.len > 0)
		buf.data[--buf.len] = '\0';
	return buf.data;
}

#define WRITE_THROUGH(...)	meaning(RTC_RULE_WRITE_THROUGH, (const char *const []) {__VA_ARGS__, NULL})
#define INVALIDATE(...)		meaning(RTC_RULE_INVALIDATE, (const char *const []) {__VA_ARGS__, NULL})
#define TRUNCATE(...)		meaning(RTC_RULE_TRUNCATE, (const char *const []) {__VA_ARGS__, NULL})

static void
test_write_through(void)
{
	const char *const none[] = {NULL};

	is_text(WRITE_THROUGH("hero:{id}"), "key=hero:{id}", "a key");
	is_text(WRITE_THROUGH("k", "ttl=1 hour", "columns=a,\"B\"", "del=x:{a}", "tag=t", "del=y", "tag=u:{a}"),
			"key=k ttl=1 hour columns=a,\"B\" del=(x:{a} y) tag=(t u:{a})", "all options");
	is_text(WRITE_THROUGH("k", "ttl="), "key=k ttl=", "an empty value");
	is_text(WRITE_THROUGH("k", "del=a=b"), "key=k del=(a=b)", "a value with an equals sign");
	is_text(WRITE_THROUGH("a:b=c"), "key=a:b=c", "a key with one");
	is_text(WRITE_THROUGH("1a=c"), "key=1a=c", "what is in front of it is no name");

	is_text(meaning(RTC_RULE_WRITE_THROUGH, none),
			"22023 the first argument of rtcache_write_through must be a key template", "no argument");
	is_text(WRITE_THROUGH("ttl=1 hour", "k"),
			"22023 the first argument of rtcache_write_through must be a key template", "no key");
	is_text(WRITE_THROUGH("k", "x=1"),
			"22023 unrecognized option \"x\" of rtcache_write_through", "an unknown option");
	is_text(WRITE_THROUGH("k", "TTL=1 hour"),
			"22023 unrecognized option \"TTL\" of rtcache_write_through", "an option in capitals");
	is_text(WRITE_THROUGH("k", "keys=none"),
			"22023 unrecognized option \"keys\" of rtcache_write_through", "an option of others");
	is_text(WRITE_THROUGH("k", "l"),
			"22023 invalid argument \"l\" of rtcache_write_through", "a second key");
	is_text(WRITE_THROUGH("k", "ttl=1", "ttl=2"),
			"22023 option \"ttl\" is given more than once", "a second time to live");
	is_text(WRITE_THROUGH("k", "columns=a", "columns=a"),
			"22023 option \"columns\" is given more than once", "a second list of columns");
	is_text(WRITE_THROUGH("k", "x=1", "ttl=1", "ttl=2"),
			"22023 unrecognized option \"x\" of rtcache_write_through", "the first fault is told");
}

static void
test_others(void)
{
	const char *const none[] = {NULL};

	is_text(meaning(RTC_RULE_INVALIDATE, none), "", "invalidate without arguments");
	is_text(INVALIDATE("a:{id}", "tag=t", "b"), "del=(a:{id} b) tag=(t)", "with keys and a tag");
	is_text(INVALIDATE("ttl=1"), "22023 unrecognized option \"ttl\" of rtcache_invalidate", "it has no time to live");
	is_text(INVALIDATE("keys=none"), "22023 unrecognized option \"keys\" of rtcache_invalidate", "nor keys=none");

	is_text(meaning(RTC_RULE_TRUNCATE, none), "", "truncate without arguments");
	is_text(TRUNCATE("a", "tag=t"), "del=(a) tag=(t)", "with a key and a tag");
	is_text(TRUNCATE("keys=none"), "no keys", "with no keys");
	is_text(TRUNCATE("keys=none", "tag=t"), "tag=(t) no keys", "but a tag");
	is_text(TRUNCATE("keys=none", "a"), "22023 option \"keys=none\" contradicts a key template", "and a key");
	is_text(TRUNCATE("keys=all"), "22023 unrecognized option \"keys\" of rtcache_truncate", "another value");
}

/* A rule with this argument, or with none. */
static RtcRuleText *
rule_of(RtcRuleKind kind, const char *arg)
{
	char	   *args[] = {unconstify(char *, arg)};
	RtcRuleText *rule = palloc(sizeof(RtcRuleText));
	RtcFault	fault;

	MUST(rtc_rule_read(kind, arg != NULL, args, rule, &fault));
	return rule;
}

static bool
forgets_all(RtcRuleKind kind, const char *arg)
{
	RtcNames	names = {1, "public", "hero"};

	return rtc_rule_forgets_all(rule_of(kind, arg), &names);
}

static void
test_forgets_all(void)
{
	ok(forgets_all(RTC_RULE_TRUNCATE, NULL), "truncate without arguments forgets all keys");
	ok(!forgets_all(RTC_RULE_TRUNCATE, "keys=none"), "but not with keys=none");
	ok(!forgets_all(RTC_RULE_TRUNCATE, "tag=t"), "nor with a tag");
	ok(!forgets_all(RTC_RULE_INVALIDATE, NULL), "invalidate without arguments forgets none");
	ok(!forgets_all(RTC_RULE_INVALIDATE, "hero:{id}"), "a key with columns forgets what it can make");
	ok(forgets_all(RTC_RULE_INVALIDATE, "{id}:hero"), "one that begins with a column forgets all");
	ok(forgets_all(RTC_RULE_WRITE_THROUGH, "{id}"), "whatever the kind of the rule");
	ok(!forgets_all(RTC_RULE_INVALIDATE, "{.table}:{id}"), "a name in front is no column");
	ok(forgets_all(RTC_RULE_INVALIDATE, "tag=t:{id}"), "a tag with columns forgets all");
}

static void
test_uses_names(void)
{
	ok(!rtc_rule_uses_names(rule_of(RTC_RULE_INVALIDATE, NULL)), "no template uses no names");
	ok(!rtc_rule_uses_names(rule_of(RTC_RULE_WRITE_THROUGH, "hero:{id}")), "a column is no name");
	ok(rtc_rule_uses_names(rule_of(RTC_RULE_WRITE_THROUGH, "{.table}:{id}")), "a key uses one");
	ok(rtc_rule_uses_names(rule_of(RTC_RULE_INVALIDATE, "{.schema}:{id}")), "a key to delete does");
	ok(rtc_rule_uses_names(rule_of(RTC_RULE_TRUNCATE, "tag={.table}")), "a tag does");
}

int
main(void)
{
	test_write_through();
	test_others();
	test_forgets_all();
	test_uses_names();
	return done_testing();
}
