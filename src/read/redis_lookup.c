/*-------------------------------------------------------------------------
 *
 * redis_lookup.c
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

#include "base/key.h"
#include "dep/stamps.h"
#include "read/redis_backend.h"
#include "read/redis_lookup.h"
#include "redis/breaker.h"
#include "redis/conn.h"
#include "redis/script.h"
#include "redis/session.h"
#include "rule/row_json.h"

/* Most arguments that one of our scripts takes, keys included. */
#define RTC_SCRIPT_MAX_ARGS (RTC_MAX_READ_DEPS + 10)

/* A member of a tag set, and a companion, outlive the value by this (ms). */
#define RTC_OUTLIVE_MS "1000"

/*
 * Lease and fill look for the position's epoch.  Only the relay is fenced by
 * WATCH; a session of a server that was replaced could otherwise go on to
 * store what it reads there, until its relay notices.
 *
 * KEYS: key, lease, position, companion, tag sets.  ARGV: token, milliseconds,
 * epoch, fingerprint, '1' = owned, milliseconds of the value to come (0 = no
 * expiry), the LSN (upper and lower half) that the position must have reached.
 * Returns {1, value, pttl, companion}, {2} = lease granted, {0} = busy, {3} =
 * the position is of another epoch, or behind.  An error of GET is the reply
 * then.
 *
 * What is there and no hit, though it is a lookup's, may be outdated: its tag
 * set may have been evicted before it was dropped.  It must not be taken for a
 * member once the key is one again, so it goes first.
 *
 * Companion, lease and tag sets that are none, but of another type, go; what
 * stands in a lease's place without an end is none either.
 *
 * The time of the members is Redis' own.  A few of those whose time is over
 * are taken out for each that comes; the sweeper does the rest.
 */
/* rtc_is_row_text(): the last byte is a closing brace */
#define IS_ROW_TEXT \
	"string.byte(v, -1) == 125 and string.find(v, '^{\"[^\"\\\\]*\":[^ ]')"
static RtcScript lease_script = {
	"local p = redis.call('HMGET', KEYS[3], 'epoch', 'lsn') "
	"if p[1] ~= ARGV[3] then return {3} end "
	"local hi, lo = string.match(p[2] or '', '^(%x+)/(%x+)$') "
	"if not hi then return {3} end "
	"hi = tonumber(hi, 16) - ARGV[7] "
	"if hi < 0 or (hi == 0 and tonumber(lo, 16) < tonumber(ARGV[8])) then "
	"return {3} end "
	"local v = redis.pcall('GET', KEYS[1]) "
	"if type(v) == 'table' then return v end "
	"local function odd(r) "
	"return type(r) == 'table' and r.err and "
	"string.find(r.err, 'WRONGTYPE', 1, true) end "
	"local q = v and redis.pcall('GET', KEYS[4]) "
	"if odd(q) then redis.call('UNLINK', KEYS[4]) q = '' end "
	"if type(q) == 'table' then return q end "
	"for i = 5, #KEYS do "
	"local m = redis.pcall('ZSCORE', KEYS[i], KEYS[1]) "
	"if odd(m) then redis.call('UNLINK', KEYS[i]) "
	"elseif type(m) == 'table' then return m end end "
	"if v then "
	"local hit "
	"if q then hit = string.sub(q, 1, #ARGV[4]) == ARGV[4] "
	"else hit = ARGV[5] == '1' and " IS_ROW_TEXT " end "
	"for i = 5, #KEYS do "
	"hit = hit and redis.call('ZSCORE', KEYS[i], KEYS[1]) end "
	"if hit then "
	"return {1, v, redis.call('PTTL', KEYS[1]), q or 0} end end "
	"local l = redis.pcall('GET', KEYS[2]) "
	"if type(l) == 'table' and not odd(l) then return l end "
	"if type(l) == 'string' and redis.call('PTTL', KEYS[2]) >= 0 then "
	"return {0} end "
	"if #KEYS > 4 then "
	"local t = redis.call('TIME') "
	"local now = t[1] * 1000 + math.floor(t[2] / 1000) "
	"local over = '+inf' "
	"if ARGV[6] ~= '0' then over = string.format('%.0f', "
	"now + ARGV[2] + ARGV[6] + " RTC_OUTLIVE_MS ") end "
	"if q then redis.call('UNLINK', KEYS[1], KEYS[4]) end "
	"for i = 5, #KEYS do "
	"local old = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', "
	"string.format('(%.0f', now), 'LIMIT', 0, 20) "
	"if #old > 0 then redis.call('ZREM', KEYS[i], unpack(old)) end "
	"redis.call('ZADD', KEYS[i], over, KEYS[1]) end end "
	"redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) "
	"return {2}"
};

/*
 * KEYS: key, lease, position, companion.  ARGV: token, value, milliseconds (0
 * = no expiry), epoch, text of the companion.  The companion is written first,
 * since it is the first write that may be refused; and it expires later, since
 * the value is nothing without it.
 */
static RtcScript fill_script = {
	"if redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[4] then return 0 end "
	"if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then return 0 end "
	"if ARGV[3] == '0' then "
	"redis.call('SET', KEYS[4], ARGV[5]) "
	"redis.call('SET', KEYS[1], ARGV[2]) "
	"else "
	"redis.call('SET', KEYS[4], ARGV[5], 'PX', "
	"string.format('%.0f', ARGV[3] + " RTC_OUTLIVE_MS ")) "
	"redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end "
	"redis.call('DEL', KEYS[2]) "
	"return 1"
};

/* KEYS: lease.  ARGV: token. */
static const char unlease_script[] =
"if redis.pcall('GET', KEYS[1]) == ARGV[1] then "
"return redis.call('DEL', KEYS[1]) end "
"return 0";

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

void
rtc_cmd_want(RtcWanted *wanted, const char *key, size_t keylen,
			 size_t prefixlen, const RtcDep *tags, int ntags,
			 XLogRecPtr lsn, uint64 epoch)
{
	rtc_epoch_text(epoch, wanted->epoch);
	wanted->lsn = lsn;
	wanted->key = key;
	wanted->keylen = keylen;
	wanted->fingerprint = NULL;
	wanted->owned = false;
	wanted->ntags = ntags;
	wanted->taglen = 0;
	initStringInfo(&wanted->names);
	rtc_lease_name(&wanted->names, key, keylen);
	wanted->leaselen = wanted->names.len;
	rtc_query_name(&wanted->names, key, keylen);
	wanted->querylen = wanted->names.len - wanted->leaselen;
	for (int i = 0; i < ntags; i++)
	{
		int			before = wanted->names.len;

		rtc_tag_name(&wanted->names, key, prefixlen, tags[i]);
		wanted->taglen = wanted->names.len - before;
	}
}

/* Where in the names they are. */
static const char *
lease_name(const RtcWanted *wanted)
{
	return wanted->names.data;
}

static const char *
query_name(const RtcWanted *wanted)
{
	return wanted->names.data + wanted->leaselen;
}

static const char *
tag_name(const RtcWanted *wanted, int i)
{
	return wanted->names.data + wanted->leaselen + wanted->querylen +
		i * wanted->taglen;
}

/* Is the value what is wanted, as far as it tells itself? */
static bool
is_wanted(const RtcWanted *wanted, const RtcValue *value)
{
	if (wanted->fingerprint == NULL)
		return true;
	if (value->companion != NULL)
		return value->companionlen >= wanted->fingerprintlen &&
			memcmp(value->companion, wanted->fingerprint,
				   wanted->fingerprintlen) == 0;
	return wanted->owned && rtc_is_row_text(value->value, value->len);
}

/*
 * Looks a key up, with its companion and the time it has left, in one round
 * trip, which also asks whether the position is of our epoch, and not behind.
 *
 * The position is asked last: a value may be older than it only if the relay
 * has caught up in between, on another connection, and then the generation has
 * moved.
 *
 * Membership is asked first.  Then a value that a drop has missed because the
 * tag set is gone cannot be taken for a member that somebody else enters just
 * now, since he deletes it.  Value and companion are read in one step, lest
 * they be of different fills.
 */
RtcGetResult
rtc_cmd_get(const RtcWanted *wanted, RtcValue *value)
{
	const char *zscore[] = {"ZSCORE", NULL, wanted->key};
	size_t		zscorelen[] = {6, wanted->taglen, wanted->keylen};
	const char *mget[] = {"MGET", wanted->key, query_name(wanted)};
	size_t		mgetlen[] = {4, wanted->keylen, wanted->querylen};
	const char *pttl[] = {"PTTL", wanted->key};
	size_t		pttllen[] = {4, wanted->keylen};
	const char *position[] = {"HMGET", rtc_position_key(), "epoch", "lsn"};
	size_t		positionlen[] = {5, strlen(position[1]), 5, 3};
	RtcReply   *replies;
	const RtcReply *bad = NULL;
	RtcReply   *elems;
	bool		member = true;

	if (!rtc_backend_begin())
		return RTC_GET_FAILED;

	for (int i = 0; i < wanted->ntags; i++)
	{
		zscore[1] = tag_name(wanted, i);
		rtc_backend_append(lengthof(zscore), zscore, zscorelen);
	}
	rtc_backend_append(lengthof(mget), mget, mgetlen);
	rtc_backend_append(lengthof(pttl), pttl, pttllen);
	rtc_backend_append(lengthof(position), position, positionlen);
	replies = rtc_backend_ask(wanted->ntags + 3);
	if (replies == NULL)
		return RTC_GET_FAILED;

	for (int i = 0; i < wanted->ntags && bad == NULL; i++, replies++)
	{
		if (replies->type == RTC_REPLY_ERROR &&
			!rtc_reply_is_error(replies, "WRONGTYPE"))
			bad = replies;
		else if (replies->type != RTC_REPLY_STRING)
			member = false;
	}
	if (bad == NULL)
	{
		if (replies[2].type == RTC_REPLY_ARRAY && replies[2].nelems == 2)
		{
			elems = replies[2].elems;
			if (elems[0].type != RTC_REPLY_STRING ||
				strcmp(elems[0].str, wanted->epoch) != 0 ||
				rtc_reply_lsn(&elems[1]) < wanted->lsn)
			{
				rtc_backend_doubt();
				return RTC_GET_FAILED;
			}
		}
		if (replies[0].type != RTC_REPLY_ARRAY || replies[0].nelems != 2)
			bad = &replies[0];
		else if (replies[1].type != RTC_REPLY_INTEGER)
			bad = &replies[1];
		else if (replies[2].type != RTC_REPLY_ARRAY || replies[2].nelems != 2)
			bad = &replies[2];
	}
	if (bad != NULL)
	{
		rtc_backend_refuse(bad, "MGET");
		return RTC_GET_FAILED;
	}
	rtc_breaker_success();

	/* It may have vanished between the two commands: not there, then. */
	elems = replies[0].elems;
	if (!member || elems[0].type != RTC_REPLY_STRING ||
		replies[1].integer == -2)
		return RTC_GET_MISS;

	value->value = elems[0].str;
	value->len = elems[0].len;
	value->companion = elems[1].type == RTC_REPLY_STRING ? elems[1].str : NULL;
	value->companionlen = elems[1].len;
	value->ttl_ms = replies[1].integer;
	return is_wanted(wanted, value) ? RTC_GET_HIT : RTC_GET_MISS;
}

/*
 * Asks for the lease of a key that was missed.
 */
RtcGetResult
rtc_cmd_lease(const RtcWanted *wanted, char token[RTC_TOKEN_LEN],
			  int lease_ttl_ms, int64 ttl_ms, RtcValue *value)
{
	uint8		random[(RTC_TOKEN_LEN - 1) / 2];
	char		lease_ttl[16];
	char		ttl[32];
	char		lsn[2][16];
	const char *args[RTC_SCRIPT_MAX_ARGS];
	size_t		lens[RTC_SCRIPT_MAX_ARGS];
	int			n = 0;
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
	snprintf(lease_ttl, sizeof(lease_ttl), "%d", lease_ttl_ms);
	snprintf(ttl, sizeof(ttl), INT64_FORMAT, Max(ttl_ms, 0));

	args[n] = wanted->key;
	lens[n++] = wanted->keylen;
	args[n] = lease_name(wanted);
	lens[n++] = wanted->leaselen;
	args[n] = rtc_position_key();
	lens[n++] = strlen(rtc_position_key());
	args[n] = query_name(wanted);
	lens[n++] = wanted->querylen;
	for (int i = 0; i < wanted->ntags; i++)
	{
		args[n] = tag_name(wanted, i);
		lens[n++] = wanted->taglen;
	}
	args[n] = token;
	lens[n++] = strlen(token);
	args[n] = lease_ttl;
	lens[n++] = strlen(lease_ttl);
	args[n] = wanted->epoch;
	lens[n++] = strlen(wanted->epoch);
	args[n] = wanted->fingerprint;
	lens[n++] = wanted->fingerprintlen;
	args[n] = wanted->owned ? "1" : "0";
	lens[n++] = 1;
	args[n] = ttl;
	lens[n++] = strlen(ttl);
	snprintf(lsn[0], sizeof(lsn[0]), "%u", (uint32) (wanted->lsn >> 32));
	snprintf(lsn[1], sizeof(lsn[1]), "%u", (uint32) wanted->lsn);
	for (int i = 0; i < 2; i++)
	{
		args[n] = lsn[i];
		lens[n++] = strlen(lsn[i]);
	}
	reply = run_script(&lease_script, 4 + wanted->ntags, 8, args, lens);
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
			rtc_backend_doubt();
			return RTC_GET_FAILED;
		}
		if (elems[0].integer == 0 || elems[0].integer == 2)
		{
			rtc_breaker_success();
			return elems[0].integer == 2 ? RTC_GET_LEASED : RTC_GET_BUSY;
		}
		if (reply->nelems == 4 && elems[1].type == RTC_REPLY_STRING &&
			elems[2].type == RTC_REPLY_INTEGER)
		{
			rtc_breaker_success();
			value->value = elems[1].str;
			value->len = elems[1].len;
			value->ttl_ms = elems[2].integer;
			value->companion = elems[3].type == RTC_REPLY_STRING ?
				elems[3].str : NULL;
			value->companionlen = elems[3].len;
			return RTC_GET_HIT;
		}
	}
	rtc_backend_refuse(reply, "lease");
	return RTC_GET_FAILED;
}

int
rtc_cmd_fill(const RtcWanted *wanted, const char *token, const char *value,
			 size_t vallen, const char *companion, size_t companionlen,
			 int64 ttl_ms)
{
	char		ttl[32];
	RtcReply   *reply;

	if (!rtc_backend_begin())
		return -1;

	snprintf(ttl, sizeof(ttl), INT64_FORMAT, Max(ttl_ms, 0));
	{
		const char *args[] = {wanted->key, lease_name(wanted),
			rtc_position_key(), query_name(wanted), token, value, ttl,
		wanted->epoch, companion};
		size_t		lens[] = {wanted->keylen, wanted->leaselen,
			strlen(args[2]), wanted->querylen, strlen(token), vallen,
		strlen(ttl), strlen(args[7]), companionlen};

		reply = run_script(&fill_script, 4, 5, args, lens);
	}
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
 * Gives a lease back: not worth a new connection, nor any wait, since leases
 * expire.  The script goes as text, lest Redis not know it by its hash.
 */
void
rtc_cmd_unlease(const RtcWanted *wanted, const char *token)
{
	const char *argv[] = {"EVAL", unlease_script, "1", lease_name(wanted),
	token};
	size_t		argvlen[] = {4, strlen(unlease_script), 1, wanted->leaselen,
	strlen(token)};

	rtc_backend_post(lengthof(argv), argv, argvlen);
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
	if (reply == NULL || !rtc_script_is_unknown(reply))
		return reply;

	argv[0] = "EVAL";
	argvlen[0] = 4;
	argv[1] = script->text;
	argvlen[1] = strlen(script->text);
	rtc_backend_append(argc, argv, argvlen);
	return rtc_backend_ask(1);
}
