/*-------------------------------------------------------------------------
 *
 * redis_many.c
 *		Leases and fills of many keys that rules store.
 *
 * What redis_lookup.c does for the key of one lookup, for many in one round trip.
 * The keys are those of rules, whose values have no companions and no tag sets.
 * A script names keys of many hash slots, which a Redis Cluster would refuse.
 *
 * Model: as redis_lookup.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "read/redis_backend.h"
#include "read/redis_many.h"
#include "redis/breaker.h"
#include "redis/names.h"
#include "redis/script.h"

/* So many bytes of values, at least one value, go with one command. */
#define BYTES_PER_FILL	(4 * 1024 * 1024)

bool
rtc_many_lease(RtcMany *many, int lease_ms)
{
	RtcConn    *conn = rtc_backend_begin();
	char		random[(RTC_TOKEN_LEN - 1) / 2];
	RtcArgs		args = {0};
	const RtcReply *reply;

	for (int i = 0; i < many->n; i++)
		many->key[i].state = RTC_MANY_BUSY;
	if (conn == NULL)
		return false;
	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	many->token[hex_encode(random, sizeof(random), many->token)] = '\0';

	rtc_backend_script(&args, &rtc_script_lease_many, 1 + 3 * many->n);
	rtc_args_text(&args, rtc_position_key());
	for (int i = 0; i < many->n; i++)
	{
		const RtcManyKey *key = &many->key[i];

		rtc_args_bytes(&args, key->key, key->keylen);
		rtc_lease_name(rtc_args_next(&args), key->key, key->keylen);
		rtc_query_name(rtc_args_next(&args), key->key, key->keylen);
	}
	rtc_args_text(&args, many->token);
	rtc_args_number(&args, lease_ms);
	rtc_args_text(&args, many->epoch);
	rtc_args_number(&args, many->lsn >> 32);
	rtc_args_number(&args, (uint32) many->lsn);
	rtc_args_text(&args, RTC_USERS_COMPANION);
	reply = rtc_backend_run(&rtc_script_lease_many, &args);
	rtc_args_free(&args);
	if (reply == NULL)
		return false;
	if (reply->type != RTC_REPLY_STRING)
	{
		rtc_backend_refuse(reply, "lease");
		return false;
	}
	if (reply->len != many->n)
	{
		rtc_backend_doubt();
		return false;
	}
	rtc_breaker_success();
	for (int i = 0; i < many->n; i++)
		many->key[i].state = reply->str[i] == '2' ? RTC_MANY_LEASED :
			reply->str[i] == '1' ? RTC_MANY_THERE : RTC_MANY_BUSY;
	return true;
}

/*
 * Stores what goes with one command, from key first on; returns the key behind
 * it, or -1 if Redis could not be asked.
 */
static int
fill_some(const RtcMany *many, int first, int64 *stored)
{
	RtcConn    *conn = rtc_backend_begin();
	RtcArgs		args = {0};
	const RtcReply *reply;
	size_t		size = 0;
	int			nkeys = 0;
	int			end;

	if (conn == NULL)
		return -1;
	for (end = first; end < many->n && size < BYTES_PER_FILL; end++)
	{
		if (many->key[end].state != RTC_MANY_LEASED)
			continue;
		nkeys++;
		if (many->key[end].value != NULL)
			size += many->key[end].vallen;
	}
	if (nkeys == 0)
		return end;

	rtc_backend_script(&args, &rtc_script_fill_many, 1 + 3 * nkeys);
	rtc_args_text(&args, rtc_position_key());
	for (int i = first; i < end; i++)
	{
		const RtcManyKey *key = &many->key[i];

		if (key->state != RTC_MANY_LEASED)
			continue;
		rtc_args_bytes(&args, key->key, key->keylen);
		rtc_lease_name(rtc_args_next(&args), key->key, key->keylen);
		rtc_query_name(rtc_args_next(&args), key->key, key->keylen);
	}
	rtc_args_text(&args, many->token);
	rtc_args_text(&args, many->epoch);
	for (int i = first; i < end; i++)
	{
		const RtcManyKey *key = &many->key[i];

		if (key->state != RTC_MANY_LEASED)
			continue;
		if (key->value != NULL)
			rtc_args_bytes(&args, key->value, key->vallen);
		else
			rtc_args_text(&args, "");
		rtc_args_number(&args, Max(key->ttl_ms, 0));
	}
	reply = rtc_backend_run(&rtc_script_fill_many, &args);
	rtc_args_free(&args);
	if (reply == NULL)
		return -1;
	if (reply->type != RTC_REPLY_INTEGER)
	{
		rtc_backend_refuse(reply, "fill");
		return -1;
	}
	rtc_breaker_success();
	if (reply->integer > 0)
		*stored += reply->integer;
	return end;
}

bool
rtc_many_fill(const RtcMany *many, int64 *stored)
{
	int			next = 0;

	*stored = 0;
	while (next >= 0 && next < many->n)
		next = fill_some(many, next, stored);
	return next >= 0;
}
