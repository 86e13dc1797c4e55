/*-------------------------------------------------------------------------
 *
 * progress.h
 *		How far the relay is: the LSN ladder.  See progress.c.
 *
 * All LSNs of the way to Redis, the lowest first.  The places: (R) is a field
 * of the position in Redis, and survives a crash of the server; (P) is in
 * RtcProgress, and is made anew from the position by each connect; (S) is in
 * shared memory, and survives a crash of the relay, not one of the server.
 *
 *	restart   RP  WAL read from here has all commits behind "stored".
 *				  Moved with "stored".  The replication slot keeps WAL for it.
 *	stored	  RP  All commits up to here are in Redis, and each reply was
 *				  good: "verified_lsn" in Redis.  Moved by each EXEC.
 *				  Lookups on a standby wait for it.
 *	lsn		  RS  The same, replies unread: the next relay goes back from
 *				  here to "verified_lsn".  After the reply it equals "stored"
 *				  ("stored_lsn" in shared memory).  Lookups compare it with
 *				  their stamps, and may ask for more ("asked").
 *	done	  P   All commits up to here are in Redis or in the batch.  Moved
 *				  by each commit.  What is read again up to here is skipped.
 *	commit	  RP  The newest commit of which Redis may have anything, if only
 *				  a part.  Moved before the first op of a commit is sent, thus
 *				  beyond "done" while a commit is at work.  A database that
 *				  has lost it clears Redis; a standby that has not replayed
 *				  it does not use Redis.
 *	mark	  RP  The record of WAL that ends at "commit" or "done", by its
 *				  CRC.  A data directory that was put back has another one.
 *	applied   PS  No commit up to here is left to be applied.  Moved by each
 *				  batch, and with the end of WAL when there is none.  Commits
 *				  and lookups wait for it.  The shared one never goes back.
 *	read	   S  The reader is here.  Shown to people only.
 *	target	  P   Lookups use Redis when "applied" gets here.  Moved to the end
 *				  of WAL by a connect, by the end of the transactions from
 *				  before a clear, and when the gate opens.
 *	floor	   S  The target that was reached last.  Lookups believe no Redis
 *				  whose "lsn" is below.
 *	flushed		  The end of the WAL on disk; nothing above is applied.
 *
 * Requests, each the newest of its kind, wherever they stand: "wake" (S, a
 * commit that Redis is to know of: the relay polls for its flush), "wait" (S,
 * a commit that a session waits for), "asked" (S, a lookup waits until the
 * position has got there), and "omitted" (S, ops may be missing in WAL since
 * then: lookups believe no Redis that is behind it).
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PROGRESS_H
#define RTC_PROGRESS_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "wal/reader.h"

/* What a position in Redis says about WAL; see the ladder above. */
typedef struct RtcStanding
{
	XLogRecPtr	lsn;
	XLogRecPtr	verified_lsn;
	XLogRecPtr	restart_lsn;
	XLogRecPtr	commit_lsn;
	RtcWalMark	mark;			/* lsn invalid = none */
	uint64		horizon;		/* a clear is not over until all transactions
								 * older than this full xid are; 0 = none */
} RtcStanding;

/* How far the relay is, since it connected.  Owner: the relay's stream. */
typedef struct RtcProgress
{
	XLogRecPtr	restart;
	XLogRecPtr	stored;
	XLogRecPtr	done;
	XLogRecPtr	commit;
	RtcWalMark	mark;
	XLogRecPtr	applied;		/* invalid = nothing yet */
	XLogRecPtr	target;
	uint64		horizon;		/* as in RtcStanding */
	bool		horizon_passed; /* those transactions are over, and what they
								 * wrote lies below target */
	bool		told;			/* "stored" is what Redis has in verified_lsn */
} RtcProgress;

/* Begins where a position says that Redis stands; WAL ends at "end". */
extern void rtc_progress_resume(RtcProgress *p, const RtcStanding *at,
								XLogRecPtr end);

/*
 * A clear begins: it is over when all transactions older than this full xid
 * are.  Then, all is deleted: begins at the LSN at which the clear began.
 */
extern void rtc_progress_clear(RtcProgress *p, uint64 horizon);
extern void rtc_progress_cleared(RtcProgress *p, XLogRecPtr start);

/* Is a commit, or another event, that ends here not done yet? */
extern bool rtc_progress_is_new(const RtcProgress *p, XLogRecPtr lsn);

/* A commit that ends here is about to be sent, maybe in parts. */
extern void rtc_progress_begin(RtcProgress *p, XLogRecPtr lsn);

/* Everything up to here is in the batch, or nothing to be done about. */
extern void rtc_progress_done(RtcProgress *p, XLogRecPtr lsn);

/*
 * Notes the record that ends where the position is about to move.  After a
 * resume the mark stays until reading has got beyond it.
 */
extern void rtc_progress_mark(RtcProgress *p, const RtcWalMark *mark);

/* Is there anything done that is not stored? */
extern bool rtc_progress_is_ahead(const RtcProgress *p);

/*
 * Fills in what the next EXEC says.  has_ops: there is more in it than the
 * position, so its replies have to be read before they count.  restart: where
 * the reader would have to begin again.
 */
extern void rtc_progress_tell(const RtcProgress *p, bool has_ops,
							  XLogRecPtr restart, RtcStanding *at);

/* The EXEC that said this has succeeded, and each reply was good. */
extern void rtc_progress_stored(RtcProgress *p, const RtcStanding *at,
								XLogRecPtr restart);

/* No commit up to here is left to be applied. */
extern void rtc_progress_applied(RtcProgress *p, XLogRecPtr lsn);

/* Lookups have to wait until all up to here is applied. */
extern void rtc_progress_aim(RtcProgress *p, XLogRecPtr end);

/*
 * The transactions from before a clear are over; WAL ends at "end".  Then: is
 * the clear over, since all that they wrote is applied?  And: it is.
 */
extern void rtc_progress_pass_horizon(RtcProgress *p, XLogRecPtr end);
extern bool rtc_progress_is_drained(const RtcProgress *p);
extern void rtc_progress_drained(RtcProgress *p);

/* Has all been applied that lookups wait for, and is no clear under way? */
extern bool rtc_progress_is_caught_up(const RtcProgress *p);

/* What Redis is to have from then on; the reader is at "read". */
extern XLogRecPtr rtc_progress_floor(const RtcProgress *p, XLogRecPtr read);

/* Would it tell anybody more if the position was stored once more? */
extern bool rtc_progress_is_untold(const RtcProgress *p);

/* Would it help a lookup that waits for the position to get here? */
extern bool rtc_progress_can_tell(const RtcProgress *p, XLogRecPtr asked);

#endif							/* RTC_PROGRESS_H */
