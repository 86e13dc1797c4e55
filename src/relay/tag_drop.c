/*-------------------------------------------------------------------------
 *
 * tag_drop.c
 *		Tag sets in Redis, as the relay sees them: dropped, or trimmed.
 *
 * A tag set names the keys whose values depend on something.  When that has
 * changed, all of them are deleted: of each key first the lease, so that a
 * fill on its way is refused, then the companion and the value.  A script
 * (redis/lua/drop_tags.lua) does it for a limited number of keys, so that it
 * blocks Redis for a few milliseconds only, and is called until the set is empty.
 *
 * A key that is registered meanwhile may be deleted, or not: the change was
 * visible before, so its value comes from a snapshot that has it.
 *
 * Model: the relay alone, on its connection.  A Redis out of memory still
 * deletes.  Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/inject.h"
#include "guc.h"
#include "redis/names.h"
#include "redis/script.h"
#include "relay/tag_drop.h"
#include "stats.h"
#include "table_stats.h"

/* Keys that one exchange may delete, and that one set is good for at least. */
#ifndef KEYS_PER_EXCHANGE
#define KEYS_PER_EXCHANGE	1000
#endif
#define KEYS_PER_SET		10

/* Sets in one exchange. */
#define SETS_PER_EXCHANGE	100

/* Appends the call of a script for one tag set, by its text or its hash. */
static void
append(RtcConn *conn, const RtcScript *script, bool by_text, const char *tag,
	   int limit)
{
	char		number[16];

	snprintf(number, sizeof(number), "%d", limit);
	rtc_conn_append_strings(conn, by_text ? "EVAL" : "EVALSHA",
							by_text ? script->text : script->sha,
							"1", tag, number, rtc_publish, NULL);
}

/* Values have been deleted because of a tag set. */
static void
count_ended(const char *tag, int64 n)
{
	size_t		prefixlen;
	RtcDep		dep;

	if (n > 0 && rtc_tag_parse(tag, strlen(tag), &prefixlen, &dep))
		rtc_table_stats_ended(dep, n);
}

/*
 * Drops what is in the first nsent sets, each of them in part if it is large.
 * Moves those that are not empty yet to the beginning of the array; returns
 * their number, -1 = Redis failed.
 */
static int
drop_some(RtcConn *conn, const char **tags, int nsent, bool *by_text,
		  uint64 *dropped)
{
	int			limit = Max(KEYS_PER_EXCHANGE / nsent, KEYS_PER_SET);
	RtcReply   *replies;
	int			left = 0;

	/* the text, once, makes the script known for all that follow */
	for (int i = 0; i < nsent; i++)
		append(conn, &rtc_script_drop_tags, *by_text && i == 0, tags[i],
			   limit);
	*by_text = false;
	replies = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	if (replies == NULL)
		return -1;

	for (int i = 0; i < nsent; i++)
	{
		const RtcReply *reply = &replies[i];

		if (rtc_reply_is_error(reply, "NOSCRIPT"))
		{
			*by_text = true;
			tags[left++] = tags[i];
		}
		else if (rtc_reply_is_array(reply, 2) &&
				 reply->elems[0].type == RTC_REPLY_INTEGER &&
				 reply->elems[1].type == RTC_REPLY_INTEGER)
		{
			*dropped += reply->elems[1].integer;
			count_ended(tags[i], reply->elems[1].integer);
			if (reply->elems[0].integer >= limit)
				tags[left++] = tags[i];
		}
		else
		{
			rtc_stat_inc(RTC_STAT_ERRORS);
			rtc_conn_fail(conn, "%s", reply->type == RTC_REPLY_ERROR ?
						  reply->str : "unexpected reply to a tag drop");
			return -1;
		}
	}
	return left;
}

RtcConnResult
rtc_tags_drop(RtcConn *conn, const char **tags, int n, uint64 *dropped)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "rtcache tag drops",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		by_text = false;
	int			left = 0;

	while (n > 0)
	{
		int			nsent = Min(n, SETS_PER_EXCHANGE);

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		left = drop_some(conn, tags, nsent, &by_text, dropped);
		if (left < 0)
			break;
		memmove(tags + left, tags + nsent, (n - nsent) * sizeof(tags[0]));
		n -= nsent - left;
		if (n > 0)
			RTC_INJECT("tags_left");
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return left < 0 ? RTC_CONN_FAILED : RTC_CONN_OK;
}

void
rtc_tags_append_trim(RtcConn *conn, const char *tag, bool by_text)
{
	append(conn, &rtc_script_trim_tags, by_text, tag, RTC_TRIM_LIMIT);
}
