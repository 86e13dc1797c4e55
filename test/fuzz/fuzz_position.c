/*-------------------------------------------------------------------------
 *
 * fuzz_position.c
 *		The position as Redis tells it: any reply.
 *
 * rooms: relay/position redis/names redis/reply
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"
#include "resp.h"

#include "access/xlog.h"

#include "relay/position.h"
#include "op.h"

int			rtc_command_timeout = 1000;
static const uint8 *bytes;
static size_t nbytes;

/* The connection: it answers with what we were given. */
void
rtc_conn_append_strings(RtcConn *conn,...)
{
}

void
rtc_conn_fail(RtcConn *conn, const char *fmt,...)
{
}

size_t
rtc_conn_limit_replies(RtcConn *conn, size_t max_bytes)
{
	return max_bytes;
}

bool
rtc_conn_reply_was_too_large(RtcConn *conn)
{
	return false;
}

RtcConnResult
rtc_conn_judge(RtcConn *conn, const RtcReply *replies, int nreplies)
{
	for (int i = 0; i < nreplies; i++)
		if (replies[i].type == RTC_REPLY_ERROR)
			return RTC_CONN_FAILED;
	return RTC_CONN_OK;
}

uint64
GetSystemIdentifier(void)
{
	return 1;
}

RtcReply *
rtc_conn_exchange(RtcConn *conn, int timeout_ms, int *nreplies)
{
	RtcReplySink sink;
	redisReader *reader = resp_reader(&sink);
	RtcReply   *replies = palloc0(2 * sizeof(RtcReply));
	bool		found;

	replies[0].type = RTC_REPLY_STATUS;
	replies[0].str = "OK";
	replies[0].len = 2;
	found = resp_read(reader, &sink, bytes, nbytes, nbytes, &replies[1]);
	redisReaderFree(reader);
	return found ? replies : NULL;
}

/* only HGETALL is one command */
RtcReply *
rtc_conn_ask(RtcConn *conn, int timeout_ms, int *nreplies)
{
	RtcReply   *replies = rtc_conn_exchange(conn, timeout_ms, nreplies);

	if (replies == NULL || replies[1].type == RTC_REPLY_ERROR)
		return NULL;
	return &replies[1];
}

void
fuzz_one(const uint8 *data, size_t size)
{
	RtcPositionMemory memory = {0};
	RtcPosition pos;

	bytes = data;
	nbytes = size;
	if (size == 0 || rtc_position_load(NULL, &memory, &pos) != RTC_CONN_OK)
		return;
	MUST(strnlen(pos.owner, sizeof(pos.owner)) < sizeof(pos.owner));
	MUST(strnlen(pos.key_id, sizeof(pos.key_id)) < sizeof(pos.key_id));
	for (int i = 0; i < pos.nprefixes; i++)
	{
		size_t		len = strnlen(pos.prefix[i], RTC_MAX_PREFIX_LEN);

		MUST(len < RTC_MAX_PREFIX_LEN);
		(void) pos.prefix_dboid[i];
	}
	if (pos.found)
		MUST(pos.timeline != 0 && pos.at.lsn != 0 && pos.at.restart_lsn != 0);
}
