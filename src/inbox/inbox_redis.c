/*-------------------------------------------------------------------------
 *
 * inbox_redis.c
 *		What the worker asks of Redis.
 *
 * Each question goes to Redis as a script that first looks whether the position
 * there is of the epoch of our relay.  So a worker of a server that was replaced
 * takes nothing out of the inbox, and one that talks to a Redis which is not, or no
 * longer, the relay's finds that out.
 *
 * How far an inbox has been applied is said by a consumer group in it, for people
 * and for those who have no record of it in the database; what counts is the
 * record in the database.
 *
 * Model: called by the worker, in or out of a transaction.  Trouble with Redis is a
 * result.  Cancel and termination raise; a connection with a reply outstanding is
 * then closed by conn.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "inbox/inbox_redis.h"
#include "redis/connect.h"
#include "redis/script.h"
#include "redis/trust.h"

/* Entries of one batch, and their bytes. */
#define BATCH_ENTRIES	10000
#define BATCH_BYTES		(8 * 1024 * 1024)

/*
 * What a reply may take: the bytes, an entry that is one too many, and what each
 * text takes beside its bytes.
 */
#define REPLY_BYTES \
	(BATCH_BYTES + RtcMaxValueBytes() + (size_t) BATCH_ENTRIES * 1024)

/*
 * So long Redis may take for an answer (ms), or rtcache.command_timeout if that is
 * longer: nobody waits for us, and a batch is much to read.
 */
#define ANSWER_MS		10000

bool
rtc_inbox_connect(RtcInboxLink *link, bool *tried)
{
	char		address[RTC_ADDRESS_LEN];

	*tried = false;
	if (link->conn == NULL)
		link->conn = rtc_conn_create("rtcache-inbox");
	rtc_epoch_text(rtc_redis_epoch(), link->epoch);
	pg_memory_barrier();
	if (!rtc_redis_address(rtc_redis_url_hash(), address))
		return false;
	*tried = true;
	(void) rtc_conn_limit_replies(link->conn, REPLY_BYTES);
	return rtc_conn_open(link->conn, address) == RTC_CONN_OK;
}

/*
 * Begins a call of a script with the inbox, the position and the epoch.  second,
 * last: what is behind the prefix in names that come before and behind the
 * position; or NULL.
 */
static void
begin(RtcInboxLink *link, RtcArgs *args, const RtcScript *script,
	  const char *second, const char *last)
{
	rtc_args_begin(args, "EVAL");
	rtc_args_text(args, script->text);
	rtc_args_number(args, second != NULL || last != NULL ? 3 : 2);
	appendStringInfo(rtc_args_next(args), "%s%s", link->prefix,
					 RTC_INBOX_SUFFIX);
	if (second != NULL)
		appendStringInfo(rtc_args_next(args), "%s%s", link->prefix, second);
	rtc_args_text(args, rtc_position_key());
	if (last != NULL)
		appendStringInfo(rtc_args_next(args), "%s%s", link->prefix, last);
	rtc_args_text(args, link->epoch);
}

static void
add_id(RtcArgs *args, RtcInboxId id)
{
	char		text[RTC_INBOX_ID_LEN];

	rtc_inbox_id_text(id, text);
	rtc_args_text(args, text);
}

/* Sends a call; the reply is an array of n elements, if all is well. */
static RtcInboxResult
call(RtcInboxLink *link, RtcArgs *args, int n, const RtcReply **reply)
{
	rtc_conn_append(link->conn, args);
	rtc_args_free(args);
	*reply = rtc_conn_exchange(link->conn, Max(rtc_command_timeout, ANSWER_MS), NULL);
	if (*reply == NULL)
		return RTC_INBOX_FAILED;
	if ((*reply)->type == RTC_REPLY_ERROR)
	{
		rtc_conn_fail(link->conn, "%s", (*reply)->str);
		return RTC_INBOX_FAILED;
	}
	if (rtc_reply_is_array(*reply, 1) && (*reply)->elems[0].integer < 0)
		return RTC_INBOX_OTHER;
	if (!rtc_reply_is_array(*reply, n))
	{
		rtc_conn_fail(link->conn, "unexpected reply to a script");
		return RTC_INBOX_FAILED;
	}
	return RTC_INBOX_OK;
}

/* The id in a reply; false = there is none. */
static bool
read_id(const RtcReply *reply, RtcInboxId *id)
{
	memset(id, 0, sizeof(*id));
	return reply->type == RTC_REPLY_STRING && rtc_inbox_id_parse(reply->str, id);
}

RtcInboxResult
rtc_inbox_open(RtcInboxLink *link, const RtcInboxId *applied,
			   RtcInboxStand *stand)
{
	RtcArgs		args = {0};
	const RtcReply *reply;
	RtcInboxResult result;

	begin(link, &args, &rtc_script_inbox_open, RTC_DEAD_SUFFIX, NULL);
	if (applied != NULL)
		add_id(&args, *applied);
	else
		rtc_args_text(&args, "");
	result = call(link, &args, 5, &reply);
	if (result != RTC_INBOX_OK)
		return result;
	stand->existed = reply->elems[0].integer > 0;
	stand->known = reply->elems[0].integer > 1;
	(void) read_id(&reply->elems[1], &stand->noted);
	(void) read_id(&reply->elems[2], &stand->last);
	stand->empty = !read_id(&reply->elems[3], &stand->first);
	stand->nentries = reply->elems[4].integer;
	return RTC_INBOX_OK;
}

RtcInboxResult
rtc_inbox_read(RtcInboxLink *link, RtcInboxId behind, RtcInboxEntry **entries,
			   int *nentries, bool *all, int64 *length, bool *round)
{
	RtcArgs		args = {0};
	const RtcReply *reply;
	const RtcReply *list;
	RtcInboxResult result;

	*nentries = 0;
	begin(link, &args, &rtc_script_inbox_read, NULL, RTC_ROUND_KEY);
	add_id(&args, behind);
	rtc_args_number(&args, BATCH_ENTRIES);
	rtc_args_number(&args, BATCH_BYTES);
	rtc_args_number(&args, (int64) RtcMaxValueBytes());
	result = call(link, &args, 4, &reply);
	if (result != RTC_INBOX_OK)
		return result;
	list = &reply->elems[1];
	*length = reply->elems[0].integer;
	*round = reply->elems[2].integer != 0;
	*all = reply->elems[3].integer != 0;
	*entries = palloc((list->nelems + 1) * sizeof(RtcInboxEntry));
	for (int i = 0; list->type == RTC_REPLY_ARRAY && i < list->nelems; i++)
	{
		if (!rtc_inbox_entry_take(&list->elems[i], &(*entries)[i]))
		{
			rtc_conn_fail(link->conn, "unexpected entry of a stream");
			return RTC_INBOX_FAILED;
		}
		(*nentries)++;
	}
	return RTC_INBOX_OK;
}

RtcInboxResult
rtc_inbox_bury(RtcInboxLink *link, const RtcInboxEntry *entries, int n)
{
	RtcArgs		args = {0};
	const RtcReply *reply;

	begin(link, &args, &rtc_script_inbox_dead, RTC_DEAD_SUFFIX, NULL);
	rtc_args_text(&args, timestamptz_to_str(GetCurrentTimestamp()));
	for (int i = 0; i < n; i++)
	{
		const RtcInboxEntry *entry = &entries[i];

		if (!entry->dead)
			continue;
		add_id(&args, entry->id);
		rtc_args_text(&args, unpack_sql_state(entry->sqlerrcode));
		rtc_args_text(&args, entry->error);
	}
	rtc_conn_append(link->conn, &args);
	rtc_args_free(&args);
	reply = rtc_conn_exchange(link->conn, Max(rtc_command_timeout, ANSWER_MS), NULL);
	if (reply == NULL)
		return RTC_INBOX_FAILED;
	if (reply->type == RTC_REPLY_INTEGER)
		return reply->integer == 0 ? RTC_INBOX_OK : RTC_INBOX_OTHER;
	rtc_conn_fail(link->conn, "%s", reply->type == RTC_REPLY_ERROR ?
				  reply->str : "unexpected reply to a script");
	return RTC_INBOX_FAILED;
}

RtcInboxResult
rtc_inbox_done(RtcInboxLink *link, RtcInboxId applied, RtcInboxId keep_from,
			   int64 *ntaken, int64 *length, int64 *ndead)
{
	RtcArgs		args = {0};
	const RtcReply *reply;
	RtcInboxResult result;

	begin(link, &args, &rtc_script_inbox_done, RTC_DEAD_SUFFIX, NULL);
	add_id(&args, applied);
	if (keep_from.ms == 0 && keep_from.seq == 0)
		rtc_args_text(&args, "");
	else
		add_id(&args, keep_from);
	result = call(link, &args, 3, &reply);
	if (result != RTC_INBOX_OK)
		return result;
	*ntaken = reply->elems[0].integer;
	*length = reply->elems[1].integer;
	*ndead = reply->elems[2].integer;
	return RTC_INBOX_OK;
}

/*
 * An entry that is larger than a reply may be is one, too: then the connection is
 * closed, and the next one reads.
 */
RtcInboxResult
rtc_inbox_wait(RtcInboxLink *link, RtcInboxId behind, int ms)
{
	RtcArgs		args = {0};
	const RtcReply *reply;

	rtc_args_begin(&args, "XREAD");
	rtc_args_text(&args, "COUNT");
	rtc_args_text(&args, "1");
	rtc_args_text(&args, "BLOCK");
	rtc_args_number(&args, Max(ms, 1));
	rtc_args_text(&args, "STREAMS");
	appendStringInfo(rtc_args_next(&args), "%s%s", link->prefix,
					 RTC_INBOX_SUFFIX);
	add_id(&args, behind);
	rtc_conn_append(link->conn, &args);
	rtc_args_free(&args);
	reply = rtc_conn_exchange(link->conn, ms + Max(rtc_command_timeout, ANSWER_MS),
							  NULL);
	if (reply == NULL)
		return rtc_conn_reply_was_too_large(link->conn) ? RTC_INBOX_OTHER :
			RTC_INBOX_FAILED;
	if (reply->type == RTC_REPLY_ERROR)
	{
		rtc_conn_fail(link->conn, "%s", reply->str);
		return RTC_INBOX_FAILED;
	}
	return RTC_INBOX_OK;
}
