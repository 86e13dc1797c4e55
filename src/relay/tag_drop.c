/*-------------------------------------------------------------------------
 *
 * tag_drop.c
 *		Tag sets in Redis, as the relay sees them: dropped, or trimmed.
 *
 * A tag set names the keys whose values depend on something.  When that has
 * changed, all of them are deleted: of each key first the lease, so that a
 * fill on its way is refused, then the companion and the value.  A script does
 * it for a limited number of keys, so that Redis is never blocked for more than
 * a few milliseconds, and is called until the set is empty.
 *
 * A key that is registered while we are at it may be deleted as well, or not:
 * its value comes from a snapshot that has the change, since the change was
 * visible before we began.
 *
 * Model: used by the relay alone, on its connection.  Deleting is something
 * that a Redis out of memory still does.  Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/inject.h"
#include "base/key.h"
#include "guc.h"
#include "redis/script.h"
#include "relay/tag_drop.h"
#include "stats.h"

/* Keys that one exchange may delete, and that one set is good for at least. */
#ifndef KEYS_PER_EXCHANGE
#define KEYS_PER_EXCHANGE	1000
#endif
#define KEYS_PER_SET		10

/* Sets in one exchange. */
#define SETS_PER_EXCHANGE	100

/*
 * KEYS: tag set.  ARGV: how many at most, the channel that is told of the keys
 * (publish.c), or nothing.  Returns {members taken out, values deleted}.  The
 * names of lease and companion are those of key.c.  Something else under this
 * name would stop the relay for good, so it has to go.
 */
static RtcScript drop_script = {
	"local keys = redis.pcall('ZRANGE', KEYS[1], 0, ARGV[1] - 1) "
	"if keys.err then "
	"if not string.find(keys.err, 'WRONGTYPE', 1, true) then return keys end "
	"redis.call('UNLINK', KEYS[1]) return {0, 0} end "
	"if #keys == 0 then return {0, 0} end "
	"local beside = {} "
	"for i, key in ipairs(keys) do "
	"local open = string.find(key, '{', 1, true) "
	"local close = open and string.find(key, '}', open + 1, true) "
	"local name = key "
	"if not (close and close > open + 1) then name = '{' .. key .. '}' end "
	"beside[i] = name .. '" RTC_LEASE_SUFFIX "' "
	"beside[#keys + i] = name .. '" RTC_QUERY_SUFFIX "' end "
	"redis.call('UNLINK', unpack(beside)) "
	"local n = redis.call('UNLINK', unpack(keys)) "
	"if ARGV[2] ~= '' then for _, key in ipairs(keys) do "
	"redis.call('PUBLISH', ARGV[2], "
	"(string.gsub(key, '[*?%[%]\\\\]', '\\\\%0'))) end end "
	"redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #keys - 1) "
	"return {#keys, n}"
};

/* KEYS: tag set.  ARGV: how many at most.  Returns how many. */
static RtcScript trim_script = {
	"local t = redis.call('TIME') "
	"local keys = redis.pcall('ZRANGEBYSCORE', KEYS[1], '-inf', "
	"string.format('(%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), "
	"'LIMIT', 0, ARGV[1]) "
	"if keys.err or #keys == 0 then return 0 end "
	"return redis.call('ZREM', KEYS[1], unpack(keys))"
};

static RtcConnResult complain(RtcConn *conn, const RtcReply *reply);
static void append(RtcConn *conn, RtcScript *script, bool by_text,
				   const RtcTagName *tag, int limit);
static int	limit_for(int nsets);

RtcConnResult
rtc_tags_load(RtcConn *conn)
{
	RtcReply   *replies;
	int			nreplies;

	rtc_conn_append_strings(conn, "SCRIPT", "LOAD", drop_script.text, NULL);
	rtc_conn_append_strings(conn, "SCRIPT", "LOAD", trim_script.text, NULL);
	if (rtc_conn_exchange(conn, rtc_command_timeout, &replies,
						  &nreplies) != RTC_CONN_OK)
		return RTC_CONN_FAILED;
	/* it may be forbidden: then the text is sent when it is needed */
	return RTC_CONN_OK;
}

/*
 * The list of those that are not empty yet is kept at the beginning of the
 * array.
 */
RtcConnResult
rtc_tags_drop(RtcConn *conn, RtcTagName *tags, int n, uint64 *dropped)
{
	MemoryContext context;
	MemoryContext old;
	RtcConnResult result = RTC_CONN_OK;
	bool		by_text = false;
	bool		first = true;

	context = AllocSetContextCreate(CurrentMemoryContext, "rtcache tag drops",
									ALLOCSET_DEFAULT_SIZES);
	while (n > 0)
	{
		RtcReply   *replies;
		int			nreplies;
		int			nsent = Min(n, SETS_PER_EXCHANGE);
		int			limit = limit_for(nsent);
		int			left = 0;

		CHECK_FOR_INTERRUPTS();
		if (!first)
			RTC_INJECT("tags_left");
		first = false;

		/* the text, once, makes the script known for all that follow */
		for (int i = 0; i < nsent; i++)
			append(conn, &drop_script, by_text && i == 0, &tags[i], limit);
		by_text = false;

		MemoryContextReset(context);
		old = MemoryContextSwitchTo(context);
		result = rtc_conn_exchange(conn, rtc_command_timeout, &replies,
								   &nreplies);
		MemoryContextSwitchTo(old);
		if (result != RTC_CONN_OK)
			break;

		for (int i = 0; i < n && result == RTC_CONN_OK; i++)
		{
			const RtcReply *reply = i < nsent ? &replies[i] : NULL;

			if (reply == NULL)
				tags[left++] = tags[i];
			else if (rtc_script_is_unknown(reply))
			{
				by_text = true;
				tags[left++] = tags[i];
			}
			else if (reply->type == RTC_REPLY_ARRAY && reply->nelems == 2 &&
					 reply->elems[0].type == RTC_REPLY_INTEGER &&
					 reply->elems[1].type == RTC_REPLY_INTEGER)
			{
				*dropped += reply->elems[1].integer;
				if (reply->elems[0].integer >= limit)
					tags[left++] = tags[i];
			}
			else
				result = complain(conn, reply);
		}
		if (result != RTC_CONN_OK)
			break;
		n = left;
	}
	MemoryContextDelete(context);
	return result;
}

void
rtc_tags_append_trim(RtcConn *conn, const RtcTagName *tag, bool by_text)
{
	append(conn, &trim_script, by_text, tag, RTC_TRIM_LIMIT);
}

static RtcConnResult
complain(RtcConn *conn, const RtcReply *reply)
{
	rtc_stat_inc(RTC_STAT_ERRORS);
	rtc_conn_fail(conn, "%s", reply->type == RTC_REPLY_ERROR ? reply->str :
				  "unexpected reply to a tag drop");
	return RTC_CONN_FAILED;
}

static void
append(RtcConn *conn, RtcScript *script, bool by_text, const RtcTagName *tag,
	   int limit)
{
	char		number[16];
	const char *argv[] = {by_text ? "EVAL" : "EVALSHA",
		by_text ? script->text : rtc_script_sha(script), "1", tag->name,
	number, rtc_publish};
	size_t		argvlen[] = {strlen(argv[0]), strlen(argv[1]), 1, tag->len, 0,
	strlen(rtc_publish)};

	argvlen[4] = snprintf(number, sizeof(number), "%d", limit);
	rtc_conn_append(conn, lengthof(argv), argv, argvlen);
}

/* Keys to be deleted from each of so many sets. */
static int
limit_for(int nsets)
{
	return Max(KEYS_PER_EXCHANGE / Max(nsets, 1), KEYS_PER_SET);
}
