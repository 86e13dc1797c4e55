/*-------------------------------------------------------------------------
 *
 * redis_info.h
 *		What Redis tells about itself: INFO.  See redis_info.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REDIS_INFO_H
#define RTC_REDIS_INFO_H

#include "postgres.h"

#include "redis/conn.h"

/* Room for run id and replication id, 40 letters each. */
#define RTC_REDIS_ID_LEN	96

/*
 * Names the process of Redis and its data.  "" = Redis does not tell; false =
 * the connection is closed.
 */
extern bool rtc_redis_id(RtcConn *conn, char id[RTC_REDIS_ID_LEN]);

/* How many keys Redis holds, in all its databases; 0 = it does not tell. */
extern uint64 rtc_redis_keys(RtcConn *conn);

/*
 * How many keys this process of Redis has evicted so far; 0 = none, or it does not
 * tell.
 */
extern RtcConnResult rtc_redis_ask_evicted(RtcConn *conn, uint64 *evicted);

/* Notes the maxmemory-policy of Redis (status.h), and warns of a bad one. */
extern RtcConnResult rtc_redis_ask_policy(RtcConn *conn);

/* Is this a policy that never evicts tag sets and positions? */
extern bool rtc_redis_policy_is_good(const char *policy);

#endif							/* RTC_REDIS_INFO_H */
