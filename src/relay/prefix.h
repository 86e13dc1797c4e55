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

#include "op.h"
#include "redis/conn.h"
#include "redis/prefix_table.h"
#include "relay/position.h"
#include "relay/scan.h"

/*
 * After a (re)connect: takes over what the position in Redis says, and asks
 * for the rest to be registered again.  all = nothing in Redis counts.  same:
 * it is as we left it, and so are jobs.
 */
extern void rtc_prefix_adopt(const RtcPosition *pos, bool all, bool same);

/*
 * Prefix in force for a database, as a message written at lsn names it.
 * False = it has to be registered first.
 */
extern bool rtc_prefix_find(Oid dboid, const char *dbname, XLogRecPtr lsn,
							char prefix[RTC_MAX_PREFIX_LEN]);

/* The name of a database for people, or its oid. */
extern void rtc_prefix_database_name(Oid dboid, char name[NAMEDATALEN]);

/* Copies the next database that wants its prefix registered; false = none. */
extern bool rtc_prefix_requested(RtcPrefix *requested);

/* A database that is being registered. */
typedef struct RtcRegistration
{
	Oid			dboid;
	char		dbname[NAMEDATALEN];
	char		prefix[RTC_MAX_PREFIX_LEN]; /* to be cleared; "" = it can have
											 * none */
	char		old[RTC_MAX_PREFIX_LEN];	/* one from before, to be cleared
											 * and dropped; "" = none */
} RtcRegistration;

/*
 * Registers the prefix of a database, in two steps.  From the first one on no
 * lookup uses it.  Between them the caller deletes what has the prefix, or the
 * old one.  The second one enters it in the position and opens it for lookups.
 * Both leave the position watched.  If the result is SKIPPED or FENCED, or there is
 * no prefix, error tells why; for the second step it is as the first one left it.
 */
extern RtcJobResult rtc_prefix_begin(RtcConn *conn, Oid dboid,
									 const char *dbname,
									 XLogRecPtr named_at,
									 RtcRegistration *reg,
									 char error[RTC_ERROR_LEN]);
extern RtcJobResult rtc_prefix_finish(RtcConn *conn,
									  const RtcRegistration *reg,
									  uint64 deleted,
									  char error[RTC_ERROR_LEN]);

/*
 * It takes long to delete: ops go to the prefix from here on, but readers stay
 * away, as the position says.  lsn: all to be deleted was committed before it.
 */
extern RtcJobResult rtc_prefix_apply_early(RtcConn *conn,
										   const RtcRegistration *reg,
										   XLogRecPtr lsn);

/* Opens a database again that was closed while a job has deleted something. */
extern RtcJobResult rtc_prefix_reopen(RtcConn *conn, Oid dboid);

/*
 * Takes prefixes that belong to another database system now out of a position
 * that was loaded, and out of shared memory.
 */
extern RtcConnResult rtc_prefix_forget_lost(RtcConn *conn, RtcPosition *pos);

/* Is this a prefix of a database of ours, ready for use? */
extern bool rtc_prefix_is_ours(const char *prefix, size_t len);

/*
 * Databases in this state have to be registered again, unless the position in
 * Redis says that they are open; RTC_PREFIX_FREE = all databases.
 */
extern void rtc_prefix_register_again(RtcPrefixState state);

#endif							/* RTC_PREFIX_H */
