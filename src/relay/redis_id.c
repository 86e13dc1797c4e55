/*-------------------------------------------------------------------------
 *
 * redis_id.c
 *		Which Redis is it, and how much does it hold?
 *
 * Model: called by the relay, on its connection.  Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "guc.h"
#include "relay/redis_id.h"

bool
rtc_redis_id(RtcConn *conn, char id[RTC_REDIS_ID_LEN])
{
	static const char *const field[] = {"\nrun_id:", "\nmaster_replid:"};
	RtcReply   *replies;
	int			nreplies;
	size_t		n = 0;

	id[0] = '\0';
	rtc_conn_append_strings(conn, "INFO", "server", NULL);
	rtc_conn_append_strings(conn, "INFO", "replication", NULL);
	if (rtc_conn_exchange(conn, rtc_command_timeout, &replies,
						  &nreplies) != RTC_CONN_OK)
		return false;
	for (int i = 0; i < lengthof(field); i++)
	{
		const char *p = replies[i].type == RTC_REPLY_STRING ?
		strstr(replies[i].str, field[i]) : NULL;

		if (p == NULL)
		{
			id[0] = '\0';
			return true;
		}
		for (p += strlen(field[i]);
			 isalnum((unsigned char) *p) && n < RTC_REDIS_ID_LEN - 2; p++)
			id[n++] = *p;
		id[n++] = '/';
		id[n] = '\0';
	}
	return true;
}

uint64
rtc_redis_keys(RtcConn *conn)
{
	RtcReply   *replies;
	int			nreplies;
	uint64		n = 0;
	const char *p;

	rtc_conn_append_strings(conn, "INFO", "keyspace", NULL);
	if (rtc_conn_exchange(conn, rtc_command_timeout, &replies,
						  &nreplies) != RTC_CONN_OK ||
		replies[0].type != RTC_REPLY_STRING)
		return 0;
	for (p = replies[0].str; (p = strstr(p, ":keys=")) != NULL;)
	{
		p += strlen(":keys=");
		n += strtou64(p, NULL, 10);
	}
	return n;
}
