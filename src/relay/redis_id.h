/*-------------------------------------------------------------------------
 *
 * redis_id.h
 *		Which Redis is it, and how much does it hold?  See redis_id.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REDIS_ID_H
#define RTC_REDIS_ID_H

#include "postgres.h"

#include "redis/conn.h"

/* Room for run id and replication id, 40 letters each. */
#define RTC_REDIS_ID_LEN	96

/*
 * Names the process of Redis and its data.  "" = that is not to be told; false =
 * the connection is closed.
 */
extern bool rtc_redis_id(RtcConn *conn, char id[RTC_REDIS_ID_LEN]);

/*
 * How many keys Redis holds, all its databases together; 0 = it does not tell.
 */
extern uint64 rtc_redis_keys(RtcConn *conn);

#endif							/* RTC_REDIS_ID_H */
