/*-------------------------------------------------------------------------
 *
 * prefix_owner.c
 *		Which database system uses a prefix in Redis.
 *
 * A hash "rtcache:owners" tells which database system has a prefix, so that
 * two servers that are set up with the same one do not destroy each other's
 * keys: the second one is refused while the first one is alive.
 *
 * Model: called by the relay alone.  Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "guc.h"
#include "redis/names.h"
#include "relay/prefix_owner.h"

/* Longest name of a database system, with its final NUL. */
#define SYSID_LEN	64

/*
 * Which database system has the prefix?  "" = none.
 */
static RtcConnResult
find_owner(RtcConn *conn, const char *prefix, char owner[SYSID_LEN])
{
	RtcReply   *reply;

	owner[0] = '\0';
	rtc_conn_append_strings(conn, "HGET", RTC_OWNERS_KEY, prefix, NULL);
	reply = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	if (reply != NULL && rtc_reply_is_error(reply, "WRONGTYPE"))
	{
		/* somebody has stored something else there: it tells nothing */
		rtc_conn_append_strings(conn, "UNLINK", RTC_OWNERS_KEY, NULL);
		reply = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	}
	if (reply == NULL || rtc_conn_judge(conn, reply, 1) != RTC_CONN_OK)
		return RTC_CONN_FAILED;
	if (reply->type == RTC_REPLY_STRING)
		strlcpy(owner, reply->str, SYSID_LEN);
	return RTC_CONN_OK;
}

const RtcReply *
rtc_owners_of(RtcConn *conn, const RtcPosition *pos)
{
	RtcArgs		args = {0};
	RtcReply   *reply;

	rtc_args_begin(&args, "HMGET");
	rtc_args_text(&args, RTC_OWNERS_KEY);
	for (int i = 0; i < pos->nprefixes; i++)
		rtc_args_text(&args, pos->prefix[i]);
	rtc_conn_append(conn, &args);
	reply = rtc_conn_ask(conn, rtc_command_timeout, NULL);
	if (reply == NULL)
		return NULL;
	if (!rtc_reply_is_array(reply, pos->nprefixes))
	{
		rtc_conn_fail(conn, "unexpected reply to HMGET");
		return NULL;
	}
	return reply->elems;
}

RtcPrefixResult
rtc_owner_check(RtcConn *conn, const char *prefix, char *error, size_t error_size)
{
	RtcReply   *reply;
	char		key[128];
	char		other[SYSID_LEN];
	int64		seen_ms;

	/* two may look at the same time: the EXEC of the second one fails */
	rtc_conn_append_strings(conn, "WATCH", RTC_OWNERS_KEY, NULL);
	if (rtc_conn_ask(conn, rtc_command_timeout, NULL) == NULL ||
		find_owner(conn, prefix, other) != RTC_CONN_OK)
		return RTC_PREFIX_FAILED;
	if (other[0] == '\0' || strcmp(other, rtc_system_name()) == 0)
		return RTC_PREFIX_OK;

	snprintf(key, sizeof(key), RTC_POSITION_KEY "%s", other);
	rtc_conn_append_strings(conn, "HGET", key, RTC_POS_SEEN, NULL);
	reply = rtc_conn_ask(conn, rtc_command_timeout, NULL);
	if (reply == NULL)
		return RTC_PREFIX_FAILED;
	seen_ms = reply->type == RTC_REPLY_STRING
		? strtoi64(reply->str, NULL, 10) : 0;
	if (rtc_unix_ms() - seen_ms >= RTC_OWNER_SILENCE)
		return RTC_PREFIX_OK;
	snprintf(error, error_size,
			 "key prefix \"%s\" belongs to database system %s",
			 prefix, other);
	return RTC_PREFIX_REFUSED;
}
