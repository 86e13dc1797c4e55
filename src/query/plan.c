/*-------------------------------------------------------------------------
 *
 * plan.c
 *		The plans that a backend keeps.
 *
 * A backend keeps up to MAX_PLANS plans of query texts, for its life, so that
 * a lookup that finds its answer in a cache hashes the text but does not parse
 * it.  The server's plan cache invalidates a plan when an object in it
 * changes; catalog_watch.c tells when names in the text may mean other
 * objects.  Then we start over from the text, because the types of parameters
 * and the verdict of cacheable.c may have changed too.  If the text means the
 * same as before, its id and its answers in the caches are the same.
 *
 * Each user and search_path has its own plans, so that nothing that was found
 * out for one user (privileges, row-level security, what a name means) is used
 * for another.
 *
 * Finding a plan, and so a hit in L1, takes no lock.  A relation that somebody
 * is changing then counts as it was before.  Before the query is run, it is
 * locked and the plan is checked again.
 *
 * Model: any backend, inside a transaction; backend-private state only.  A
 * query may run functions that look something up themselves, even by the same
 * text, so query.c counts references to a plan.  A dropped plan that is out of
 * use is freed at the next lookup.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "common/sha2.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "storage/lmgr.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/pinned_settings.h"
#include "compat.h"
#include "query/cacheable.h"
#include "query/judge.h"
#include "query/plan.h"
#include "query/privileges.h"
#include "rule/coverage.h"

/* Plans kept by a backend, those in use not counted. */
#define MAX_PLANS 256

typedef struct KeptEntry
{
	RtcKeptKey	key;
	RtcKeptPlan *plan;
} KeptEntry;

static HTAB *plans;				/* KeptEntry by RtcKeptKey */
static dlist_head plans_by_use = DLIST_STATIC_INIT(plans_by_use);	/* latest first */
static dlist_head plans_dropped = DLIST_STATIC_INIT(plans_dropped); /* free when unused */
static int	nplans;				/* in plans_by_use */
static RtcKeptPlan *latest;		/* the one used last, not dropped; or NULL */

/* Changes of relations that this backend was told of. */
static uint64 relation_changes;

/*
 * A relation, its indexes, triggers or children have changed.  The plan cache
 * watches the relations in the query; this watches others too.
 */
static void
note_relation_change(Datum arg, Oid relid)
{
	dlist_iter	iter;

	relation_changes++;
	dlist_foreach(iter, &plans_by_use)
	{
		RtcKeptPlan *plan = dlist_container(RtcKeptPlan, node, iter.cur);

		if (!OidIsValid(relid) || list_member_oid(plan->watched, relid))
			plan->outdated = true;
	}
}

static void
init_plans(void)
{
	HASHCTL		info;

	info.keysize = sizeof(RtcKeptKey);
	info.entrysize = sizeof(KeptEntry);
	info.hcxt = TopMemoryContext;
	plans = hash_create("rtcache plans", MAX_PLANS, &info,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	CacheRegisterRelcacheCallback(note_relation_change, (Datum) 0);
}

void
rtc_plan_drop(RtcKeptPlan *plan)
{
	if (plan->dropped)
		return;
	hash_search(plans, &plan->key, HASH_REMOVE, NULL);
	dlist_delete(&plan->node);
	nplans--;
	plan->dropped = true;
	if (latest == plan)
		latest = NULL;
	dlist_push_head(&plans_dropped, &plan->node);
}

/* Frees dropped plans that are out of use. */
static void
free_dropped_plans(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &plans_dropped)
	{
		RtcKeptPlan *plan = dlist_container(RtcKeptPlan, node, iter.cur);

		if (plan->refcount > 0)
			continue;
		dlist_delete(&plan->node);
		DropCachedPlan(plan->source);
		MemoryContextDelete(plan->context);
	}
}

/* Shows where in the cached query an error is, not in the outer statement. */
static void
query_error_callback(void *arg)
{
	const char *text = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(text);
	}
	else
		errcontext("cached query \"%s\"", text);
}

void
rtc_plan_push_error_context(ErrorContextCallback *callback, const char *text)
{
	callback->callback = query_error_callback;
	callback->arg = unconstify(char *, text);
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/* Parses the text, which must be one SELECT. */
static RawStmt *
parse_query(const char *text)
{
	List	   *statements = pg_parse_query(text);
	RawStmt    *statement;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("cached query must be exactly one statement"),
				 errdetail_plural("The query text has %d statement.",
								  "The query text has %d statements.",
								  list_length(statements),
								  list_length(statements)),
				 errhint("Pass one SELECT, and values for $1, $2 and so on as \"args\".")));

	statement = linitial_node(RawStmt, statements);
	if (!IsA(statement->stmt, SelectStmt))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cached query must be a SELECT"),
				 errdetail("The query is %s.",
						   CreateCommandName(statement->stmt)),
				 errhint("SELECT, VALUES, TABLE and WITH ... SELECT can be cached.")));
	return statement;
}

/* A name that two columns of the result have; NULL = none. */
static const char *
name_used_twice(Query *query)
{
	ListCell   *lc;
	ListCell   *other;

	foreach(lc, query->targetList)
	{
		TargetEntry *column = lfirst_node(TargetEntry, lc);

		CHECK_FOR_INTERRUPTS();
		for_each_from(other, query->targetList, foreach_current_index(lc) + 1)
		{
			TargetEntry *another = lfirst_node(TargetEntry, other);

			if (!column->resjunk && !another->resjunk &&
				strcmp(column->resname, another->resname) == 0)
				return column->resname;
		}
	}
	return NULL;
}

/* Refuses a SELECT that changes something. */
static void
check_query_tree(List *queries)
{
	Query	   *query = linitial_node(Query, queries);

	if (list_length(queries) != 1 || query->commandType != CMD_SELECT ||
		query->utilityStmt != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cached query must be a SELECT"),
				 errdetail("SELECT INTO creates a table.")));
	if (query->hasModifyingCTE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cached query must be a SELECT"),
				 errdetail("The query has a data-modifying statement in WITH.")));
}

/*
 * Computes the id: a hash of the text and of all that it means (meaning.c).
 * The search path counts because functions may look names up.  The state of
 * our event triggers counts because DDL may go unseen while they are off, and
 * older answers must not come back with them.  The hash must not be forged, or
 * one query could have the answer of another.
 */
static void
compute_id(RtcKeptPlan *plan, List *queries, const RtcMeaning *meaning)
{
	StringInfoData buf;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx;
	List	   *schemas = rtc_search_path();
	char	   *tree = nodeToString(queries);
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%d:%s %d:%s %s", plan->textlen, plan->text,
					 (int) strlen(plan->search_path), plan->search_path, tree);
	foreach(lc, schemas)
		appendStringInfo(&buf, " %u", lfirst_oid(lc));
	foreach(lc, plan->verdict.relids)
		rtc_describe_columns(&buf, lfirst_oid(lc));
	rtc_meaning_describe(meaning, &buf);
	(void) rtc_ddl_is_seen(&buf);

	ctx = pg_cryptohash_create(PG_SHA256);
	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) buf.data, buf.len) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256 hash");
	pg_cryptohash_free(ctx);
	memcpy(&plan->id, digest, sizeof(plan->id));
}

/* Begins a plan, in a context of its own below the current one. */
static RtcKeptPlan *
begin_plan(const RtcKeptKey *key, const char *text, int textlen)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "rtcache plan",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	RtcKeptPlan *plan = palloc0(sizeof(RtcKeptPlan));

	plan->key = *key;
	plan->context = context;
	plan->text = pnstrdup(text, textlen);
	plan->textlen = textlen;
	plan->search_path = pstrdup(namespace_search_path);
	MemoryContextSwitchTo(oldcontext);
	return plan;
}

static void
find_deps(RtcKeptPlan *plan, List *queries, const RtcMeaning *meaning)
{
	RtcDep		definition[RTC_MAX_MEANING_DEPS];
	int			ndefinitions = rtc_meaning_deps(meaning, definition);

	plan->deps = rtc_deps_analyze(queries, definition, ndefinitions,
								  plan->context);
	if (plan->deps == NULL)
		plan->verdict.reason = RTC_UNCACHEABLE_RELATIONS;
	else
		plan->owned = rtc_owned_analyze(queries, plan->context);
}

/* Copies the findings of the analysis into the context of the plan. */
static void
keep_findings(RtcKeptPlan *plan, List *queries, const RtcMeaning *meaning)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(plan->context);
	RtcVerdict *verdict = &plan->verdict;
	const char *twice = name_used_twice(linitial_node(Query, queries));

	plan->privileges = rtc_privileges_of(queries, verdict->functions);
	plan->name_twice = twice != NULL ? pstrdup(twice) : NULL;
	plan->moments = bms_copy(plan->moments);
	plan->watched = list_copy(meaning->row_relations);
	if (plan->deps != NULL)
		plan->watched = list_concat(plan->watched, plan->deps->watched);
	verdict->reason = verdict->reason != NULL ? pstrdup(verdict->reason) : NULL;
	verdict->relids = list_copy(verdict->relids);
	verdict->lockmodes = list_copy(verdict->lockmodes);
	verdict->functions = list_copy(verdict->functions);
	verdict->called = NIL;
	verdict->types = NIL;
	MemoryContextSwitchTo(oldcontext);
}

/* Notes which parameters are of a type with words like 'now'. */
static void
find_moments(RtcKeptPlan *plan, const Oid *types, int ntypes)
{
	for (int i = 0; i < ntypes; i++)
	{
		if (rtc_judge_type(rtc_judge_begin(), types[i], RTC_ASPECT_MOMENTS))
			plan->moments = bms_add_member(plan->moments, i);
	}
}

/* Parses and analyzes the text of a plan; locks what the query reads. */
static void
analyze_plan(RtcKeptPlan *plan)
{
	RawStmt    *statement = parse_query(plan->text);
	List	   *queries;
	Oid		   *types = NULL;
	int			ntypes = 0;
	RtcMeaning	meaning;
	uint64		before = relation_changes;
	uint64		changes;

	rtc_watch_text(&plan->watch, plan->text, plan->context);
	plan->source = CreateCachedPlan(statement, plan->text,
									CreateCommandTag(statement->stmt));

	PushActiveSnapshot(GetTransactionSnapshot());
	queries = pg_analyze_and_rewrite_varparams(statement, plan->text, &types,
											   &ntypes, NULL);
	check_query_tree(queries);
	rtc_judge_query(queries, plan->text, &plan->verdict);
	find_moments(plan, types, ntypes);

	rtc_meaning_find(&meaning, plan->verdict.called, plan->verdict.types);
	if (meaning.opaque || plan->verdict.names_literal ||
		plan->verdict.reason != NULL)
		rtc_watch_all_names(&plan->watch);
	else
		rtc_watch_types(&plan->watch, meaning.types);
	compute_id(plan, queries, &meaning);
	if (meaning.opaque)
		rtc_meaning_end_kept_plans();

	/* locks do not prevent new triggers and indexes */
	changes = relation_changes;
	if (plan->verdict.reason == NULL)
		find_deps(plan, queries, &meaning);
	PopActiveSnapshot();

	CompleteCachedPlan(plan->source, queries, NULL, types, ntypes, NULL, NULL,
					   CURSOR_OPT_PARALLEL_OK, false);
	keep_findings(plan, queries, &meaning);

	/* row types were read from the beginning of the analysis on */
	plan->outdated = relation_changes !=
		(meaning.row_relations != NIL ? before : changes);
}

/* Makes and keeps a plan; locks what the query reads. */
static RtcKeptPlan *
make_plan(const RtcKeptKey *key, const char *text, int textlen)
{
	ErrorContextCallback callback;
	MemoryContext scratch;
	MemoryContext oldcontext;
	RtcKeptPlan *plan;
	KeptEntry  *entry;
	int			nestlevel;

	/* both are children of the caller's context until nothing can raise */
	plan = begin_plan(key, text, textlen);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "rtcache parse",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(scratch);

	/* the parser reads literals */
	nestlevel = rtc_pin_query_settings(true);
	rtc_plan_push_error_context(&callback, plan->text);
	analyze_plan(plan);
	error_context_stack = callback.previous;

	entry = hash_search(plans, key, HASH_ENTER, NULL);
	entry->plan = plan;
	SaveCachedPlan(plan->source);	/* cannot fail from here on */
	MemoryContextSetParent(plan->context, TopMemoryContext);
	dlist_push_head(&plans_by_use, &plan->node);
	nplans++;

	MemoryContextSwitchTo(oldcontext);
	rtc_unpin_settings(nestlevel);
	MemoryContextDelete(scratch);

	if (nplans > MAX_PLANS)
		rtc_plan_drop(dlist_tail_element(RtcKeptPlan, node, &plans_by_use));
	return plan;
}

bool
rtc_plan_is_current(RtcKeptPlan *plan)
{
	return plan->source->is_valid && !plan->outdated &&
		rtc_watch_holds(&plan->watch) &&
		!plan->verdict.names_moment &&
		search_path_matches_compat(plan->source->search_path);
}

void
rtc_plan_lock(RtcKeptPlan *plan, bool acquire)
{
	ListCell   *relid;
	ListCell   *mode;

	forboth(relid, plan->verdict.relids, mode, plan->verdict.lockmodes)
	{
		if (acquire)
			LockRelationOid(lfirst_oid(relid), lfirst_int(mode));
		else
			UnlockRelationOid(lfirst_oid(relid), lfirst_int(mode));
	}
}

/* Is this the plan of a text, for the current user? */
static bool
is_plan_of(RtcKeptPlan *plan, const char *text, int textlen)
{
	return plan->textlen == textlen &&
		memcmp(plan->text, text, textlen) == 0 &&
		plan->key.userid == GetUserId() &&
		strcmp(plan->search_path, namespace_search_path) == 0;
}

RtcKeptPlan *
rtc_plan_find(const char *text, int textlen, bool *locked)
{
	RtcKeptKey	key;
	KeptEntry  *entry;

	if (plans == NULL)
		init_plans();
	if (!dlist_is_empty(&plans_dropped))
		free_dropped_plans();

	/* privileges can change without a lock */
	AcceptInvalidationMessages();

	*locked = false;
	if (latest != NULL && is_plan_of(latest, text, textlen) &&
		rtc_plan_is_current(latest))
		return latest;

	memset(&key, 0, sizeof(key));
	key.hash = hash_bytes_extended((const unsigned char *) namespace_search_path,
								   strlen(namespace_search_path), 0);
	key.hash = hash_bytes_extended((const unsigned char *) text, textlen,
								   key.hash);
	key.userid = GetUserId();

	entry = hash_search(plans, &key, HASH_FIND, NULL);
	if (entry != NULL)
	{
		RtcKeptPlan *plan = entry->plan;

		if (is_plan_of(plan, text, textlen) && rtc_plan_is_current(plan))
		{
			dlist_move_head(&plans_by_use, &plan->node);
			latest = plan;
			return plan;
		}
		rtc_plan_drop(plan);
	}

	*locked = true;
	latest = make_plan(&key, text, textlen);
	return latest;
}
