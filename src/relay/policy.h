/*-------------------------------------------------------------------------
 *
 * policy.h
 *		Which keys Redis may evict.  See policy.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_POLICY_H
#define RTC_POLICY_H

#include "postgres.h"

#include "redis/conn.h"

/* Finds out the maxmemory-policy of Redis and tells the world. */
extern RtcConnResult rtc_policy_ask(RtcConn *conn);

/* Is this a policy that never evicts tag sets and positions? */
extern bool rtc_policy_is_good(const char *policy);

#endif							/* RTC_POLICY_H */
