/*-------------------------------------------------------------------------
 *
 * redis_cmd.c
 *		What a backend asks of Redis: look up, lease, fill, drop.
 *
 * Looking up and storing take one round trip each.  What must not be torn
 * apart by others is a Lua script; Redis runs one at a time.
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

#include "lib/stringinfo.h"

#include "breaker.h"
#include "key.h"
#include "redis_backend.h"
#include "redis_cmd.h"
#include "redis_script.h"
#include "redis_session.h"
#include "shmem.h"
#include "redis_conn.h"

/* Most arguments that one of our scripts takes, keys included. */
#define RTC_SCRIPT_MAX_ARGS 8

/*
 * Lease and fill look whose the position is.  Only the relay is fenced by
 * WATCH; a session of a server that was replaced could otherwise go on to
 * store what it reads there, until its relay notices.
 *
 * KEYS: key, lease, position.  ARGV: token, milliseconds, owner.  Returns
 * {1, value, pttl}, {2} = lease granted, {0} = busy, or {3} = not ours.  An
 * error of GET is the reply then.
 */
static RtcScript lease_script = {
	"if redis.call('HGET', KEYS[3], 'owner') ~= ARGV[3] then return {3} end "
	"local v = redis.pcall('GET', KEYS[1]) "
	"if type(v) == 'table' then return v end "
	"if v then return {1, v, redis.call('PTTL', KEYS[1])} end "
	"if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then "
	"return {2} end "
	"return {0}"
};

/*
 * KEYS: key, lease, position.  ARGV: token, value, milliseconds (0 = no
 * expiry), owner.
 */
static RtcScript fill_script = {
	"if redis.call('HGET', KEYS[3], 'owner') ~= ARGV[4] then return 0 end "
	"if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end "
	"if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2]) "
	"else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end "
	"redis.call('DEL', KEYS[2]) "
	"return 1"
};

/* KEYS: lease.  ARGV: token. */
static RtcScript unlease_script = {
	"if redis.call('GET', KEYS[1]) == ARGV[1] then "
	"return redis.call('DEL', KEYS[1]) end "
	"return 0"
};

/* KEYS: key.  ARGV: the value, or nothing = anything that is no string. */
static RtcScript drop_script = {
	"local v = redis.pcall('GET', KEYS[1]) "
	"local bad "
	"if type(v) == 'table' then "
	"if not string.find(v.err, 'WRONGTYPE', 1, true) then return v end "
	"bad = ARGV[1] == nil "
	"else bad = v and v == ARGV[1] end "
	"if bad then return redis.call('DEL', KEYS[1]) end "
	"return 0"
};

static RtcReply *run_script(RtcScript *script, int nkeys, int nargs,
							const char *const *args, const size_t *arglens);

bool
rtc_cmd_ready(void)
{
	return rtc_backend_begin();
}

/*
 * Looks a key up, with the time it has left, in one round trip, which also
 * asks whether the position is still ours.
 */
RtcGetResult
rtc_cmd_get(const char *key, size_t keylen, RtcValue *value)
{
	const char *get[] = {"GET", key};
	const char *pttl[] = {"PTTL", key};
	size_t		getlen[] = {3, keylen};
	size_t		pttllen[] = {4, keylen};
	const char *owner[] = {"HGET", rtc_position_key(), "owner"};
	size_t		ownerlen[] = {4, strlen(owner[1]), 5};
	RtcReply   *replies;

	if (!rtc_backend_begin())
		return RTC_GET_FAILED;

	rtc_backend_append(lengthof(get), get, getlen);
	rtc_backend_append(lengthof(pttl), pttl, pttllen);
	rtc_backend_append(lengthof(owner), owner, ownerlen);
	replies = rtc_backend_ask(3);
	if (replies == NULL)
		return RTC_GET_FAILED;

	if (replies[2].type != RTC_REPLY_ERROR &&
		(replies[2].type != RTC_REPLY_STRING ||
		 strcmp(replies[2].str, rtc_shared->owner) != 0))
	{
		rtc_backend_distrust();
		return RTC_GET_FAILED;
	}
	if (rtc_reply_is_error(&replies[0], "WRONGTYPE"))
	{
		rtc_breaker_success();
		return RTC_GET_CORRUPT;
	}
	if ((replies[0].type != RTC_REPLY_STRING &&
		 replies[0].type != RTC_REPLY_NIL) ||
		replies[1].type != RTC_REPLY_INTEGER ||
		replies[2].type == RTC_REPLY_ERROR)
	{
		rtc_backend_refuse(replies[0].type == RTC_REPLY_ERROR ? &replies[0] :
						   replies[1].type == RTC_REPLY_ERROR ? &replies[1] :
						   &replies[2], "GET");
		return RTC_GET_FAILED;
	}
	rtc_breaker_success();

	/* It may have vanished between the two commands: not there, then. */
	if (replies[0].type == RTC_REPLY_NIL || replies[1].integer == -2)
		return RTC_GET_MISS;

	value->value = replies[0].str;
	value->len = replies[0].len;
	value->ttl_ms = replies[1].integer;
	return RTC_GET_HIT;
}

/*
 * Asks for the lease of a key that was missed.
 */
RtcGetResult
rtc_cmd_lease(const char *key, size_t keylen, char token[RTC_TOKEN_LEN],
			  int lease_ttl_ms, RtcValue *value)
{
	uint8		random[(RTC_TOKEN_LEN - 1) / 2];
	char		ttl[16];
	StringInfoData lease;
	RtcReply   *reply;
	RtcReply   *elems;

	token[0] = '\0';
	if (!rtc_backend_begin())
		return RTC_GET_FAILED;

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	for (int i = 0; i < sizeof(random); i++)
		snprintf(token + 2 * i, 3, "%02x", random[i]);
	snprintf(ttl, sizeof(ttl), "%d", lease_ttl_ms);
	initStringInfo(&lease);
	rtc_lease_name(&lease, key, keylen);

	{
		const char *args[] = {key, lease.data, rtc_position_key(), token, ttl,
		rtc_shared->owner};
		size_t		lens[] = {keylen, lease.len, strlen(args[2]), strlen(token),
		strlen(ttl), strlen(args[5])};

		reply = run_script(&lease_script, 3, 3, args, lens);
	}
	pfree(lease.data);
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
	{
		if (elems[0].integer == 3)
		{
			rtc_backend_distrust();
			return RTC_GET_FAILED;
		}
		if (elems[0].integer == 0 || elems[0].integer == 2)
		{
			rtc_breaker_success();
			return elems[0].integer == 2 ? RTC_GET_LEASED : RTC_GET_BUSY;
		}
		if (reply->nelems == 3 && elems[1].type == RTC_REPLY_STRING &&
			elems[2].type == RTC_REPLY_INTEGER)
		{
			rtc_breaker_success();
			value->value = elems[1].str;
			value->len = elems[1].len;
			value->ttl_ms = elems[2].integer;
			return RTC_GET_HIT;
		}
	}
	rtc_backend_refuse(reply, "lease");
	return RTC_GET_FAILED;
}

int
rtc_cmd_fill(const char *key, size_t keylen, const char *token,
			 const char *value, size_t vallen, int64 ttl_ms)
{
	char		ttl[32];
	StringInfoData lease;
	RtcReply   *reply;

	if (!rtc_backend_begin())
		return -1;

	snprintf(ttl, sizeof(ttl), INT64_FORMAT, Max(ttl_ms, 0));
	initStringInfo(&lease);
	rtc_lease_name(&lease, key, keylen);
	{
		const char *args[] = {key, lease.data, rtc_position_key(), token,
		value, ttl, rtc_shared->owner};
		size_t		lens[] = {keylen, lease.len, strlen(args[2]), strlen(token),
		vallen, strlen(ttl), strlen(args[6])};

		reply = run_script(&fill_script, 3, 4, args, lens);
	}
	pfree(lease.data);
	if (reply == NULL)
		return -1;

	if (reply->type != RTC_REPLY_INTEGER)
	{
		rtc_backend_refuse(reply, "fill");
		return -1;
	}
	rtc_breaker_success();
	return reply->integer == 1 ? 1 : 0;
}

/*
 * Gives a lease back.  Not worth a new connection: leases expire.
 */
void
rtc_cmd_unlease(const char *key, size_t keylen, const char *token)
{
	StringInfoData lease;
	RtcReply   *reply;

	if (!rtc_backend_usable() || !rtc_backend_begin())
		return;

	initStringInfo(&lease);
	rtc_lease_name(&lease, key, keylen);
	{
		const char *args[] = {lease.data, token};
		size_t		lens[] = {lease.len, strlen(token)};

		reply = run_script(&unlease_script, 1, 1, args, lens);
	}
	pfree(lease.data);
	if (reply == NULL)
		return;

	if (reply->type != RTC_REPLY_INTEGER)
		rtc_backend_refuse(reply, "unlease");
	else
		rtc_breaker_success();
}

/*
 * Deletes what is no valid value.  True if it was there and is gone.
 */
bool
rtc_cmd_drop(const char *key, size_t keylen, const char *value, size_t vallen)
{
	const char *args[] = {key, value};
	size_t		lens[] = {keylen, vallen};
	RtcReply   *reply;

	if (!rtc_backend_begin())
		return false;

	reply = run_script(&drop_script, 1, value != NULL ? 1 : 0, args, lens);
	if (reply == NULL)
		return false;
	if (reply->type != RTC_REPLY_INTEGER)
	{
		rtc_backend_refuse(reply, "drop");
		return false;
	}
	rtc_breaker_success();
	return reply->integer == 1;
}

int64
rtc_cmd_pttl(const char *key, size_t keylen)
{
	const char *argv[] = {"PTTL", key};
	size_t		argvlen[] = {4, keylen};
	RtcReply   *reply;

	if (!rtc_backend_begin())
		return -3;

	rtc_backend_append(lengthof(argv), argv, argvlen);
	reply = rtc_backend_ask(1);
	if (reply == NULL)
		return -3;
	if (reply->type != RTC_REPLY_INTEGER)
	{
		rtc_backend_refuse(reply, "PTTL");
		return -3;
	}
	rtc_breaker_success();
	return reply->integer;
}

/*
 * Runs a script.  Redis knows it by its hash, unless it was restarted since;
 * then the text is sent.
 */
static RtcReply *
run_script(RtcScript *script, int nkeys, int nargs, const char *const *args,
		   const size_t *arglens)
{
	const char *argv[RTC_SCRIPT_MAX_ARGS + 3];
	size_t		argvlen[RTC_SCRIPT_MAX_ARGS + 3];
	char		numkeys[16];
	int			argc = 0;
	RtcReply   *reply;

	Assert(nkeys + nargs <= RTC_SCRIPT_MAX_ARGS);

	snprintf(numkeys, sizeof(numkeys), "%d", nkeys);

	argv[argc++] = "EVALSHA";
	argv[argc++] = rtc_script_sha(script);
	argv[argc++] = numkeys;
	for (int i = 0; i < 3; i++)
		argvlen[i] = strlen(argv[i]);
	for (int i = 0; i < nkeys + nargs; i++)
	{
		argv[argc] = args[i];
		argvlen[argc] = arglens[i];
		argc++;
	}

	rtc_backend_append(argc, argv, argvlen);
	reply = rtc_backend_ask(1);
	if (reply == NULL || !rtc_reply_is_error(reply, "NOSCRIPT"))
		return reply;

	argv[0] = "EVAL";
	argvlen[0] = 4;
	argv[1] = script->text;
	argvlen[1] = strlen(script->text);
	rtc_backend_append(argc, argv, argvlen);
	return rtc_backend_ask(1);
}
