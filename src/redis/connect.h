/*-------------------------------------------------------------------------
 *
 * connect.h
 *		Opens a connection to Redis.  See connect.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CONNECT_H
#define RTC_CONNECT_H

#include "postgres.h"

#include "redis/conn.h"
#include "redis/url.h"

/*
 * Says where the next rtc_conn_open() will lead, and closes the connection.
 * Until that call is over, failures are those of an attempt to connect there.
 */
extern void rtc_conn_target(RtcConn *conn, const RtcRedisUrl *url);

/*
 * Connects, authenticates and selects the database, all within timeout_ms;
 * replaces a connection that is open.
 *
 * "address" is a numeric address that stands for the URL's host; NULL = resolve
 * the host here (this blocks; only the relay does it); "" = use no resolver: the
 * host must then be a numeric address itself.  It is ignored for unix sockets.
 * "password" may be NULL.  Errors sent by Redis (NOAUTH, WRONGPASS, bad database
 * index, LOADING) are failures.  Waiting resets MyLatch.
 */
extern RtcConnResult rtc_conn_open(RtcConn *conn, const RtcRedisUrl *url,
								   const char *address, const char *password,
								   int timeout_ms);

#endif							/* RTC_CONNECT_H */
