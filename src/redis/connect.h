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

/*
 * Connects, authenticates and selects the database, as the settings say, within
 * rtcache.connect_timeout; replaces a connection that is open.  The caller logs.
 *
 * "address" is a numeric address that stands for the URL's host; NULL = resolve
 * the host here (this blocks; only the relay does it); "" = use no resolver: the
 * host must then be a numeric address itself.  It is ignored for unix sockets.
 * Errors sent by Redis (NOAUTH, WRONGPASS, bad database index, LOADING) are
 * failures.  Waiting resets MyLatch.
 */
extern RtcConnResult rtc_conn_open(RtcConn *conn, const char *address);

/*
 * Identifies rtcache.redis_url as this process sees it.  The relay shares that of
 * the URL it is connected to (trust.h); a backend that sees another URL does not
 * connect.
 */
extern uint32 rtc_redis_url_hash(void);

#endif							/* RTC_CONNECT_H */
