/*-------------------------------------------------------------------------
 *
 * position.h
 *		Where Redis stands.  See position.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_POSITION_H
#define RTC_POSITION_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "op.h"
#include "redis/conn.h"
#include "relay/progress.h"
#include "wal/seal.h"

/*
 * A server is gone if what it wrote last is so old by the clocks, or if we have
 * watched it being silent for so long (ms).
 */
#define RTC_OWNER_SILENCE	60000
#define RTC_OWNER_WATCHED	30000

#define RTC_OWNER_LEN		17	/* 16 hex digits and NUL */

/* The hash "rtcache:position:<system identifier>" in Redis. */
typedef struct RtcPosition
{
	bool		found;
	TimeLineID	timeline;
	XLogRecPtr	timeline_begin; /* where that timeline left its parent */
	RtcStanding at;				/* what it says about WAL */
	TimeLineID	successor;		/* who is on this one is about to take over; 0
								 * = nobody */
	int64		seen_ms;		/* when it was written, Unix time */
	char		owner[RTC_OWNER_LEN];	/* the data directory that wrote it */
	uint64		epoch;			/* the relay's connection that did; random */
	char		held_by[RTC_OWNER_LEN]; /* whose it was in Redis when it was
										 * read or stored last; "" = nobody's */
	char		key_id[RTC_KEY_ID_LEN]; /* the seal of the messages */
	int			nprefixes;
	char		(*prefix)[RTC_MAX_PREFIX_LEN];
	Oid		   *prefix_dboid;
	bool	   *prefix_closed;	/* readers have to stay away (closed.c) */
} RtcPosition;

/* What the relay remembers of positions from one connection to the next. */
typedef struct RtcPositionMemory
{
	bool		too_large;		/* the last one was too large to be read */
	char		owner[RTC_OWNER_LEN];	/* who wrote the one that is watched, */
	int64		seen_ms;		/* when, as it says, */
	int64		since_ms;		/* and since when we see that; monotonic */
} RtcPositionMemory;

/*
 * Reads the position and watches it (WATCH), so that the next EXEC fails if
 * anybody else touches it.  Allocates in the current context.
 *
 * What we never write (no hash, too many fields, too large) is deleted and logged;
 * then there is no position.  A reply that is too large costs the connection; the
 * next call deletes the key.
 */
extern RtcConnResult rtc_position_load(RtcConn *conn,
									   RtcPositionMemory *memory,
									   RtcPosition *pos);

/*
 * If it is that of a server on an older timeline, tells that one to stop, and
 * reads it again.  Else the other would write between our WATCH and our EXEC, as
 * long as it has anything to write.
 */
extern RtcConnResult rtc_position_succeed(RtcConn *conn,
										  RtcPositionMemory *memory,
										  RtcPosition *pos);

/*
 * Makes the position ours, in memory, and begins a new epoch, in shared memory,
 * too.  Lookups must be kept away.  Raises if there are no random numbers.
 */
extern void rtc_position_claim(RtcPosition *pos);

/* Names this data directory in the position. */
extern const char *rtc_position_owner(void);

/*
 * Is the server that wrote the position alive?  To be asked again and again:
 * clocks differ, so one that is silent while we watch it is gone, too.
 */
extern bool rtc_position_is_alive(RtcPositionMemory *memory,
								  const RtcPosition *pos);

/*
 * By our history: where the timeline of the position left its parent, and how far
 * we follow it; *end is invalid if not at all.
 */
extern void rtc_position_history(const RtcPosition *pos, XLogRecPtr *begin,
								 XLogRecPtr *end);

/* Appends the command that stores the position; for use inside MULTI. */
extern void rtc_position_append(RtcConn *conn, const RtcPosition *pos);

/*
 * Likewise: enters a prefix of a database, or takes it out.  closed: readers have
 * to stay away from it.
 */
extern void rtc_position_append_prefix(RtcConn *conn, const char *prefix,
									   Oid dboid, bool closed);
extern void rtc_position_append_drop(RtcConn *conn, const char *prefix);

/* What became of a transaction in Redis. */
typedef enum RtcExecResult
{
	RTC_EXEC_DONE,				/* every reply was checked */
	RTC_EXEC_FAILED,			/* not done, or nobody knows; the connection
								 * is closed */
	RTC_EXEC_FULL,				/* not done: Redis has no memory for it */
	RTC_EXEC_LOST				/* not done: somebody else changed the
								 * position; the connection is closed */
} RtcExecResult;

/*
 * Ends a transaction on the watched position, sends it, and watches the position
 * again.  held_by, owner: whose it is in Redis before, and behind.
 */
extern RtcExecResult rtc_position_exec(RtcConn *conn, int timeout_ms,
									   const char *held_by,
									   const char *owner);

/* Milliseconds of Unix time, for seen_ms. */
extern int64 rtc_unix_ms(void);

#endif							/* RTC_POSITION_H */
