/*-------------------------------------------------------------------------
 *
 * rule_cache.c
 *		The rules of this backend, ready for use.
 *
 * A rule is read and bound once, with the track that says what a row changes,
 * and kept by the OID of its trigger.  An invalidation only marks it stale;
 * one that arrives while the rule is made has it made again.
 *
 * A stale rule may be in use further up the stack, because casts to json and
 * hash functions of types are users' functions, which may write.  At trigger
 * depth 1 no other call of ours is on the stack, so stale rules are freed
 * there.  Deeper down a stale rule is replaced, and its memory stays until
 * depth 1.  The depth is right after errors too; a counter of ours would have
 * to be reset.
 *
 * Model: called by the trigger functions, in the backend that writes.  Each
 * entry of the hash table has a memory context of its own.  The invalidation
 * callbacks free nothing and raise nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "rule/rule_catalog.h"
#include "write/rule_cache.h"

/* How often a rule is made again when catalogs change meanwhile. */
#define RTC_RULE_TRIES 10

static HTAB *rules = NULL;		/* of RtcCachedRule */
static bool have_stale = false; /* an entry is stale, or retired not empty */
static List *retired = NIL;		/* contexts of replaced rules, perhaps in use */
static uint64 invalidations = 0;	/* seen so far */

static void
relation_invalidated(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	RtcCachedRule *entry;

	invalidations++;
	hash_seq_init(&seq, rules);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (relid == InvalidOid || entry->relid == relid ||
			entry->names.relid == relid ||
			(entry->track != NULL && rtc_track_has(entry->track, relid)))
			entry->stale = have_stale = true;
	}
}

/* A schema may be renamed, a type may get another hash function. */
static void
catalog_invalidated(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS seq;
	RtcCachedRule *entry;

	invalidations++;
	hash_seq_init(&seq, rules);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (cacheid == NAMESPACEOID ? OidIsValid(entry->names.relid)
			: entry->track != NULL)
			entry->stale = have_stale = true;
	}
}

static void
rules_init(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(RtcCachedRule);
	ctl.hcxt = TopMemoryContext;
	rules = hash_create("rtcache rules", 32, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, catalog_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(CLAOID, catalog_invalidated, (Datum) 0);
}

/* Frees all stale and replaced rules; only when none can be in use. */
static void
sweep_rules(void)
{
	HASH_SEQ_STATUS seq;
	RtcCachedRule *entry;
	ListCell   *lc;

	hash_seq_init(&seq, rules);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->stale)
		{
			MemoryContextDelete(entry->cxt);
			(void) hash_search(rules, &entry->tgoid, HASH_REMOVE, NULL);
		}
	}
	foreach(lc, retired)
		MemoryContextDelete(lfirst(lc));
	list_free(retired);
	retired = NIL;
	have_stale = false;
}

/*
 * Does this rule note what changes (row_changes.c)?  The first one that sees
 * every change does it for the table; without one, each does.
 */
static bool
is_tracker(Relation rel, const Trigger *self)
{
	const Trigger *trigger;
	RtcRuleKind kind;

	for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
	{
		if (rtc_rule_sees_rows(trigger))
			return trigger->tgoid == self->tgoid;
	}
	return true;
}

/* Is this the only trigger of the table that stores rows? */
static bool
is_alone(Relation rel, const Trigger *self)
{
	const Trigger *trigger;
	RtcRuleKind kind;

	for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
	{
		if (trigger->tgoid != self->tgoid && kind == RTC_RULE_WRITE_THROUGH)
			return false;
	}
	return true;
}

/* Makes an entry, in a context below the current one. */
static void
make_rule(Relation rel, const Trigger *trigger, RtcRuleKind kind,
		  RtcCachedRule *made)
{
	uint64		before = invalidations;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "rtcache rule",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext oldcxt = MemoryContextSwitchTo(cxt);

	memset(made, 0, sizeof(*made));
	made->tgoid = trigger->tgoid;
	made->relid = RelationGetRelid(rel);
	made->cxt = cxt;
	made->rule = rtc_rule_parse(rel, trigger, kind, &made->text, &made->names,
								&made->fault);
	made->alone = is_alone(rel, trigger);
	if (kind != RTC_RULE_TRUNCATE && is_tracker(rel, trigger))
		made->track = rtc_track_make(made->relid);
	made->stale = before != invalidations;
	MemoryContextSwitchTo(oldcxt);
}

RtcCachedRule *
rtc_cached_rule(TriggerData *trigdata, RtcRuleKind kind)
{
	Trigger    *trigger = trigdata->tg_trigger;
	RtcCachedRule *entry;
	RtcCachedRule made;

	if (rules == NULL)
		rules_init();
	if (have_stale &&
		DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) <= 1)
		sweep_rules();

	entry = hash_search(rules, &trigger->tgoid, HASH_FIND, NULL);
	if (entry != NULL && !entry->stale && entry->text.kind == kind)
		return entry;

	for (int tries = 1;; tries++)
	{
		make_rule(trigdata->tg_relation, trigger, kind, &made);
		if (!made.stale || tries == RTC_RULE_TRIES)
			break;
		MemoryContextDelete(made.cxt);
	}

	/* all that raises is over; an entry may have come meanwhile */
	entry = hash_search(rules, &trigger->tgoid, HASH_FIND, NULL);
	if (entry != NULL)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(TopMemoryContext);

		retired = lappend(retired, entry->cxt);
		MemoryContextSwitchTo(oldcxt);
		have_stale = true;
	}
	else
		entry = hash_search(rules, &trigger->tgoid, HASH_ENTER, NULL);
	*entry = made;
	have_stale |= made.stale;
	MemoryContextSetParent(made.cxt, TopMemoryContext);
	return entry;
}
