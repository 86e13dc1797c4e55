/*-------------------------------------------------------------------------
 *
 * suspect.h
 *		Finds the op that Redis refuses.  See suspect.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SUSPECT_H
#define RTC_SUSPECT_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "relay/batch.h"

/* What the relay remembers of refusals; others look at searching and learned. */
typedef struct RtcSuspect
{
	MemoryContext context;		/* holds all of it */
	List	   *refused;		/* of Refused */
	Oid			refused_dboid;	/* the database of the last one */
	int			refused_in_row; /* and none of its SETs went well since */

	int			limit;			/* ops in a batch; 0 = no other than usual */
	XLogRecPtr	until;			/* at least up to here */
	int			good;			/* batches that went well since then */
	bool		searching;		/* that has not been reached */
	bool		learned;		/* by a failure: it is not the same that is
								 * tried next */

	/* the op that failed alone */
	StringInfoData key;			/* its full name; empty = none has */
	bool		is_set;
	int			tries;			/* it has failed so often */
} RtcSuspect;

/* Makes one in the current memory context. */
extern RtcSuspect *rtc_suspect_create(void);

/* How many ops a batch may have now. */
extern int	rtc_suspect_limit(const RtcSuspect *suspect);

/*
 * A batch with ops was not applied, on a connection that had stored the position.
 * error: what Redis said.
 */
extern void rtc_suspect_failed(RtcSuspect *suspect, const RtcBatch *batch,
							   const char *error);

/* It was applied, empty or not; all commits up to "stored" are. */
extern void rtc_suspect_applied(RtcSuspect *suspect, const RtcBatch *batch,
								XLogRecPtr stored);

/* Has Redis refused this SET, of a commit that ends at lsn?  Then it is a DEL. */
extern bool rtc_suspect_is_refused(const RtcSuspect *suspect, Oid dboid,
								   const RtcOp *op, XLogRecPtr lsn);

#endif							/* RTC_SUSPECT_H */
