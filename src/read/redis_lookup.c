/*-------------------------------------------------------------------------
 *
 * redis_lookup.c
 *		What a backend asks of Redis: look up, lease, fill, drop.
 *
 * Looking up and storing take one round trip each.  What must not be torn
 * apart by others is a Lua script (redis/lua/).
 *
 * Model: called by backends, in transactions, on the connection that
 * redis_backend.c keeps.  Every call asks the breaker first and tells it the
 * outcome.  A problem of Redis is a result, never an ERROR; query cancel,
 * termination and running out of memory do raise.  Results are palloc'd in
 * the caller's memory context.  No locks.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "read/redis_backend.h"
#include "read/redis_lookup.h"
#include "redis/breaker.h"
#include "redis/names.h"
#include "redis/script.h"
#include "rule/row_json.h"

/* The first element of what lua/lease.lua returns. */
#define LEASE_BUSY		0
#define LEASE_HIT		1
#define LEASE_GRANTED	2
#define LEASE_DOUBT		3

bool
rtc_cmd_ready(void)
{
	return rtc_backend_begin() != NULL;
}

void
rtc_cmd_want(RtcWanted *wanted, const char *key, size_t keylen,
			 size_t prefixlen, const RtcDep *tags, int ntags,
			 XLogRecPtr lsn, uint64 epoch)
{
	StringInfoData name;

	memset(wanted, 0, sizeof(*wanted));
	wanted->key = key;
	wanted->keylen = keylen;
	wanted->lsn = lsn;
	rtc_epoch_text(epoch, wanted->epoch);

	initStringInfo(&name);
	rtc_lease_name(&name, key, keylen);
	wanted->lease = pstrdup(name.data);
	resetStringInfo(&name);
	rtc_query_name(&name, key, keylen);
	wanted->companion = pstrdup(name.data);
	wanted->prefixlen = prefixlen;
	wanted->ntags = ntags;
	wanted->tag = palloc(ntags * sizeof(char *));
	for (int i = 0; i < ntags; i++)
	{
		resetStringInfo(&name);
		rtc_tag_name(&name, key, prefixlen, tags[i]);
		wanted->tag[i] = pstrdup(name.data);
	}
	pfree(name.data);
}

/*
 * Is the value what is wanted, as far as it tells itself, and does it last?
 */
static bool
is_wanted(const RtcWanted *wanted, const RtcValue *value)
{
	if (wanted->stale_ms > 0 &&
		(value->ttl_ms < 0 ? wanted->stale_ms == PG_INT64_MAX :
		 value->ttl_ms <= wanted->stale_ms))
		return false;
	if (wanted->fingerprint == NULL)
		return true;
	if (value->companion != NULL)
		return value->companionlen >= wanted->fingerprintlen &&
			memcmp(value->companion, wanted->fingerprint,
				   wanted->fingerprintlen) == 0;
	return wanted->owned && rtc_is_row_text(value->value, value->len);
}

void
rtc_value_take(RtcValue *value, const RtcReply *text,
			   const RtcReply *companion, int64 ttl_ms)
{
	bool		found = companion->type == RTC_REPLY_STRING;

	value->value = text->str;
	value->len = text->len;
	value->companion = found ? companion->str : NULL;
	value->companionlen = found ? companion->len : 0;
	value->ttl_ms = ttl_ms;
}

static RtcGetResult
refuse(const RtcReply *reply, const char *command)
{
	rtc_backend_refuse(reply, command);
	return RTC_GET_FAILED;
}

/*
 * Looks a key up, with its companion and the time it has left, in one round
 * trip, which also asks whether the position is of our epoch, and not behind.
 *
 * The position is asked last: a value may be older than it only if the relay
 * has caught up in between, on another connection, and then the generation has
 * moved.
 *
 * Membership is asked first.  A drop that finds no tag set misses the value;
 * whoever then enters the key in a new one deletes the value.  So such a value
 * is not taken for a member.  Value and companion are read in one step, lest
 * they be of different fills.
 */
RtcGetResult
rtc_cmd_get(const RtcWanted *wanted, RtcValue *value)
{
	RtcConn    *conn = rtc_backend_begin();
	const RtcReply *replies;
	bool		member = true;

	if (conn == NULL)
		return RTC_GET_FAILED;

	for (int i = 0; i < wanted->ntags; i++)
		rtc_conn_append_strings(conn, "ZSCORE", wanted->tag[i], wanted->key,
								NULL);
	rtc_conn_append_strings(conn, "MGET", wanted->key, wanted->companion,
							NULL);
	rtc_conn_append_strings(conn, "PTTL", wanted->key, NULL);
	rtc_backend_append_position(conn);
	replies = rtc_backend_ask(wanted->ntags + 3);
	if (replies == NULL)
		return RTC_GET_FAILED;

	for (int i = 0; i < wanted->ntags; i++, replies++)
	{
		if (replies->type == RTC_REPLY_ERROR &&
			!rtc_reply_is_error(replies, "WRONGTYPE"))
			return refuse(replies, "ZSCORE");
		if (replies->type != RTC_REPLY_STRING)
			member = false;
	}
	if (!rtc_reply_is_array(&replies[2], 2))
		return refuse(&replies[2], "HMGET");
	if (!rtc_backend_position_is_good(&replies[2], wanted->epoch, wanted->lsn))
	{
		rtc_backend_doubt();
		return RTC_GET_FAILED;
	}
	if (!rtc_reply_is_array(&replies[0], 2))
		return refuse(&replies[0], "MGET");
	if (replies[1].type != RTC_REPLY_INTEGER)
		return refuse(&replies[1], "PTTL");
	rtc_breaker_success();

	/* It may have vanished between the two commands: not there, then. */
	if (replies[0].elems[0].type != RTC_REPLY_STRING ||
		replies[1].integer == -2)
		return RTC_GET_MISS;

	rtc_value_take(value, &replies[0].elems[0], &replies[0].elems[1],
				   replies[1].integer);
	if (!is_wanted(wanted, value))
		return RTC_GET_OTHER;
	return member ? RTC_GET_HIT : RTC_GET_MISS;
}

/*
 * Asks for the lease of a key that was missed.
 */
RtcGetResult
rtc_cmd_lease(const RtcWanted *wanted, char token[RTC_TOKEN_LEN],
			  int lease_ttl_ms, int64 ttl_ms, RtcValue *value)
{
	RtcConn    *conn;
	char		random[(RTC_TOKEN_LEN - 1) / 2];
	RtcArgs		args = {0};
	const RtcReply *reply;
	const RtcReply *elems;
	int64		outcome = -1;

	token[0] = '\0';
	conn = rtc_backend_begin();
	if (conn == NULL)
		return RTC_GET_FAILED;

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	token[hex_encode(random, sizeof(random), token)] = '\0';

	rtc_backend_script(&args, &rtc_script_lease, 4 + wanted->ntags);
	rtc_args_text(&args, wanted->key);
	rtc_args_text(&args, wanted->lease);
	rtc_args_text(&args, rtc_position_key());
	rtc_args_text(&args, wanted->companion);
	for (int i = 0; i < wanted->ntags; i++)
		rtc_args_text(&args, wanted->tag[i]);
	rtc_args_text(&args, token);
	rtc_args_number(&args, lease_ttl_ms);
	rtc_args_text(&args, wanted->epoch);
	rtc_args_bytes(&args, wanted->fingerprint, wanted->fingerprintlen);
	rtc_args_text(&args, wanted->owned ? "1" : "0");
	rtc_args_number(&args, Max(ttl_ms, 0));
	rtc_args_number(&args, wanted->lsn >> 32);
	rtc_args_number(&args, (uint32) wanted->lsn);
	rtc_args_number(&args, wanted->stale_ms);
	reply = rtc_backend_run(&rtc_script_lease, &args);
	if (reply == NULL)
		return RTC_GET_FAILED;

	if (rtc_reply_is_error(reply, "WRONGTYPE"))
	{
		rtc_breaker_success();
		return RTC_GET_CORRUPT;
	}

	elems = reply->elems;
	if (reply->type == RTC_REPLY_ARRAY && reply->nelems >= 1 &&
		elems[0].type == RTC_REPLY_INTEGER)
		outcome = elems[0].integer;
	switch (outcome)
	{
		case LEASE_DOUBT:
			rtc_backend_doubt();
			return RTC_GET_FAILED;

		case LEASE_BUSY:
			rtc_breaker_success();
			return RTC_GET_BUSY;

		case LEASE_GRANTED:
			rtc_breaker_success();
			return RTC_GET_LEASED;

		case LEASE_HIT:
			if (reply->nelems != 4 || elems[1].type != RTC_REPLY_STRING ||
				elems[2].type != RTC_REPLY_INTEGER)
				break;
			rtc_breaker_success();
			rtc_value_take(value, &elems[1], &elems[3], elems[2].integer);
			return RTC_GET_HIT;
	}
	return refuse(reply, "lease");
}

/*
 * Tells what a command has returned that returns a number; failed if it has
 * not.  A missing reply has been reported already.
 */
static int64
number(const RtcReply *reply, const char *command, int64 failed)
{
	if (reply == NULL)
		return failed;
	if (reply->type != RTC_REPLY_INTEGER)
	{
		rtc_backend_refuse(reply, command);
		return failed;
	}
	rtc_breaker_success();
	return reply->integer;
}

int
rtc_cmd_fill(const RtcWanted *wanted, const char *token, const char *value,
			 size_t vallen, const char *companion, size_t companionlen,
			 int64 ttl_ms)
{
	RtcConn    *conn = rtc_backend_begin();
	RtcArgs		args = {0};
	StringInfo	round;

	if (conn == NULL)
		return -1;

	rtc_backend_script(&args, &rtc_script_fill, 6);
	rtc_args_text(&args, wanted->key);
	rtc_args_text(&args, wanted->lease);
	rtc_args_text(&args, rtc_position_key());
	rtc_args_text(&args, wanted->companion);
	rtc_behind_name(rtc_args_next(&args), wanted->key, wanted->keylen);
	round = rtc_args_next(&args);
	appendBinaryStringInfo(round, wanted->key, wanted->prefixlen);
	appendStringInfoString(round, RTC_ROUND_KEY);
	rtc_args_text(&args, token);
	rtc_args_bytes(&args, value, vallen);
	rtc_args_number(&args, Max(ttl_ms, 0));
	rtc_args_text(&args, wanted->epoch);
	rtc_args_bytes(&args, companion, companionlen);
	return number(rtc_backend_run(&rtc_script_fill, &args), "fill", -1);
}

/*
 * Gives a lease back: not worth a new connection, nor any wait, since leases
 * expire.  The script goes as text, since nobody reads a NOSCRIPT.
 */
void
rtc_cmd_unlease(const RtcWanted *wanted, const char *token)
{
	RtcConn    *conn = rtc_backend_usable();

	if (conn != NULL)
		rtc_conn_post(conn, "EVAL", rtc_script_unlease.text, "1",
					  wanted->lease, token, NULL);
}

/*
 * Deletes what is no valid value.  True if it was there and is gone.
 */
bool
rtc_cmd_drop(const char *key, size_t keylen, const char *value, size_t vallen)
{
	RtcConn    *conn = rtc_backend_begin();
	RtcArgs		args = {0};

	if (conn == NULL)
		return false;
	rtc_backend_script(&args, &rtc_script_drop, 1);
	rtc_args_bytes(&args, key, keylen);
	if (value != NULL)
		rtc_args_bytes(&args, value, vallen);
	return number(rtc_backend_run(&rtc_script_drop, &args), "drop", 0) == 1;
}

int64
rtc_cmd_pttl(const char *key)
{
	RtcConn    *conn = rtc_backend_begin();

	if (conn == NULL)
		return -3;
	rtc_conn_append_strings(conn, "PTTL", key, NULL);
	return number(rtc_backend_ask(1), "PTTL", -3);
}
