/*-------------------------------------------------------------------------
 *
 * lookup.c
 *		cache_get and its kin: the read path.
 *
 * The promise is that cache_get() returns what its query would have returned
 * at some moment of the call.  This is how it is kept:
 *
 * 1.  Stamps.  For everything the answer depends on we look for writers that
 *	   are committing.  If there is one, its write may be visible without
 *	   having been stamped, and nothing is known: bypass.
 *
 * 2.  Trust.  Redis counts only if the relay vouches for it (l2_generation is
 *	   odd), if it has been given every write that the stamps know of
 *	   (last_lsn <= applied_lsn), and if our connection goes to the Redis that
 *	   the relay means (rtc_cmd_ready).  A value found then contains every
 *	   commit that was visible when we began.
 *
 * 3.  The lease.  Without a value we ask for the right to store one, then take
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
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "breaker.h"
#include "guc.h"
#include "key.h"
#include "oplist.h"
#include "query.h"
#include "redis_cmd.h"
#include "rtcache.h"
#include "shmem.h"
#include "stamps.h"
#include "stats.h"
#include "ttl.h"

/* One key, and on what grounds Redis is believed about it. */
typedef struct CacheKey
{
	const char *key;			/* as the user gave it */
	uint32		keylen;
	StringInfoData name;		/* with prefix: its name in Redis */
	uint64		l2_generation;	/* while trust was established */
	uint64		prefix_generation;
} CacheKey;

typedef struct Lookup
{
	CacheKey	key;
	RtcQuery   *query;
	bool		one_row;		/* cache_get; else cache_list */
	int64		ttl_ms;			/* 0 = does not expire */
} Lookup;

static Jsonb *lookup(Lookup *l);
static bool may_bypass(Lookup *l, RtcCounter *reason);
static bool trust_redis(CacheKey *key, RtcCounter *reason);
static bool trust_holds(const CacheKey *key);
static Jsonb *use_value(Lookup *l, const RtcValue *value);
static Jsonb *run_and_fill(Lookup *l, const char *token, instr_time leased_at,
						   int lease_ms);
static void fill(Lookup *l, const char *token, Jsonb *answer);

PG_FUNCTION_INFO_V1(cache_get);
PG_FUNCTION_INFO_V1(cache_list);
PG_FUNCTION_INFO_V1(cache_peek);
PG_FUNCTION_INFO_V1(cache_exists);
PG_FUNCTION_INFO_V1(cache_ttl);

/*
 * The read path.  NULL = the query returns no row.
 */
static Jsonb *
lookup(Lookup *l)
{
	CacheKey   *key = &l->key;
	RtcCounter	reason;
	RtcGetResult found;
	RtcValue	value;
	char		token[RTC_TOKEN_LEN];
	int			lease_ms = rtc_lease_ttl;
	instr_time	leased_at;
	Jsonb	   *answer;

	if (may_bypass(l, &reason) || !trust_redis(key, &reason))
	{
		rtc_stat_inc(reason);
		return rtc_query_run(l->query, l->one_row);
	}

	found = rtc_cmd_get(key->name.data, key->name.len, &value);
	if (found == RTC_GET_HIT && trust_holds(key))
	{
		answer = use_value(l, &value);
		if (answer != NULL)
			return answer;
		rtc_cmd_drop(key->name.data, key->name.len, value.value, value.len);
		found = RTC_GET_MISS;
	}
	else if (found == RTC_GET_CORRUPT)
	{
		rtc_stat_inc(RTC_STAT_CORRUPT);
		rtc_cmd_drop(key->name.data, key->name.len, NULL, 0);
		found = RTC_GET_MISS;
	}

	if (found == RTC_GET_MISS)
	{
		INSTR_TIME_SET_CURRENT(leased_at);
		found = rtc_cmd_lease(key->name.data, key->name.len, token, lease_ms,
							  &value);
		if (found == RTC_GET_HIT && trust_holds(key))
		{
			answer = use_value(l, &value);
			if (answer != NULL)
				return answer;
		}
	}

	if (found == RTC_GET_FAILED)
		rtc_stat_inc(RTC_STAT_BYPASS_ERROR);
	else if (!trust_holds(key))
	{
		rtc_stat_inc(RTC_STAT_BYPASS_NOT_READY);
		if (found == RTC_GET_LEASED)
			rtc_cmd_unlease(key->name.data, key->name.len, token);
	}
	else
	{
		rtc_stat_inc(RTC_STAT_MISSES);
		if (found == RTC_GET_LEASED)
			return run_and_fill(l, token, leased_at, lease_ms);
		if (found == RTC_GET_BUSY)
			rtc_stat_inc(RTC_STAT_LEASE_BUSY);
	}
	return rtc_query_run(l->query, l->one_row);
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
 * Establishes that Redis can be asked about a key, and fills in its name.
 */
static bool
trust_redis(CacheKey *key, RtcCounter *reason)
{
	RtcStampRead stamps;
	RtcBreakerState breaker;
	char		prefix[RTC_MAX_PREFIX_LEN];

	*reason = RTC_STAT_BYPASS_NOT_READY;
	if (!RtcRedisConfigured() || RecoveryInProgress())
		return false;

	/* Pending before version, and both before everything else. */
	stamps.n = 0;
	rtc_stamp_read_add(&stamps, rtc_stamp_bucket(RTC_DEP_KEY, MyDatabaseId,
												 key->key, key->keylen));
	rtc_stamp_read_add(&stamps, rtc_stamp_bucket(RTC_DEP_DATABASE,
												 MyDatabaseId, "", 0));
	if (!rtc_stamp_read_take(&stamps))
	{
		*reason = RTC_STAT_BYPASS_PENDING;
		return false;
	}

	key->prefix_generation = pg_atomic_read_u64(&rtc_shared->prefix_generation);
	if (!rtc_l2_open(&key->l2_generation) || !rtc_my_prefix(prefix))
		return false;

	if (rtc_stamp_read_lsn(&stamps) >
		pg_atomic_read_u64(&rtc_shared->applied_lsn))
	{
		*reason = RTC_STAT_BYPASS_LAG;
		return false;
	}

	breaker = rtc_breaker_state();
	if (!rtc_cmd_ready())
	{
		*reason = breaker == RTC_BREAKER_CLOSED ? RTC_STAT_BYPASS_ERROR :
			RTC_STAT_BYPASS_BREAKER;
		return false;
	}

	initStringInfo(&key->name);
	appendStringInfoString(&key->name, prefix);
	appendBinaryStringInfo(&key->name, key->key, key->keylen);
	return true;
}

/*
 * Has the relay vouched for Redis, and for the prefix, all the while?
 */
static bool
trust_holds(const CacheKey *key)
{
	uint64		generation;

	pg_read_barrier();
	return rtc_l2_open(&generation) && generation == key->l2_generation &&
		pg_atomic_read_u64(&rtc_shared->prefix_generation) ==
		key->prefix_generation;
}

/*
 * Reads a value found in Redis, which may be anything.  NULL = not JSON, or
 * nothing that jsonb can hold.
 */
static Jsonb *
parse_value(const RtcValue *value)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile result = NULL;

	if (!pg_verifymbstr(value->value, value->len, true))
		return NULL;

	/*
	 * jsonb_in() computes in memory and holds nothing that would need a
	 * subtransaction to let go, so its errors can be caught as xml.c does
	 * with those of its parser.
	 */
	PG_TRY();
	{
		result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													CStringGetDatum(value->value)));
	}
	PG_CATCH();
	{
		switch (ERRCODE_TO_CATEGORY(geterrcode()))
		{
			case ERRCODE_DATA_EXCEPTION:
			case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
				MemoryContextSwitchTo(context);
				FlushErrorState();
				result = NULL;
				break;
			default:
				PG_RE_THROW();
		}
	}
	PG_END_TRY();
	return result;
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
	answer = parse_value(value);
	if (answer == NULL ||
		(!l->one_row &&
		 (!JB_ROOT_IS_ARRAY(answer) || JB_ROOT_IS_SCALAR(answer))))
	{
		/* A list is always an array. */
		rtc_stat_inc(RTC_STAT_CORRUPT);
		return NULL;
	}
	rtc_stat_inc(RTC_STAT_L2_HITS);
	return answer;
}

/*
 * Gives the lease back after an error of the query, so that the next lookup
 * need not wait for it to expire.  Not if somebody is waiting for us to stop.
 */
static void
unlease_after_error(const CacheKey *key, const char *token,
					MemoryContext context)
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
	rtc_cmd_unlease(key->name.data, key->name.len, token);
	MemoryContextSwitchTo(context);
	RESUME_INTERRUPTS();
}

/*
 * Runs the query while we hold the lease, and stores the answer.
 */
static Jsonb *
run_and_fill(Lookup *l, const char *token, instr_time leased_at, int lease_ms)
{
	CacheKey   *key = &l->key;
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile answer = NULL;
	instr_time	now;

	PG_TRY();
	{
		answer = rtc_query_run(l->query, l->one_row);
	}
	PG_CATCH();
	{
		unlease_after_error(key, token, context);
		PG_RE_THROW();
	}
	PG_END_TRY();

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, leased_at);
	if (INSTR_TIME_GET_MILLISEC(now) >= lease_ms)
		rtc_stat_inc(RTC_STAT_FILLS_REFUSED);	/* it has expired */
	else if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
			 !trust_holds(key))
	{
		/* The query has written, or the relay would not vouch for this. */
		rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
		rtc_cmd_unlease(key->name.data, key->name.len, token);
	}
	else
		fill(l, token, answer);
	return answer;
}

/*
 * Stores an answer, if it is not too large and the lease is still ours.
 */
static void
fill(Lookup *l, const char *token, Jsonb *answer)
{
	CacheKey   *key = &l->key;
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
		rtc_cmd_unlease(key->name.data, key->name.len, token);
	}
	else
	{
		stored = rtc_cmd_fill(key->name.data, key->name.len, token,
							  text.data, text.len, l->ttl_ms);
		if (stored > 0)
		{
			rtc_stat_inc(RTC_STAT_FILLS);
			rtc_stat_add(RTC_STAT_BYTES_WRITTEN, text.len);
		}
		else if (stored == 0)
			rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
	}
	pfree(text.data);
}

/*
 * Takes the key argument of a function.
 */
static void
get_key(FunctionCallInfo fcinfo, CacheKey *key)
{
	text	   *arg;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cache key must not be null")));
	arg = PG_GETARG_TEXT_PP(0);
	key->key = VARDATA_ANY(arg);
	key->keylen = VARSIZE_ANY_EXHDR(arg);
	rtc_key_check(key->key, key->keylen);
}

/*
 * cache_get and cache_list: (key, query, args, ttl, tags).
 */
static Datum
lookup_function(FunctionCallInfo fcinfo, bool one_row)
{
	Lookup		l;
	Jsonb	   *answer;
	JsonbValue	scalar;

	get_key(fcinfo, &l.key);
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

	/* The query is checked even if its answer will be found in a cache. */
	l.one_row = one_row;
	l.query = rtc_query_prepare(text_to_cstring(PG_GETARG_TEXT_PP(1)),
								PG_ARGISNULL(2) ? NULL :
								PG_GETARG_ARRAYTYPE_P(2));
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

/*
 * What is cached under a key, be it fresh or not there at all: NULL.  A
 * cached NULL is a JSON null here.
 */
Datum
cache_peek(PG_FUNCTION_ARGS)
{
	CacheKey	key;
	RtcCounter	reason;
	RtcValue	value;
	Jsonb	   *result = NULL;

	rtc_require_preload();
	get_key(fcinfo, &key);
	if (trust_redis(&key, &reason) &&
		rtc_cmd_get(key.name.data, key.name.len, &value) == RTC_GET_HIT &&
		trust_holds(&key))
		result = parse_value(&value);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* Asks Redis how long a key has to live; as rtc_cmd_pttl(). */
static int64
peek_ttl(FunctionCallInfo fcinfo)
{
	CacheKey	key;
	RtcCounter	reason;
	int64		ttl_ms;

	rtc_require_preload();
	get_key(fcinfo, &key);
	if (!trust_redis(&key, &reason))
		return -3;
	ttl_ms = rtc_cmd_pttl(key.name.data, key.name.len);
	return trust_holds(&key) ? ttl_ms : -3;
}

/*
 * Is something cached under this key?
 */
Datum
cache_exists(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(peek_ttl(fcinfo) >= -1);
}

/*
 * Time that a key has to live.  NULL = nothing is cached, or it does not
 * expire: cache_exists() tells which.
 */
Datum
cache_ttl(PG_FUNCTION_ARGS)
{
	int64		ttl_ms = peek_ttl(fcinfo);
	Interval   *result;

	if (ttl_ms < 0)
		PG_RETURN_NULL();
	result = palloc0(sizeof(Interval));
	result->time = ttl_ms * 1000;
	PG_RETURN_INTERVAL_P(result);
}
