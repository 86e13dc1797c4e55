/*-------------------------------------------------------------------------
 *
 * rule_keys.c
 *		Under which keys do rules store rows?
 *
 * Several rooms ask which rules can have written a key: an answer is taken
 * from a rule only if no other rule writes there (rule_answer.c); a value
 * without a companion is shown to those who may read the tables of such rules
 * (companion.c); a lookup marks what it stores under such a key (fetch.c); and
 * two rules that write the same keys are a mistake (rule_clash.c).
 *
 * pg_trigger has no index for that, so each backend keeps a list until a
 * relation or schema changes.
 *
 * Model: called inside a transaction.  The list has a memory context of its
 * own, and is made anew at the first call after a change.  The callbacks only
 * count.  Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "rule/rule_catalog.h"
#include "rule/rule_keys.h"
#include "rule/rule_names.h"

static MemoryContext keys_context = NULL;	/* holds what follows */
static List *keys_list = NIL;	/* of RtcRuleKeys */
static uint64 changes = 1;		/* number of invalidations */
static uint64 keys_changes = 0; /* the same when keys_list was begun */

static void
relation_changed(Datum arg, Oid relid)
{
	changes++;
}

static void
schema_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
}

List *
rtc_rule_keys(void)
{
	MemoryContext oldcontext;
	uint64		now;
	ListCell   *lc;

	if (keys_context == NULL)
	{
		keys_context = AllocSetContextCreate(TopMemoryContext,
											 "rtcache rule keys",
											 ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
	}
	if (keys_changes == changes)
		return keys_list;

	keys_list = NIL;
	MemoryContextReset(keys_context);
	oldcontext = MemoryContextSwitchTo(keys_context);

	/* a change that arrives during the scan makes the list stale at once */
	now = changes;
	foreach(lc, rtc_all_rules(false))
	{
		const RtcRuleRow *rule = lfirst(lc);
		RtcRuleKeys *keys;
		RtcNames	names;

		if (rule->text.key == NULL)
			continue;
		rtc_names_of(rule->relid, &names);
		keys = palloc(sizeof(RtcRuleKeys));
		keys->tgoid = rule->tgoid;
		keys->relid = rule->relid;
		keys->trigger = rule->name;
		keys->tmpl = rule->text.key;
		keys->shape = rtc_shape_make(rule->text.key, &names, rule->relid);
		keys_list = lappend(keys_list, keys);
	}
	MemoryContextSwitchTo(oldcontext);
	keys_changes = now;
	return keys_list;
}

List *
rtc_rules_that_make(const char *key, size_t len)
{
	List	   *makers = NIL;
	ListCell   *lc;

	foreach(lc, rtc_rule_keys())
	{
		RtcRuleKeys *keys = lfirst(lc);

		if (rtc_shape_matches(keys->shape, key, len))
			makers = lappend(makers, keys);
	}
	return makers;
}
