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
#include "nodes/pg_list.h"

#include "op.h"
#include "redis/conn.h"
#include "wal/reader.h"
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
	XLogRecPtr	lsn;			/* every commit up to here was sent, since the
								 * relay has connected */
	XLogRecPtr	commit_lsn;		/* newest commit of which Redis may have
								 * anything: the first batches of a large one
								 * are sent before lsn moves */
	XLogRecPtr	verified_lsn;	/* and up to here every reply was checked */
	XLogRecPtr	restart_lsn;	/* reading from here finds all behind
								 * verified_lsn */
	RtcWalMark	mark;			/* the record that ends at the newest of
								 * these, or before it */
	uint64		horizon;		/* a clear is not over until all older
								 * transactions are; full xid, 0 = none */
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

typedef enum RtcDecision
{
	RTC_DECIDE_RESUME,			/* read on from restart_lsn */
	RTC_DECIDE_CLEAR,			/* what Redis holds cannot be repaired */
	RTC_DECIDE_FENCED			/* somebody else owns it: hands off */
} RtcDecision;

/*
 * Reads the position and watches it (WATCH), so that the next EXEC fails if
 * anybody else touches it.  Allocates in the current context.
 *
 * If there is something under its name that we never write (no hash, too many
 * fields, too large), that is deleted and logged, and there is no position.  A
 * reply that is too large costs the connection; the next call deletes it.
 */
extern RtcConnResult rtc_position_load(RtcConn *conn, RtcPosition *pos);

/*
 * If it is that of a server on an older timeline, tells that one to stop, and
 * reads it again: else the other would write between our WATCH and our EXEC,
 * time and again, as long as it has anything to write.
 */
extern RtcConnResult rtc_position_succeed(RtcConn *conn, RtcPosition *pos);

/*
 * Fills in what says that the position is ours, now, and begins a new epoch,
 * in shared memory, too.  Lookups must be kept away.  Raises if there are no
 * random numbers.
 */
extern void rtc_position_claim(RtcPosition *pos);

/* Names this data directory in the position. */
extern const char *rtc_position_owner(void);

/*
 * Decides what to do with a Redis at this position.  cleared: the deletions of a
 * clear that is not over were done by this relay.  The reason, a clause for the
 * log, goes to reason.
 */
extern RtcDecision rtc_position_decide(const RtcPosition *pos, bool cleared,
									   char *reason, size_t size);

/* Appends the command that stores the position; for use inside MULTI. */
extern void rtc_position_append(RtcConn *conn, const RtcPosition *pos);

/*
 * Appends what watches the position for the next EXEC and asks, in the same
 * breath, whose it is now: between the last EXEC and the WATCH somebody else
 * may have taken it.  The second function judges the reply.
 */
extern void rtc_position_append_watch(RtcConn *conn);
extern bool rtc_position_is(const RtcReply *reply, const char *owner);

/* Where a timeline left its parent, by a history; 0/0 for the first one. */
extern XLogRecPtr rtc_timeline_begin(TimeLineID tli, List *history);

/* Milliseconds of Unix time, for seen_ms. */
extern int64 rtc_unix_ms(void);

#endif							/* RTC_POSITION_H */
