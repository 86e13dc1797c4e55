/*-------------------------------------------------------------------------
 *
 * standby_address.c
 *		On a hot standby, finds out where Redis is.
 *
 * The name in rtcache.redis_url must be resolved by somebody, and a session must
 * not do it: nothing can cancel the resolver.  On a standby the relay has nothing
 * to apply, but it can look, as it does on a primary: it keeps a connection, and
 * tells sessions the numeric address that answered.  When that connection breaks,
 * Redis may have moved, so the relay resolves the name anew.
 *
 * Model: called by the relay alone, during recovery.  Trouble with Redis is noted,
 * and logged when it is news; termination raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "guc.h"
#include "redis/conn.h"
#include "redis/session.h"
#include "relay/standby_address.h"
#include "relay/status.h"

/* After a failure, Redis is tried again so much later (ms). */
#define RETRY_MS	1000

static RtcConn *conn = NULL;
static uint32 url = 0;			/* to which the connection was opened */
static int64 tried_ms = 0;		/* when the last attempt began */

/*
 * Notes why Redis cannot be reached.
 */
static void
note_failure(void)
{
	static char said[RTC_ERROR_LEN];

	rtc_relay_note_error(rtc_conn_error(conn));
	if (strcmp(said, rtc_conn_error(conn)) == 0)
		return;
	strlcpy(said, rtc_conn_error(conn), sizeof(said));
	ereport(LOG,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("rtcache cannot reach Redis from this standby: %s", said)));
}

void
rtc_standby_address_keep(void)
{
	if (conn == NULL)
		conn = rtc_conn_create("rtcache-relay");
	if (url == rtc_redis_url_hash() && rtc_conn_check(conn))
		return;

	rtc_relay_lost();
	rtc_conn_close(conn);
	if (url != rtc_redis_url_hash())
		tried_ms = 0;			/* another one may answer at once */
	url = rtc_redis_url_hash();
	if (!RtcRedisConfigured() || !rtc_clock_is_due(&tried_ms, RETRY_MS))
		return;
	if (rtc_session_open(conn, NULL) == RTC_CONN_OK)
		rtc_relay_connected(rtc_conn_peer(conn));
	else
		note_failure();
}

void
rtc_standby_address_end(void)
{
	if (conn == NULL)
		return;
	rtc_relay_lost();
	rtc_conn_close(conn);
}
