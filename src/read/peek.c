/*-------------------------------------------------------------------------
 *
 * peek.c
 *		cache_peek and its kin: what is cached under a key.
 *
 * They look where cache_get() would, in the same order and with the same
 * conditions.  They have no query to compare with, so any answer that is there
 * counts, that of cache_get() or of cache_list().  It is shown to whoever could
 * have got it with a query: privileges.c, companion.c.
 *
 * Model: any backend, inside a transaction.  Redis is asked by redis_lookup.c,
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
#include "l1/l1.h"
#include "query/privileges.h"
#include "read/companion.h"
#include "read/lookup_names.h"
#include "read/lookup_trust.h"
#include "read/redis_lookup.h"
#include "rule/row_json.h"

/* Nothing is known of the key; as rtc_cmd_pttl(). */
#define TTL_UNKNOWN	(-3)

PG_FUNCTION_INFO_V1(cache_peek);
PG_FUNCTION_INFO_V1(cache_exists);
PG_FUNCTION_INFO_V1(cache_ttl);

/* A look at one key. */
typedef struct Peek
{
	const char *key;
	uint32		keylen;
	RtcDep		hash;			/* rtc_dep_key() */
	RtcStampRead stamps;
	RtcTrust	trust;			/* once Redis was asked */
	RtcWanted	wanted;			/* once Redis was asked */
} Peek;

/* Takes the key argument and its stamps; false = a writer is committing. */
static bool
begin(Peek *peek, FunctionCallInfo fcinfo)
{
	text	   *key = PG_GETARG_TEXT_PP(0);

	rtc_require_preload();
	peek->key = VARDATA_ANY(key);
	peek->keylen = VARSIZE_ANY_EXHDR(key);
	rtc_key_check(peek->key, peek->keylen);
	peek->hash = rtc_dep_key(peek->key, peek->keylen);
	rtc_stamps_of(&peek->stamps, peek->hash, NULL, 0);
	return rtc_stamp_read_take(&peek->stamps);
}

/* Looks into L1; as rtc_l1_peek(). */
static bool
look_into_l1(const Peek *peek, char **privileges, Jsonb **answer,
			 int64 *ttl_ms)
{
	return rtc_l1_exists() && !RecoveryInProgress() && rtc_gate_is_open() &&
		rtc_l1_peek(peek->hash, peek->key, peek->keylen, privileges, answer,
					ttl_ms);
}

/* Can Redis be believed about the key? */
static bool
trust_redis(Peek *peek)
{
	RtcCounter	reason;

	return rtc_trust_redis(&peek->trust, &peek->stamps, peek->key,
						   peek->keylen, &reason);
}

/*
 * Looks into Redis, for a value with this companion (NULL = whatever it is) that
 * is a member of these tag sets.
 */
static bool
look_into_redis(Peek *peek, const char *companion, const RtcDep *dep,
				int ndeps, RtcValue *value)
{
	const RtcTrust *trust = &peek->trust;

	if (!trust_redis(peek))
		return false;
	rtc_cmd_want(&peek->wanted, trust->name.data, trust->name.len,
				 trust->name.len - peek->keylen, dep, ndeps, trust->lsn,
				 trust->epoch);
	if (companion != NULL)
	{
		peek->wanted.fingerprint = companion;
		peek->wanted.fingerprintlen = strcspn(companion, " ") + 1;
	}
	return rtc_cmd_get(&peek->wanted, value) == RTC_GET_HIT;
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
may_show(Peek *peek, RtcValue *value)
{
	RtcDep		dep[RTC_MAX_NAMED_DEPS];
	char	   *privileges;
	int			ndeps;

	if (value->companion == NULL)
	{
		/* what no rule has written, or none that is left, could be anybody's */
		return (rtc_is_row_text(value->value, value->len) &&
				rtc_rules_check(peek->key, peek->keylen)) ||
			superuser();
	}

	ndeps = rtc_companion_read(value->companion, &privileges, dep,
							   lengthof(dep));
	if (ndeps < 0 || !rtc_privileges_check(privileges))
		return false;
	if (ndeps == 0)
		return true;

	rtc_stamps_of(&peek->stamps, peek->hash, dep, ndeps);
	return rtc_stamp_read_take(&peek->stamps) &&
		look_into_redis(peek, value->companion, dep, ndeps, value);
}

/*
 * What is cached under a key.  NULL = nothing, or it is outdated; a cached NULL is
 * a JSON null here.
 */
Datum
cache_peek(PG_FUNCTION_ARGS)
{
	Peek		peek;
	RtcValue	value;
	char	   *privileges;
	Jsonb	   *result = NULL;

	if (!begin(&peek, fcinfo))
		PG_RETURN_NULL();
	if (look_into_l1(&peek, &privileges, &result, NULL))
	{
		if (!rtc_privileges_check(privileges))
			PG_RETURN_NULL();
		if (result == NULL)
			return DirectFunctionCall1(jsonb_in, CStringGetDatum("null"));
	}
	else if (look_into_redis(&peek, NULL, NULL, 0, &value) &&
			 may_show(&peek, &value) && rtc_trust_holds(&peek.trust))
		result = rtc_parse_value(&value);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* How long a key has to live; as rtc_cmd_pttl(). */
static int64
peek_ttl(FunctionCallInfo fcinfo)
{
	Peek		peek;
	char	   *privileges;
	Jsonb	   *answer;
	int64		ttl_ms;

	if (!begin(&peek, fcinfo))
		return TTL_UNKNOWN;
	if (look_into_l1(&peek, &privileges, &answer, &ttl_ms))
		return ttl_ms;
	if (!trust_redis(&peek))
		return TTL_UNKNOWN;
	ttl_ms = rtc_cmd_pttl(peek.trust.name.data);
	return rtc_trust_holds(&peek.trust) ? ttl_ms : TTL_UNKNOWN;
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
