/*-------------------------------------------------------------------------
 *
 * lookup.c
 *		cache_get and cache_list: the read path.
 *
 * The promise is that cache_get() returns what its query would have returned
 * at some moment of the call.  This is how it is kept:
 *
 * 1.  Stamps.  For everything the answer depends on we look for writers that
 *	   are committing, and then take the version.  If there is one, its write
 *	   may be visible without having been stamped, and nothing is known:
 *	   bypass.
 *
 *	   What it depends on is its key, its database, and what query_deps.c finds in
 *	   the query or the tags that the caller gives.  That depends on rules and
 *	   indexes as well: see name_deps().
 *
 * 2.  L1.  An answer to the same question that was stored with the same
 *	   versions contains every commit that was visible when we began.  All
 *	   that is stored there comes from a snapshot, or from Redis by step 3,
 *	   later than the stamps it is stored with.  So if a writer came in
 *	   between, its versions are not those that the next reader takes.  Until
 *	   the gate is open there is no L1: prepared transactions from before the
 *	   start of the server commit without a stamp.
 *
 * 3.  Trust.  Redis counts if lookup_trust.c says so.  A value found then contains
 *	   every commit that was visible when we began.
 *
 * 4.  The lease.  Without a value we ask for the right to store one, then take
 *	   a fresh snapshot, run the query and store the answer if the lease is
 *	   still there.  A write that the snapshot does not see becomes visible
 *	   later, hence the relay applies it later than the lease was granted, and
 *	   to apply a write to a key is to delete its lease: either the fill is
 *	   refused, or its value is deleted.  The stamps are looked at again for
 *	   another reason: a commit that the snapshot does see may not be flushed
 *	   yet, and Redis must not show it before.  The relay's word needs
 *	   to be looked at again, too.  A relay that closes Redis may go on to
 *	   clear it *instead of* applying writes, and such a clear deletes the
 *	   leases that exist when it begins.  Had it begun before ours was granted,
 *	   nothing would take that away.  Hence what Redis says counts only if
 *	   l2_generation is, afterwards, what it was before.
 *
 * Of many who miss, one goes on to 3 and 4 and the others wait for it: those of
 * this server by single_flight.c, those of other servers by the lease.  A value they
 * get that way is judged by stamps taken after the wait.
 *
 * MODEL: any backend, inside a transaction, as the current user.  Redis is
 * asked by redis_lookup.c, which raises for query cancel and termination only.
 * No lock is held while Redis is asked.  Nothing of a lookup outlives it, so
 * the query may contain lookups.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/key.h"
#include "compat.h"
#include "dep/stamps.h"
#include "guc.h"
#include "l1/l1.h"
#include "op.h"
#include "query/query.h"
#include "read/lookup_internal.h"
#include "read/lookup_trust.h"
#include "read/redis_lookup.h"
#include "read/single_flight.h"
#include "rule/ttl.h"
#include "stats.h"
#include "write/oplist.h"

static Jsonb *lookup(RtcLookup *l);
static Jsonb *look_further(RtcLookup *l);
static bool wait_for_others(RtcLookup *l, Jsonb **answer, bool *ours);
static bool may_bypass(RtcLookup *l, RtcCounter *reason);
static bool name_deps(RtcLookup *l);
static bool is_owned(RtcLookup *l);
static bool take_stamps(RtcLookup *l);

PG_FUNCTION_INFO_V1(cache_get);
PG_FUNCTION_INFO_V1(cache_list);

/*
 * The read path.  NULL = the query returns no row.
 */
static Jsonb *
lookup(RtcLookup *l)
{
	RtcCounter	reason;
	Jsonb	   *answer;

	if (may_bypass(l, &reason))
	{
		rtc_stat_inc(reason);
		return rtc_lookup_run(l);
	}

	/* Whether this user may have an answer is known before there is one. */
	if (!rtc_query_may_run(l->query))
	{
		rtc_query_lock(l->query);
		if (l->query->uncacheable != NULL)
		{
			rtc_stat_inc(RTC_STAT_BYPASS_QUERY);
			return rtc_lookup_run(l);
		}
		l->question.id = l->query->id;
		l->question.privileges = l->query->privileges;
	}

	/* Pending before version, and both before everything else. */
	(void) name_deps(l);
	l->use_l1 = rtc_l1_exists() &&
		rtc_gate_is_open() &&
		!RecoveryInProgress();
	if (!take_stamps(l))
	{
		rtc_stat_inc(RTC_STAT_BYPASS_PENDING);
		return rtc_lookup_run(l);
	}
	RTC_INJECT("stamps_taken");
	if (l->use_l1 &&
		rtc_l1_get(&l->question, &l->stamps, &answer, NULL))
	{
		rtc_query_check_access(l->query);
		rtc_stat_inc(RTC_STAT_L1_HITS);
		return answer;
	}
	return look_further(l);
}

/*
 * The answer is not in L1: gets it from Redis or the query, or waits for
 * somebody who does.
 */
static Jsonb *
look_further(RtcLookup *l)
{
	Jsonb	   *volatile answer = NULL;
	Jsonb	   *found;
	bool		ours = false;
	uint64		question;

	/* From here on it takes as long as the query. */
	rtc_query_lock(l->query);
	if (l->query->uncacheable != NULL)
	{
		rtc_stat_inc(RTC_STAT_BYPASS_QUERY);
		return rtc_lookup_run(l);
	}
	l->question.id = l->query->id;
	if (name_deps(l) && !take_stamps(l))
	{
		rtc_stat_inc(RTC_STAT_BYPASS_PENDING);
		return rtc_lookup_run(l);
	}
	l->owned = is_owned(l);
	l->question.privileges = l->query->privileges;

	if (!l->use_l1)
		return rtc_lookup_fetch(l);
	if (wait_for_others(l, &found, &ours))
		return found;
	if (!ours)
		return rtc_lookup_fetch(l);

	question = rtc_l1_question_hash(&l->question);
	PG_TRY();
	{
		answer = rtc_lookup_fetch(l);
	}
	PG_CATCH();
	{
		rtc_flight_land(question, false);
		PG_RE_THROW();
	}
	PG_END_TRY();
	rtc_flight_land(question, l->in_vain);
	return answer;
}

/*
 * Waits for those who are computing the same answer.  True = *answer is
 * theirs, or the lookup had to bypass the cache; else we have to compute it,
 * for all who wait (ours) or for ourselves.
 */
static bool
wait_for_others(RtcLookup *l, Jsonb **answer, bool *ours)
{
	uint64		question = rtc_l1_question_hash(&l->question);
	int64		deadline = rtc_deadline_in(rtc_fill_wait);

	for (;;)
	{
		RtcFlightResult result;

		result = rtc_flight_board(question, rtc_deadline_left(deadline));
		if (result == RTC_FLIGHT_ALONE)
			return false;
		*ours = result == RTC_FLIGHT_OURS;

		/*
		 * Whoever has it now may have got it just after somebody landed, so
		 * look once more.  What was taken before a wait does not count.
		 */
		if (!*ours && !take_stamps(l))
		{
			rtc_stat_inc(RTC_STAT_BYPASS_PENDING);
			*answer = rtc_lookup_run(l);
			return true;
		}
		if (rtc_l1_get(&l->question, &l->stamps, answer, NULL))
		{
			if (*ours)
				rtc_flight_land(question, false);
			else
				rtc_stat_inc(RTC_STAT_FILL_WAITS);
			rtc_query_check_access(l->query);
			rtc_stat_inc(RTC_STAT_L1_HITS);
			return true;
		}
		if (*ours)
			return false;
	}
}

/*
 * Is this a lookup that no cache may answer, nor learn from?
 */
static bool
may_bypass(RtcLookup *l, RtcCounter *reason)
{
	if (!rtc_preloaded)
		*reason = RTC_STAT_BYPASS_NOT_READY;
	else if (!rtc_enabled)
		*reason = RTC_STAT_BYPASS_DISABLED;
	else if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
			 rtc_oplist_is_active())
		*reason = RTC_STAT_BYPASS_WROTE;	/* it must see its own writes */
	else if (IsolationUsesXactSnapshot())
		*reason = RTC_STAT_BYPASS_ISOLATION;	/* it must not see new ones */
	else if (l->query->uncacheable != NULL)
		*reason = RTC_STAT_BYPASS_QUERY;
	else
		return false;
	return true;
}

/*
 * Names what the answer depends on; true = that is something else than before.
 *
 * It follows from the rules and indexes that there are, and these may go at any
 * moment, with a lock or without one of ours.  From then on writers may not
 * stamp what we name.  But nobody will use what we store with such a name.
 * Whoever looks for it after such a writer has been told of the change, which
 * was committed before: the plan cache makes the plan anew, and it names
 * other things.  If all is as it was later on, the event triggers have
 * stamped the relation in between; or they were off, and then it is another
 * question now (plan.c).  And an answer that was there before is
 * one of a moment of this call, since at its beginning we had been told of
 * everything that had been committed.
 *
 * When the query has been prepared anew, what it reads now may not have been
 * stamped by us: so the stamps are taken again if the names are others.
 */
static bool
name_deps(RtcLookup *l)
{
	const RtcDep *dep;
	int			n;

	if (l->tagged)
		return false;
	n = rtc_query_deps(l->query, &dep);
	if (n == l->ndeps && memcmp(dep, l->dep, n * sizeof(RtcDep)) == 0)
		return false;
	memcpy(l->dep, dep, n * sizeof(RtcDep));
	l->ndeps = n;
	return true;
}

/* Is the answer what a rule stores under this key? */
static bool
is_owned(RtcLookup *l)
{
	const char *key;
	size_t		keylen;

	/* who gives tags wants them to count */
	if (!l->one_row || (l->tagged && l->ndeps > 0))
		return false;
	key = rtc_query_owned_key(l->query, &keylen);
	return key != NULL && keylen == l->question.keylen &&
		memcmp(key, l->question.key, keylen) == 0;
}

/* Takes the tags that the caller gives for what the answer depends on. */
static void
take_tags(RtcLookup *l, ArrayType *tags)
{
	Datum	   *tag;
	bool	   *isnull;
	int			n;

	if (ARR_NDIM(tags) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("tags must be a one-dimensional array")));
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &tag, &isnull,
					  &n);
	if (n > RTC_MAX_NAMED_DEPS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many tags"),
				 errdetail("%d tags were given, the limit is %d.", n,
						   RTC_MAX_NAMED_DEPS)));
	for (int i = 0; i < n; i++)
	{
		text	   *name;

		if (isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("tag must not be null")));
		name = DatumGetTextPP(tag[i]);
		if (VARSIZE_ANY_EXHDR(name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("tag must not be empty")));
		if (VARSIZE_ANY_EXHDR(name) > RTC_MAX_KEY_LEN)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("tag is too long"),
					 errdetail("The tag has %zu bytes, the limit is %d.",
							   (size_t) VARSIZE_ANY_EXHDR(name),
							   RTC_MAX_KEY_LEN)));
		l->dep[l->ndeps++] = rtc_dep_tag(VARDATA_ANY(name),
										 VARSIZE_ANY_EXHDR(name));
	}
	l->tagged = true;
}

/*
 * Takes the stamps of everything that the answer depends on; false = somebody
 * is committing a write to it.
 */
static bool
take_stamps(RtcLookup *l)
{
	rtc_stamps_of(&l->stamps, l->question.key, l->question.keylen, l->dep,
				  l->ndeps);
	return rtc_stamp_read_take(&l->stamps);
}

Jsonb *
rtc_lookup_run(RtcLookup *l)
{
	rtc_query_lock(l->query);
	return rtc_query_run(l->query, l->one_row, l->text);
}

/*
 * cache_get and cache_list: (key, query, args, ttl, tags).
 */
static Datum
lookup_function(FunctionCallInfo fcinfo, bool one_row)
{
	RtcLookup	l;
	text	   *key;
	text	   *query;
	ArrayType  *args = NULL;
	Jsonb	   *answer;
	JsonbValue	scalar;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cache key must not be null")));
	key = PG_GETARG_TEXT_PP(0);
	l.question.key = VARDATA_ANY(key);
	l.question.keylen = VARSIZE_ANY_EXHDR(key);
	rtc_key_check(l.question.key, l.question.keylen);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cached query must not be null")));
	l.ttl_ms = PG_ARGISNULL(3) ? rtc_default_ttl_ms() :
		rtc_ttl_ms(PG_GETARG_INTERVAL_P(3));
	l.ndeps = 0;
	l.tagged = false;
	if (!PG_ARGISNULL(4))
		take_tags(&l, PG_GETARG_ARRAYTYPE_P(4));
	if (!PG_ARGISNULL(2))
		args = PG_GETARG_ARRAYTYPE_P(2);

	/* The query is checked even if its answer will be found in a cache. */
	query = PG_GETARG_TEXT_PP(1);
	l.one_row = one_row;
	l.use_l1 = false;
	l.in_vain = false;
	l.stored = false;
	l.owned = false;
	l.text = NULL;
	l.query = rtc_query_prepare(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query),
								args, false);
	l.question.hash = rtc_l1_hash(l.question.key, l.question.keylen);
	l.question.id = l.query->id;
	l.question.privileges = l.query->privileges;
	l.question.args = args != NULL ? VARDATA(args) : NULL;
	l.question.argslen = args != NULL ? VARSIZE(args) - VARHDRSZ : 0;
	l.question.one_row = one_row;
	answer = lookup(&l);

	/* No row is cached as JSON null, so a JSON null counts as no row. */
	if (answer == NULL ||
		(one_row && JB_ROOT_IS_SCALAR(answer) &&
		 JsonbExtractScalar(&answer->root, &scalar) &&
		 scalar.type == jbvNull))
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(answer);
}

Datum
cache_get(PG_FUNCTION_ARGS)
{
	return lookup_function(fcinfo, true);
}

Datum
cache_list(PG_FUNCTION_ARGS)
{
	return lookup_function(fcinfo, false);
}
