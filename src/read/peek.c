/*-------------------------------------------------------------------------
 *
 * peek.c
 *		cache_peek and its kin: what is cached under a key.
 *
 * They look where cache_get() would, in the same order and with the same
 * conditions, but have no query to compare with: whatever answer is there
 * counts, be it that of cache_get() or of cache_list().  It is shown to whoever
 * could have got it with a query: companion.c.
 *
 * MODEL: any backend, inside a transaction.  Redis is asked by redis_lookup.c,
 * which raises for query cancel and termination only.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/key.h"
#include "dep/stamps.h"
#include "l1/l1.h"
#include "query/privileges.h"
#include "read/companion.h"
#include "read/lookup_trust.h"
#include "read/redis_lookup.h"
#include "rule/row_json.h"

/* Nothing is known of the key; as rtc_cmd_pttl(). */
#define TTL_UNKNOWN	(-3)

PG_FUNCTION_INFO_V1(cache_peek);
PG_FUNCTION_INFO_V1(cache_exists);
PG_FUNCTION_INFO_V1(cache_ttl);

/*
 * Takes the key argument and its stamps; false = a writer is committing.
 */
static bool
get_key(FunctionCallInfo fcinfo, RtcL1Question *question,
		RtcStampRead *stamps)
{
	text	   *key = PG_GETARG_TEXT_PP(0);

	rtc_require_preload();
	memset(question, 0, sizeof(RtcL1Question));
	question->key = VARDATA_ANY(key);
	question->keylen = VARSIZE_ANY_EXHDR(key);
	rtc_key_check(question->key, question->keylen);
	question->hash = rtc_l1_hash(question->key, question->keylen);
	rtc_stamps_of(stamps, question->key, question->keylen, NULL, 0);
	return rtc_stamp_read_take(stamps);
}

/* Looks into L1; as rtc_l1_peek(). */
static bool
peek_l1(const RtcL1Question *question, char **privileges, Jsonb **answer,
		int64 *ttl_ms)
{
	return rtc_l1_exists() && !RecoveryInProgress() &&
		rtc_gate_is_open() &&
		rtc_l1_peek(question, privileges, answer, ttl_ms);
}

/*
 * May the value be shown, and is it what it was when it was stored?  Raises
 * 42501 if the current user may not see it.
 *
 * What a lookup has stored may depend on more than its key.  So the stamps of
 * that are taken, and then the value is read again: it must be the same one,
 * and still a member of its tag sets.
 */
static bool
may_show(const RtcL1Question *question, RtcStampRead *stamps,
		 RtcTrust *trust, RtcWanted *wanted, RtcValue *value)
{
	RtcDep		dep[RTC_MAX_READ_DEPS - 2];
	RtcCounter	reason;
	char	   *privileges;
	int			ndeps;

	if (value->companion == NULL)
	{
		/* what no rule has written, or none that is left, could be anybody's */
		return (rtc_is_row_text(value->value, value->len) &&
				rtc_rules_check(question->key, question->keylen)) ||
			superuser();
	}

	ndeps = rtc_companion_read(value->companion, &privileges, dep,
							   lengthof(dep));
	if (ndeps < 0 || !rtc_privileges_check(privileges))
		return false;
	if (ndeps == 0)
		return true;

	rtc_stamps_of(stamps, question->key, question->keylen, dep, ndeps);
	if (!rtc_stamp_read_take(stamps) ||
		!rtc_trust_redis(trust, stamps, question->key, question->keylen,
						 &reason))
		return false;
	rtc_cmd_want(wanted, trust->name.data, trust->name.len,
				 trust->name.len - question->keylen, dep, ndeps,
				 trust->lsn, trust->epoch);
	wanted->fingerprint = value->companion;
	wanted->fingerprintlen = strcspn(value->companion, " ") + 1;
	return rtc_cmd_get(wanted, value) == RTC_GET_HIT;
}

/*
 * What is cached under a key; be it outdated or not there at all: NULL.  A
 * cached NULL is a JSON null here.
 */
Datum
cache_peek(PG_FUNCTION_ARGS)
{
	RtcL1Question question;
	RtcStampRead stamps;
	RtcTrust	trust;
	RtcWanted	wanted;
	RtcCounter	reason;
	RtcValue	value;
	char	   *privileges;
	Jsonb	   *result = NULL;

	if (!get_key(fcinfo, &question, &stamps))
		PG_RETURN_NULL();
	if (peek_l1(&question, &privileges, &result, NULL))
	{
		if (!rtc_privileges_check(privileges))
			PG_RETURN_NULL();
		if (result == NULL)
			return DirectFunctionCall1(jsonb_in, CStringGetDatum("null"));
		PG_RETURN_JSONB_P(result);
	}
	if (rtc_trust_redis(&trust, &stamps, question.key, question.keylen,
						&reason))
	{
		rtc_cmd_want(&wanted, trust.name.data, trust.name.len,
					 trust.name.len - question.keylen, NULL, 0,
					 trust.lsn, trust.epoch);
		if (rtc_cmd_get(&wanted, &value) == RTC_GET_HIT &&
			may_show(&question, &stamps, &trust, &wanted, &value) &&
			rtc_trust_holds(&trust))
			result = rtc_parse_value(&value);
	}
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* How long a key has to live; as rtc_cmd_pttl(). */
static int64
peek_ttl(FunctionCallInfo fcinfo)
{
	RtcL1Question question;
	RtcStampRead stamps;
	RtcTrust	trust;
	RtcCounter	reason;
	char	   *privileges;
	Jsonb	   *answer;
	int64		ttl_ms;

	if (!get_key(fcinfo, &question, &stamps))
		return TTL_UNKNOWN;
	if (peek_l1(&question, &privileges, &answer, &ttl_ms))
		return ttl_ms;
	if (!rtc_trust_redis(&trust, &stamps, question.key, question.keylen,
						 &reason))
		return TTL_UNKNOWN;
	ttl_ms = rtc_cmd_pttl(trust.name.data);
	return rtc_trust_holds(&trust) ? ttl_ms : TTL_UNKNOWN;
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
