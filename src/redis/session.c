/*-------------------------------------------------------------------------
 *
 * session.c
 *		Opens connections to Redis as the settings say.
 *
 * What the relay and the backends have in common when they connect: the URL,
 * the password, and the name under which this server keeps its position.
 *
 * Model: any process with a connection object of its own.  Failures are
 * results with a text in the connection; cancel and termination raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"

#include "guc.h"
#include "redis/conn.h"
#include "redis/password.h"
#include "redis/session.h"
#include "redis/url.h"

const char *
rtc_position_key(void)
{
	static char name[64] = "";

	if (name[0] == '\0')
		snprintf(name, sizeof(name), "rtcache:position:" UINT64_FORMAT,
				 GetSystemIdentifier());
	return name;
}

void
rtc_epoch_text(uint64 epoch, char text[RTC_EPOCH_LEN])
{
	snprintf(text, RTC_EPOCH_LEN, "%016llx", (unsigned long long) epoch);
}

uint32
rtc_redis_url_hash(void)
{
	const char *url = rtc_redis_url == NULL ? "" : rtc_redis_url;

	return hash_bytes((const unsigned char *) url, (int) strlen(url));
}

RtcConnResult
rtc_session_open(RtcConn *conn, const char *address)
{
	RtcRedisUrl url;
	const char *detail;
	char		password[RTC_MAX_PASSWORD_LEN];
	char		error[256];
	RtcConnResult result = RTC_CONN_FAILED;

	if (!RtcRedisConfigured())
	{
		rtc_conn_fail(conn, "rtcache.redis_url is not set");
		return RTC_CONN_FAILED;
	}
	if (!rtc_redis_url_parse(rtc_redis_url, &url, &detail))
	{
		rtc_conn_fail(conn, "could not use \"rtcache.redis_url\": %s", detail);
		return RTC_CONN_FAILED;
	}
	rtc_conn_target(conn, &url);

	switch (rtc_password_read(password, error, sizeof(error)))
	{
		case RTC_PASSWORD_NONE:
			result = rtc_conn_open(conn, &url, address, NULL,
								   rtc_connect_timeout);
			break;
		case RTC_PASSWORD_READ:
			result = rtc_conn_open(conn, &url, address, password,
								   rtc_connect_timeout);
			break;
		case RTC_PASSWORD_BAD:
			rtc_conn_fail(conn, "%s", error);
			break;
	}

	explicit_bzero(password, sizeof(password));
	return result;
}
