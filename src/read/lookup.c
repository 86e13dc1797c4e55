/*-------------------------------------------------------------------------
 *
 * lookup.c
 *		cache_get and cache_list: the read path.
 *
 * The promise is that cache_get() returns what its query would have returned
 * at some moment of the call.  This is how it is kept:
 *
 * 1.  Stamps.  For everything the answer depends on (lookup_names.c) we look for
 *	   writers that are committing, and then take the version.  If there is such a
 *	   writer, its write may be visible without having been stamped, and nothing
 *	   is known: bypass.
 *
 * 2.  L1.  An answer to the same question that was stored with the same
 *	   versions contains every commit that was visible when we began.  Everything
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
 *	   later, hence the relay applies it later than the lease was granted.  To
 *	   apply a write to a key is to delete its lease.  So either the fill is
 *	   refused, or its value is deleted.
 *
 *	   The stamps are checked again for another reason: a commit that the
 *	   snapshot does see may not be flushed yet, and Redis must not show it
 *	   before.
 *
 *	   The relay's word is checked again too.  A relay that closes Redis may go on
 *	   to clear it *instead of* applying writes.  Such a clear deletes the leases
 *	   that exist when it begins.  Had it begun before ours was granted, nothing
 *	   would take that away.  Hence what Redis says counts only if the generation
 *	   of redis/trust.c is, afterwards, what it was before.
 *
 * Of many who miss, one goes on to 3 and 4 and the others wait for it: those of
 * this server by single_flight.c, those of other servers by the lease.  They judge
 * a value that they get that way by stamps taken after the wait.
 *
 * A worker that refreshes an answer (rtc_lookup_again()) goes the same way.  What
 * caches hold is no hit for it if it will not last, so that it may get a lease
 * while a value stands: that is used until the new one is stored over it, or a
 * writer deletes both.  Nothing in 1 to 4 rests on there being no value.
 *
 * A worker that puts back what Redis may have lost goes the same way, past L1.
 *
 * Model: any backend, inside a transaction, as the current user.  Redis is
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
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/jsonb.h"

#include "base/clock.h"
#include "base/inject.h"
#include "compat.h"
#include "guc.h"
#include "read/families.h"
#include "read/fetch.h"
#include "read/hits.h"
#include "read/hot.h"
#include "read/lookup.h"
#include "read/lookup_names.h"
#include "read/lookup_trust.h"
#include "read/question.h"
#include "read/single_flight.h"
#include "redis/trust.h"
#include "stats.h"
#include "write/oplist.h"

/* How often a worker looks whether a writer has committed (ms). */
#define QUIET_POLL_MS	1
#define QUIET_POLLS		100

PG_FUNCTION_INFO_V1(cache_get);
PG_FUNCTION_INFO_V1(cache_list);

/* Runs the query, and counts why no cache was asked. */
static Jsonb *
bypass(const RtcQuestion *question, RtcCounter reason)
{
	rtc_stat_inc(reason);
	return rtc_question_run(question, NULL);
}

/*
 * Is this a lookup that no cache may answer, nor learn from?
 */
static bool
must_bypass(const RtcQuestion *question, RtcCounter *reason)
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
	else if (question->query->uncacheable != NULL)
		*reason = RTC_STAT_BYPASS_QUERY;
	else
		return false;
	return true;
}

/* Looks into L1; counts by which tables an answer has ended. */
static bool
look_into_l1(const RtcQuestion *question, const RtcLookupNames *names,
			 Jsonb **answer, RtcL1Found *found)
{
	if (rtc_l1_get(&question->l1, &names->stamps, answer, found))
		return true;
	if (found->ended.n > 0)
		rtc_names_count_ended(names, question, &found->ended);
	return false;
}

/* Raises what the query would raise for this user; else counts the hit. */
static void
use_l1_answer(const RtcQuestion *question, const RtcL1Found *found)
{
	rtc_query_check_access(question->query);
	rtc_family_l1_hit(question->l1.key, question->l1.keylen,
					  found->computed_us);
}

/*
 * Waits for those who are computing the same answer.  True = *answer is
 * theirs, or the lookup had to bypass the cache.  Else we have to compute it,
 * for all who wait (*ours) or for ourselves.
 */
static bool
wait_for_others(const RtcQuestion *question, RtcLookupNames *names,
				uint64 flight, Jsonb **answer, bool *ours)
{
	int64		deadline = rtc_deadline_in(rtc_fill_wait);
	RtcL1Found	found;

	for (;;)
	{
		RtcFlightResult result;

		result = rtc_flight_board(flight, rtc_deadline_left(deadline));
		*ours = result == RTC_FLIGHT_OURS;
		if (result == RTC_FLIGHT_ALONE)
			return false;

		/*
		 * Whoever has it now may have got it just after somebody landed, so
		 * look once more.  What was taken before a wait does not count.
		 */
		if (!*ours && !rtc_stamp_read_take(&names->stamps))
		{
			*answer = bypass(question, RTC_STAT_BYPASS_PENDING);
			return true;
		}
		if (look_into_l1(question, names, answer, &found))
			break;
		if (*ours)
			return false;
	}

	if (*ours)
		rtc_flight_land(flight, false);
	else
		rtc_stat_inc(RTC_STAT_FILL_WAITS);
	use_l1_answer(question, &found);
	return true;
}

/* Gets an answer that others may wait for: lets them go on in any case. */
static void
fetch_for_all(const RtcQuestion *question, const RtcLookupNames *names,
			  uint64 flight, RtcAnswer *answer)
{
	PG_TRY();
	{
		rtc_fetch(question, names, true, answer);
	}
	PG_CATCH();
	{
		rtc_flight_land(flight, false);
		PG_RE_THROW();
	}
	PG_END_TRY();
	rtc_flight_land(flight, answer->in_vain);
}

/* Gets an answer that is not in L1, from Redis, the query or others. */
static Jsonb *
look_further(const RtcQuestion *question, RtcLookupNames *names, bool use_l1)
{
	uint64		flight = rtc_l1_question_hash(&question->l1);
	RtcAnswer	answer;
	bool		ours = false;

	if (use_l1 &&
		wait_for_others(question, names, flight, &answer.value, &ours))
		return answer.value;
	if (ours)
		fetch_for_all(question, names, flight, &answer);
	else
		rtc_fetch(question, names, use_l1, &answer);
	return answer.value;
}

/*
 * The read path.  NULL = the query returns no row.
 */
static Jsonb *
lookup(RtcQuestion *question, RtcLookupNames *names)
{
	RtcCounter	reason;
	Jsonb	   *answer;
	RtcL1Found	found;
	bool		use_l1;

	if (must_bypass(question, &reason))
		return bypass(question, reason);

	/* Whether this user may have an answer is known before there is one. */
	if (!rtc_query_may_run(question->query) && !rtc_question_lock(question))
		return bypass(question, RTC_STAT_BYPASS_QUERY);

	/* Pending before version, and both before everything else. */
	(void) rtc_names_find(names, question);
	use_l1 = rtc_l1_exists() && rtc_gate_is_open() && !RecoveryInProgress();
	if (!rtc_stamp_read_take(&names->stamps))
		return bypass(question, RTC_STAT_BYPASS_PENDING);
	RTC_INJECT("stamps_taken");
	if (use_l1 && look_into_l1(question, names, &answer, &found))
	{
		use_l1_answer(question, &found);
		if (rtc_hits_matter())
			rtc_hit(question, names, found.ttl_ms);
		if (found.losses != rtc_redis_losses())
			rtc_hit_lost(question, names);
		if (rtc_hot_is_sample())
			rtc_hot_hit(question, names);
		return answer;
	}

	/*
	 * From here on it takes as long as the query.  If it has been prepared
	 * anew, stamps of what it reads now may be missing.
	 */
	if (!rtc_question_lock(question))
		return bypass(question, RTC_STAT_BYPASS_QUERY);
	if (rtc_names_find(names, question) &&
		!rtc_stamp_read_take(&names->stamps))
		return bypass(question, RTC_STAT_BYPASS_PENDING);
	rtc_names_find_owner(names, question);
	return look_further(question, names, use_l1);
}

/* ---------------- for a worker ---------------- */

/* Is there an answer in L1 that lasts? */
static bool
is_in_l1(const RtcQuestion *question, const RtcLookupNames *names)
{
	Jsonb	   *answer;
	RtcL1Found	found;

	return look_into_l1(question, names, &answer, &found) &&
		rtc_question_lasts(question, found.ttl_ms);
}

/*
 * Takes the stamps.  A writer that is committing is waited for, for a moment:
 * mostly it is the one because of which we are here.
 */
static bool
take_stamps(RtcLookupNames *names)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheRefreshWait");
	for (int i = 0; i < QUIET_POLLS; i++)
	{
		if (rtc_stamp_read_take(&names->stamps))
			return true;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 QUIET_POLL_MS, wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/*
 * Waits for those who are computing the answer.  False = it is there now.
 */
static bool
is_left_to_us(const RtcQuestion *question, RtcLookupNames *names,
			  uint64 flight, bool *ours)
{
	int64		deadline = rtc_deadline_in(rtc_fill_wait);

	for (;;)
	{
		RtcFlightResult result;

		result = rtc_flight_board(flight, rtc_deadline_left(deadline));
		*ours = result == RTC_FLIGHT_OURS;
		if (result == RTC_FLIGHT_ALONE)
			return true;
		if (!*ours && !rtc_stamp_read_take(&names->stamps))
			return true;
		if (is_in_l1(question, names))
			break;
		if (*ours)
			return true;
	}
	if (*ours)
		rtc_flight_land(flight, false);
	return false;
}

RtcAgainResult
rtc_lookup_again(RtcQuestion *question, RtcLookupNames *names)
{
	uint64		flight;
	RtcCounter	reason;
	RtcAnswer	answer;
	bool		use_l1;
	bool		ours = false;

	if (must_bypass(question, &reason) || RecoveryInProgress() ||
		!rtc_question_lock(question))
		return RTC_AGAIN_IN_VAIN;

	(void) rtc_names_find(names, question);
	use_l1 = rtc_l1_exists() && rtc_gate_is_open();
	if (!take_stamps(names))
		return RTC_AGAIN_OUTRUN;
	if (use_l1 && !question->put_back && is_in_l1(question, names))
		return RTC_AGAIN_NOT_NEEDED;
	rtc_names_find_owner(names, question);
	rtc_trust_wait(&names->stamps);

	flight = rtc_l1_question_hash(&question->l1);
	if (use_l1 && !question->put_back && !is_left_to_us(question, names, flight, &ours))
		return RTC_AGAIN_NOT_NEEDED;
	if (ours)
		fetch_for_all(question, names, flight, &answer);
	else
		rtc_fetch(question, names, use_l1, &answer);
	if (answer.found)
		return RTC_AGAIN_NOT_NEEDED;
	if (question->put_back ? answer.in_redis : answer.in_l1 || answer.in_redis)
		return RTC_AGAIN_STORED;
	return rtc_stamp_read_valid(&names->stamps) ? RTC_AGAIN_IN_VAIN :
		RTC_AGAIN_OUTRUN;
}

/* ---------------- in SQL ---------------- */

/*
 * cache_get and cache_list: (key, query, args, ttl, tags).
 */
static Datum
lookup_function(FunctionCallInfo fcinfo, bool one_row)
{
	RtcQuestion question;
	RtcLookupNames names;
	Jsonb	   *answer;
	JsonbValue	scalar;

	rtc_names_begin(&names,
					PG_ARGISNULL(4) ? NULL : PG_GETARG_ARRAYTYPE_P(4));
	rtc_question_take(&question, fcinfo, one_row);
	answer = lookup(&question, &names);

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
