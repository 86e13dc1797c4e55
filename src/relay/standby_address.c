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

struct RtcStandbyAddress
{
	RtcConn    *conn;
	uint32		url;			/* to which it was opened */
	int64		tried_ms;		/* when the last attempt began */
	char		said[RTC_ERROR_LEN];	/* the failure that the log knows of */
};

static void note_failure(RtcStandbyAddress *standby);

RtcStandbyAddress *
rtc_standby_address_create(void)
{
	RtcStandbyAddress *standby = palloc0(sizeof(RtcStandbyAddress));

	standby->conn = rtc_conn_create("rtcache-relay");
	return standby;
}

void
rtc_standby_address_keep(RtcStandbyAddress *standby)
{
	if (standby->url == rtc_redis_url_hash() && rtc_conn_check(standby->conn))
		return;

	rtc_standby_address_end(standby);
	if (standby->url != rtc_redis_url_hash())
		standby->tried_ms = 0;	/* another one may answer at once */
	standby->url = rtc_redis_url_hash();
	if (!RtcRedisConfigured() ||
		!rtc_clock_is_due(&standby->tried_ms, RETRY_MS))
		return;
	if (rtc_session_open(standby->conn, NULL) == RTC_CONN_OK)
		rtc_relay_connected(rtc_conn_peer(standby->conn));
	else
		note_failure(standby);
}

void
rtc_standby_address_end(RtcStandbyAddress *standby)
{
	rtc_relay_lost();
	rtc_conn_close(standby->conn);
}

/*
 * Notes why Redis cannot be reached.
 */
static void
note_failure(RtcStandbyAddress *standby)
{
	const char *error = rtc_conn_error(standby->conn);

	rtc_relay_note_error(error);
	if (strcmp(standby->said, error) == 0)
		return;
	strlcpy(standby->said, error, sizeof(standby->said));
	ereport(LOG,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("rtcache cannot reach Redis from this standby: %s",
					error)));
}
