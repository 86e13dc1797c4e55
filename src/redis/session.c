/*-------------------------------------------------------------------------
 *
 * session.c
 *		Opens connections to Redis as the settings say.
 *
 * What the relay and the backends have in common when they connect: the URL and
 * the password.
 *
 * Model: any process with a connection object of its own.  Failures are
 * results with a text in the connection; cancel and termination raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "guc.h"
#include "redis/conn.h"
#include "redis/connect.h"
#include "redis/password.h"
#include "redis/session.h"
#include "redis/url.h"

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
	RtcUrlError problem;
	char		password[RTC_MAX_PASSWORD_LEN];
	char		error[256];
	RtcPasswordResult found;
	RtcConnResult result = RTC_CONN_FAILED;

	if (!RtcRedisConfigured())
	{
		rtc_conn_fail(conn, "rtcache.redis_url is not set");
		return RTC_CONN_FAILED;
	}
	problem = rtc_redis_url_parse(rtc_redis_url, &url);
	if (problem != RTC_URL_OK)
	{
		rtc_conn_fail(conn, "could not use \"rtcache.redis_url\": %s",
					  rtc_redis_url_detail(problem));
		return RTC_CONN_FAILED;
	}
	rtc_conn_target(conn, &url);

	found = rtc_password_read(password, error, sizeof(error));
	if (found == RTC_PASSWORD_BAD)
		rtc_conn_fail(conn, "%s", error);
	else
		result = rtc_conn_open(conn, &url, address,
							   found == RTC_PASSWORD_READ ? password : NULL,
							   rtc_connect_timeout);

	explicit_bzero(password, sizeof(password));
	return result;
}
