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

#include "relay/batch.h"

/* How many ops a batch may have now. */
extern int	rtc_suspect_limit(void);

/*
 * A batch that is not empty was not applied, over a connection on which the
 * position had been stored.  All of it was committed up to lsn.  error: what
 * Redis said.
 */
extern void rtc_suspect_failed(RtcBatch *batch, XLogRecPtr lsn,
							   const char *error);

/* It was applied, empty or not; all commits up to verified are. */
extern void rtc_suspect_applied(RtcBatch *batch, XLogRecPtr verified);

/* Has Redis refused this SET, of a commit that ends at lsn?  Then it is a DEL. */
extern bool rtc_suspect_is_refused(Oid dboid, const RtcOp *op, XLogRecPtr lsn);

/*
 * A failure has taught something, so that it is not the same that is tried next;
 * the second function asks for that, and forgets it.
 */
extern void rtc_suspect_learned(void);
extern bool rtc_suspect_has_learned(void);

/* Has what failed last not been applied yet? */
extern bool rtc_suspect_is_searching(void);

#endif							/* RTC_SUSPECT_H */
