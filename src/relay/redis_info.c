/*-------------------------------------------------------------------------
 *
 * redis_info.c
 *		What Redis tells about itself: INFO.
 *
 * Under a maxmemory-policy of "allkeys-..." Redis may evict tag sets, which
 * have no time to live.  A lookup in SQL finds that out; other clients go on to
 * read values that nobody deletes any more.  And it may evict the position, so
 * that all is cleared.
 *
 * INFO is often allowed where CONFIG is not.  Without it nothing is known.
 *
 * Model: the relay, on its connection, but for rtc_redis_policy_is_good().
 * Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "guc.h"
#include "relay/redis_info.h"
#include "relay/status.h"

/*
 * Asks for a section of INFO.  *text is NULL if Redis does not tell it; false =
 * the connection is closed.
 */
static bool
ask(RtcConn *conn, const char *section, const char **text)
{
	RtcReply   *replies;

	rtc_conn_append_strings(conn, "INFO", section, NULL);
	replies = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	if (replies == NULL)
		return false;
	*text = replies[0].type == RTC_REPLY_STRING ? replies[0].str : NULL;
	return true;
}

/*
 * Takes the value of a field, letters, digits and hyphens only, since people may
 * see it.  "" = it is not there.
 */
static void
take(const char *text, const char *field, char *value, size_t size)
{
	const char *p = text == NULL ? NULL : strstr(text, field);
	size_t		n = 0;

	if (p != NULL)
		for (p += strlen(field);
			 n < size - 1 && (isalnum((unsigned char) *p) || *p == '-'); p++)
			value[n++] = *p;
	value[n] = '\0';
}

bool
rtc_redis_id(RtcConn *conn, char id[RTC_REDIS_ID_LEN])
{
	char		process[RTC_REDIS_ID_LEN / 2];
	char		data[RTC_REDIS_ID_LEN / 2];
	const char *text;

	id[0] = '\0';
	if (!ask(conn, "server", &text))
		return false;
	take(text, "\nrun_id:", process, sizeof(process));
	if (!ask(conn, "replication", &text))
		return false;
	take(text, "\nmaster_replid:", data, sizeof(data));
	if (process[0] != '\0' && data[0] != '\0')
		snprintf(id, RTC_REDIS_ID_LEN, "%s/%s", process, data);
	return true;
}

uint64
rtc_redis_keys(RtcConn *conn)
{
	const char *text;
	uint64		n = 0;

	if (!ask(conn, "keyspace", &text) || text == NULL)
		return 0;
	while ((text = strstr(text, ":keys=")) != NULL)
	{
		text += strlen(":keys=");
		n += strtou64(text, NULL, 10);
	}
	return n;
}

RtcConnResult
rtc_redis_ask_evicted(RtcConn *conn, uint64 *evicted)
{
	const char *text;
	char		number[24];

	if (!ask(conn, "stats", &text))
		return RTC_CONN_FAILED;
	take(text, "\nevicted_keys:", number, sizeof(number));
	*evicted = strtou64(number, NULL, 10);
	return RTC_CONN_OK;
}

RtcConnResult
rtc_redis_ask_policy(RtcConn *conn)
{
	const char *text;
	char		policy[RTC_POLICY_LEN];

	if (!ask(conn, "memory", &text))
		return RTC_CONN_FAILED;
	take(text, "\nmaxmemory_policy:", policy, sizeof(policy));
	if (rtc_relay_note_policy(policy) && !rtc_redis_policy_is_good(policy))
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("Redis may evict keys that rtcache needs: its \"maxmemory-policy\" is %s",
						policy),
				 errdetail("Clients other than this server could find outdated values, and the cache may be cleared."),
				 errhint("Use a \"maxmemory-policy\" of volatile-* or noeviction.")));
	return RTC_CONN_OK;
}

bool
rtc_redis_policy_is_good(const char *policy)
{
	return strncmp(policy, "allkeys-", 8) != 0;
}
