/*-------------------------------------------------------------------------
 *
 * policy.c
 *		Which keys Redis may evict when it is full: its maxmemory-policy.
 *
 * Under "allkeys-..." it may evict tag sets, which have no time to live.  A
 * lookup in SQL finds that out; other clients go on to read values that nobody
 * will delete any more.  And it may evict the position, so that all is cleared.
 *
 * Model: the relay asks, any backend may read what it noted.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "guc.h"
#include "relay/policy.h"
#include "relay/status.h"

#define FIELD		"maxmemory_policy:"

/*
 * INFO is allowed where CONFIG often is not; if it is not either, nothing is
 * known.
 */
RtcConnResult
rtc_policy_ask(RtcConn *conn)
{
	RtcReply   *replies;
	int			nreplies;
	char		policy[RTC_POLICY_LEN] = "";
	const char *p;
	int			n = 0;

	rtc_conn_append_strings(conn, "INFO", "memory", NULL);
	if (rtc_conn_exchange(conn, rtc_command_timeout, &replies,
						  &nreplies) != RTC_CONN_OK)
		return RTC_CONN_FAILED;
	if (replies[0].type == RTC_REPLY_STRING &&
		(p = strstr(replies[0].str, FIELD)) != NULL)
	{
		/* it is shown to people: letters and hyphens only */
		for (p += strlen(FIELD);
			 n < sizeof(policy) - 1 && ((*p >= 'a' && *p <= 'z') || *p == '-');
			 p++)
			policy[n++] = *p;
		policy[n] = '\0';
	}
	if (rtc_relay_note_policy(policy) && !rtc_policy_is_good(policy))
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("Redis may evict keys that rtcache needs: its \"maxmemory-policy\" is %s",
						policy),
				 errdetail("Clients other than this server could find outdated values, and the cache may be cleared."),
				 errhint("Use a \"maxmemory-policy\" of volatile-* or noeviction.")));
	return RTC_CONN_OK;
}

bool
rtc_policy_is_good(const char *policy)
{
	return strncmp(policy, "allkeys-", 8) != 0;
}
