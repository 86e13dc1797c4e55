/*-------------------------------------------------------------------------
 *
 * session.h
 *		Connections to Redis as the settings say.  See session.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SESSION_H
#define RTC_SESSION_H

#include "postgres.h"

#include "redis/conn.h"

/*
 * Identifies rtcache.redis_url as this process sees it.  The relay publishes
 * it in RtcRelayInfo.url_hash for the URL it is connected to; a backend that
 * sees another URL does not connect.
 */
extern uint32 rtc_redis_url_hash(void);

/*
 * Connects with the current settings; LOG/WARNING is left to the caller.
 * "address" is as for rtc_conn_open().
 */
extern RtcConnResult rtc_session_open(RtcConn *conn, const char *address);

#endif							/* RTC_SESSION_H */
