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
 * 2.  L1.  An answer to the same question that was stored with the same
 *	   versions contains every commit that was visible when we began.  All
 *	   that is stored there comes from a snapshot, or from Redis by step 3,
 *	   later than the stamps it is stored with.  So if a writer came in
 *	   between, its versions are not those that the next reader takes.  Until
 *	   the gate is open there is no L1: prepared transactions from before the
 *	   start of the server commit without a stamp.
 *
 * 3.  Trust.  Redis counts if trust.c says so.  A value found then contains
 *	   every commit that was visible when we began.
 *
 * 4.  The lease.  Without a value we ask for the right to store one, then take
 *	   a fresh snapshot, run the query and store the answer if the lease is
 *	   still there.  A write that the snapshot does not see becomes visible
 *	   later, hence the relay applies it later than the lease was granted, and
 *	   to apply a write to a key is to delete its lease: either the fill is
 *	   refused, or its value is deleted.  So the stamps need not be looked at
 *	   again; what does need it is the relay's word.  A relay that closes Redis
 *	   may go on to clear it *instead of* applying writes, and such a clear
 *	   deletes the leases that exist when it begins.  Had it begun before ours
 *	   was granted, nothing would take that away.  Hence what Redis says counts
 *	   only if l2_generation is, afterwards, what it was before.
 *
 * Of many who miss, one goes on to 3 and 4 and the others wait for it: those of
 * this server by flight.c, those of other servers by the lease.  A value they
 * get that way is judged by stamps taken after the wait.
 *
 * MODEL: any backend, inside a transaction, as the current user.  Redis is
 * asked by redis_cmd.c, which raises for query cancel and termination only.
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
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "flight.h"
#include "guc.h"
#include "key.h"
#include "l1.h"
#include "oplist.h"
#include "query.h"
#include "redis_cmd.h"
#include "rtcache.h"
#include "shmem.h"
#include "stamps.h"
#include "stats.h"
#include "trust.h"
#include "ttl.h"

/* How often to ask for a value that another server's reader is computing. */
#define POLL_MIN_MS		1
#define POLL_MAX_MS		50

typedef struct Lookup
{
	RtcL1Question question;		/* with the key, as the user gave it */
	RtcStampRead stamps;
	RtcTrust	trust;			/* valid once Redis is trusted */
	RtcQuery   *query;
	bool		one_row;		/* cache_get; else cache_list */
	bool		use_l1;			/* it can be read and filled */
	bool		in_vain;		/* nobody will find our answer */
	bool		stored;			/* in Redis */
	int64		ttl_ms;			/* 0 = does not expire */
	char		token[RTC_TOKEN_LEN];	/* of the lease */
	instr_time	leased_at;
	int			lease_ms;
} Lookup;

static Jsonb *lookup(Lookup *l);
static Jsonb *look_further(Lookup *l);
static bool wait_for_others(Lookup *l, Jsonb **answer, bool *ours);
static Jsonb *fetch(Lookup *l);
static bool ask_redis(Lookup *l, Jsonb **answer, bool *leased,
					  RtcCounter *reason);
static bool may_bypass(Lookup *l, RtcCounter *reason);
static bool take_stamps(Lookup *l);
static Jsonb *run(Lookup *l);
static Jsonb *use_value(Lookup *l, const RtcValue *value);
static Jsonb *run_with_lease(Lookup *l);
static void fill(Lookup *l, Jsonb *answer);
static void store(Lookup *l, Jsonb *answer, int64 ttl_ms);

PG_FUNCTION_INFO_V1(cache_get);
PG_FUNCTION_INFO_V1(cache_list);

/*
 * The read path.  NULL = the query returns no row.
 */
static Jsonb *
lookup(Lookup *l)
{
	RtcCounter	reason;
	Jsonb	   *answer;

	if (may_bypass(l, &reason))
	{
		rtc_stat_inc(reason);
		return run(l);
	}

	/* Whether this user may have an answer is known before there is one. */
	if (!rtc_query_may_run(l->query))
	{
		rtc_query_lock(l->query);
		if (rtc_query_uncacheable(l->query) != NULL)
		{
			rtc_stat_inc(RTC_STAT_BYPASS_QUERY);
			return run(l);
		}
		l->question.id = rtc_query_id(l->query);
	}

	/* Pending before version, and both before everything else. */
	l->use_l1 = rtc_l1_exists() &&
		pg_atomic_read_u32(&rtc_shared->gate_open) != 0 &&
		!RecoveryInProgress();
	if (!take_stamps(l))
	{
		rtc_stat_inc(RTC_STAT_BYPASS_PENDING);
		return run(l);
	}
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
look_further(Lookup *l)
{
	Jsonb	   *volatile answer = NULL;
	Jsonb	   *found;
	bool		ours = false;
	uint64		question;

	/* From here on it takes as long as the query. */
	rtc_query_lock(l->query);
	if (rtc_query_uncacheable(l->query) != NULL)
	{
		rtc_stat_inc(RTC_STAT_BYPASS_QUERY);
		return run(l);
	}
	l->question.id = rtc_query_id(l->query);

	if (!l->use_l1)
		return fetch(l);
	if (wait_for_others(l, &found, &ours))
		return found;
	if (!ours)
		return fetch(l);

	question = rtc_l1_question_hash(&l->question);
	PG_TRY();
	{
		answer = fetch(l);
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
wait_for_others(Lookup *l, Jsonb **answer, bool *ours)
{
	uint64		question = rtc_l1_question_hash(&l->question);
	instr_time	start;
	instr_time	now;

	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		RtcFlightResult result;

		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		result = rtc_flight_board(question, rtc_fill_wait -
								  (int64) INSTR_TIME_GET_MILLISEC(now));
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
			*answer = run(l);
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
 * Gets the answer from Redis or from the query, and stores it.
 */
static Jsonb *
fetch(Lookup *l)
{
	Jsonb	   *answer;
	RtcCounter	reason;
	bool		leased = false;

	if (ask_redis(l, &answer, &leased, &reason))
		return answer;

	/* Without L1 there is no cache in this case. */
	rtc_stat_inc(l->use_l1 ? RTC_STAT_MISSES : reason);
	answer = leased ? run_with_lease(l) : run(l);
	store(l, answer, l->ttl_ms);
	return answer;
}

/*
 * Looks for the answer in Redis.  False = it is not there; leased: we may
 * store it; reason: what a lookup without L1 counts then.
 */
static bool
ask_redis(Lookup *l, Jsonb **answer, bool *leased, RtcCounter *reason)
{
	static uint32 wait_event = 0;
	RtcTrust   *trust = &l->trust;
	RtcGetResult found;
	RtcValue	value;
	int			delay = POLL_MIN_MS;
	int			waited = 0;

	if (!rtc_trust_redis(trust, &l->stamps, l->question.key,
						 l->question.keylen, reason))
		return false;

	found = rtc_cmd_get(trust->name.data, trust->name.len, &value);
	for (;;)
	{
		if (found == RTC_GET_HIT && rtc_trust_holds(trust))
		{
			*answer = use_value(l, &value);
			if (*answer != NULL)
				return true;
			rtc_cmd_drop(trust->name.data, trust->name.len, value.value,
						 value.len);
			found = RTC_GET_MISS;
		}
		else if (found == RTC_GET_CORRUPT)
		{
			rtc_stat_inc(RTC_STAT_CORRUPT);
			rtc_cmd_drop(trust->name.data, trust->name.len, NULL, 0);
			found = RTC_GET_MISS;
		}

		if (found == RTC_GET_BUSY)
		{
			if (waited == 0)
				rtc_stat_inc(RTC_STAT_LEASE_BUSY);
			if (waited >= rtc_fill_wait || !rtc_trust_holds(trust))
				break;
			if (wait_event == 0)
				wait_event = WaitEventExtensionNew_compat("RtcacheFillPoll");
			delay = Min(delay, rtc_fill_wait - waited);
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 delay, wait_event);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			waited += delay;
			delay = Min(2 * delay, POLL_MAX_MS);
		}
		else if (found != RTC_GET_MISS)
			break;

		l->lease_ms = rtc_lease_ttl;
		INSTR_TIME_SET_CURRENT(l->leased_at);
		found = rtc_cmd_lease(trust->name.data, trust->name.len, l->token,
							  l->lease_ms, &value);
		if (found == RTC_GET_CORRUPT)
			break;
	}

	*reason = RTC_STAT_MISSES;
	if (found == RTC_GET_FAILED)
		*reason = RTC_STAT_BYPASS_ERROR;
	else if (!rtc_trust_holds(trust))
	{
		*reason = RTC_STAT_BYPASS_NOT_READY;
		if (found == RTC_GET_LEASED)
			rtc_cmd_unlease(trust->name.data, trust->name.len, l->token);
	}
	else
		*leased = found == RTC_GET_LEASED;
	return false;
}

/*
 * Is this a lookup that no cache may answer, nor learn from?
 */
static bool
may_bypass(Lookup *l, RtcCounter *reason)
{
	if (rtc_shared == NULL)
		*reason = RTC_STAT_BYPASS_NOT_READY;
	else if (!rtc_enabled)
		*reason = RTC_STAT_BYPASS_DISABLED;
	else if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
			 rtc_oplist_is_active())
		*reason = RTC_STAT_BYPASS_WROTE;	/* it must see its own writes */
	else if (IsolationUsesXactSnapshot())
		*reason = RTC_STAT_BYPASS_ISOLATION;	/* it must not see new ones */
	else if (rtc_query_uncacheable(l->query) != NULL)
		*reason = RTC_STAT_BYPASS_QUERY;
	else
		return false;
	return true;
}

/*
 * Takes the stamps of everything that the answer depends on; false = somebody
 * is committing a write to it.
 */
static bool
take_stamps(Lookup *l)
{
	rtc_stamps_of_key(&l->stamps, l->question.key, l->question.keylen);
	return rtc_stamp_read_take(&l->stamps);
}

static Jsonb *
run(Lookup *l)
{
	rtc_query_lock(l->query);
	return rtc_query_run(l->query, l->one_row);
}

/*
 * Makes an answer of a value found in Redis.  NULL = it is corrupt.  Raises
 * what the query would raise if this user may not have the answer.
 */
static Jsonb *
use_value(Lookup *l, const RtcValue *value)
{
	Jsonb	   *answer;

	/* first of all: who may not read must not drop either */
	rtc_query_check_access(l->query);
	rtc_stat_add(RTC_STAT_BYTES_READ, value->len);
	answer = rtc_parse_value(value);
	if (answer == NULL ||
		(!l->one_row &&
		 (!JB_ROOT_IS_ARRAY(answer) || JB_ROOT_IS_SCALAR(answer))))
	{
		/* A list is always an array. */
		rtc_stat_inc(RTC_STAT_CORRUPT);
		return NULL;
	}
	rtc_stat_inc(RTC_STAT_L2_HITS);
	store(l, answer, value->ttl_ms);
	return answer;
}

/*
 * Gives the lease back after an error of the query, so that the next lookup
 * need not wait for it to expire.  Not if somebody is waiting for us to stop.
 */
static void
unlease_after_error(Lookup *l, MemoryContext context)
{
	switch (ERRCODE_TO_CATEGORY(geterrcode()))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return;
		default:
			break;
	}

	/* Nothing may come between the error and its report. */
	HOLD_INTERRUPTS();
	context = MemoryContextSwitchTo(context);
	rtc_cmd_unlease(l->trust.name.data, l->trust.name.len, l->token);
	MemoryContextSwitchTo(context);
	RESUME_INTERRUPTS();
}

/*
 * Runs the query while we hold the lease, and stores the answer.
 */
static Jsonb *
run_with_lease(Lookup *l)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile answer = NULL;
	instr_time	now;

	PG_TRY();
	{
		answer = run(l);
	}
	PG_CATCH();
	{
		unlease_after_error(l, context);
		PG_RE_THROW();
	}
	PG_END_TRY();

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, l->leased_at);
	if (INSTR_TIME_GET_MILLISEC(now) >= l->lease_ms)
		rtc_stat_inc(RTC_STAT_FILLS_REFUSED);	/* it has expired */
	else if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
			 !rtc_trust_holds(&l->trust))
	{
		/* The query has written, or the relay would not vouch for this. */
		rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
		rtc_cmd_unlease(l->trust.name.data, l->trust.name.len, l->token);
	}
	else
		fill(l, answer);
	return answer;
}

/*
 * Stores an answer in Redis, if it is not too large and the lease is still ours.
 */
static void
fill(Lookup *l, Jsonb *answer)
{
	StringInfoData text;
	int			stored;

	/*
	 * Text has more than an eighth of the bytes that jsonb takes; so there is
	 * no need to make it for an answer that is much too large.
	 */
	initStringInfo(&text);
	if (answer == NULL)
		appendStringInfoString(&text, "null");
	else if (VARSIZE(answer) / 8 <= RtcMaxValueBytes())
		(void) JsonbToCString(&text, &answer->root, VARSIZE(answer));

	if (text.len == 0 || text.len > RtcMaxValueBytes())
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		rtc_cmd_unlease(l->trust.name.data, l->trust.name.len, l->token);
	}
	else
	{
		stored = rtc_cmd_fill(l->trust.name.data, l->trust.name.len,
							  l->token, text.data, text.len, l->ttl_ms);
		if (stored > 0)
		{
			rtc_stat_inc(RTC_STAT_FILLS);
			l->stored = true;
			rtc_stat_add(RTC_STAT_BYTES_WRITTEN, text.len);
		}
		else if (stored == 0)
			rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
	}
	pfree(text.data);
}

/*
 * Stores an answer in L1.
 */
static void
store(Lookup *l, Jsonb *answer, int64 ttl_ms)
{
	if (!l->use_l1)
		return;

	l->in_vain = true;
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;					/* the query has written */
	if (answer != NULL && VARSIZE(answer) > RtcMaxValueBytes())
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		return;
	}
	if (!rtc_stamp_read_valid(&l->stamps))
		l->in_vain = false;		/* nobody could use it, now is another time */
	else if (rtc_l1_store(&l->question, &l->stamps, answer, ttl_ms))
	{
		l->in_vain = false;
		if (!l->stored)
			rtc_stat_inc(RTC_STAT_FILLS);
	}
}

/*
 * cache_get and cache_list: (key, query, args, ttl, tags).
 */
static Datum
lookup_function(FunctionCallInfo fcinfo, bool one_row)
{
	Lookup		l;
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
	if (!PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tags are not supported by this version")));
	if (!PG_ARGISNULL(2))
		args = PG_GETARG_ARRAYTYPE_P(2);

	/* The query is checked even if its answer will be found in a cache. */
	query = PG_GETARG_TEXT_PP(1);
	l.one_row = one_row;
	l.use_l1 = false;
	l.in_vain = false;
	l.stored = false;
	l.query = rtc_query_prepare(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query),
								args);
	l.question.hash = rtc_l1_hash(l.question.key, l.question.keylen);
	l.question.id = rtc_query_id(l.query);
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
