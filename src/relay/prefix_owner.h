/*-------------------------------------------------------------------------
 *
 * prefix_owner.h
 *		Which database system uses a prefix.  See prefix_owner.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PREFIX_OWNER_H
#define RTC_PREFIX_OWNER_H

#include "postgres.h"

#include "redis/conn.h"
#include "relay/position.h"
#include "relay/prefix.h"

/*
 * Which database systems have the prefixes of the position?  One reply for each;
 * NULL = failed, and the connection is closed.
 */
extern const RtcReply *rtc_owners_of(RtcConn *conn, const RtcPosition *pos);

/*
 * Makes sure that no other database system uses the prefix, and watches that.
 * REFUSED: *error tells which does.
 */
extern RtcPrefixResult rtc_owner_check(RtcConn *conn, const char *prefix,
									   char *error, size_t error_size);

#endif							/* RTC_PREFIX_OWNER_H */
