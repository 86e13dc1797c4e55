/*-------------------------------------------------------------------------
 *
 * prefix.h
 *		Which database owns which key prefix in Redis: the relay's side.
 *		See prefix.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PREFIX_H
#define RTC_PREFIX_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "position.h"
#include "redis_conn.h"
#include "rtcache.h"

typedef enum RtcPrefixResult
{
	RTC_PREFIX_OK,
	RTC_PREFIX_FAILED,			/* Redis failed; the connection is closed */
	RTC_PREFIX_REFUSED,			/* another server's; see the error text */
	RTC_PREFIX_FULL,			/* Redis is out of memory */
	RTC_PREFIX_SKIP				/* this database can have none, and does
								 * without Redis */
} RtcPrefixResult;

/*
 * After a (re)connect: takes over what the position in Redis says, and asks
 * for the rest to be registered again.  all = nothing in Redis counts.
 */
extern void rtc_prefix_adopt(const RtcPosition *pos, bool all);

/*
 * Prefix in force for a database, as a message written at lsn names it.
 * False = rtc_prefix_register() has to be called first.
 */
extern bool rtc_prefix_find(Oid dboid, const char *dbname, XLogRecPtr lsn,
							char prefix[RTC_MAX_PREFIX_LEN]);

/* Is it known that this database can have no prefix? */
extern bool rtc_prefix_is_unusable(Oid dboid, const char *dbname);

/* Next database that wants its prefix registered; false = none. */
extern bool rtc_prefix_requested(Oid *dboid, char dbname[NAMEDATALEN],
								 XLogRecPtr *named_at);

/*
 * Registers the prefix of a database: clears it, enters it in the position
 * and makes it known to the backends.  The caller has closed L2.  Leaves the
 * position watched.
 */
extern RtcPrefixResult rtc_prefix_register(RtcConn *conn, Oid dboid,
										   const char *dbname,
										   XLogRecPtr named_at,
										   char *error, size_t error_size);

/*
 * Takes the prefixes that belong to another database system now out of a
 * position that was loaded, and out of shared memory.
 */
extern RtcConnResult rtc_prefix_forget_lost(RtcConn *conn, RtcPosition *pos);

/* Deletes every key that the position or shared memory says is ours. */
extern RtcConnResult rtc_prefix_clear_all(RtcConn *conn,
										  const RtcPosition *pos,
										  uint64 *deleted);

/* Is this a prefix of a database of ours, ready for use? */
extern bool rtc_prefix_is_ours(const char *prefix, size_t len);

/* The key_prefix setting changed: all prefixes have to be registered anew. */
extern void rtc_prefix_template_changed(void);

#endif							/* RTC_PREFIX_H */
