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

typedef struct RtcSuspect RtcSuspect;

/* Makes one in the current memory context. */
extern RtcSuspect *rtc_suspect_create(void);

/* How many ops a batch may have now. */
extern int	rtc_suspect_limit(const RtcSuspect *suspect);

/*
 * A batch that is not empty was not applied, over a connection on which the
 * position had been stored.  error: what Redis said.
 */
extern void rtc_suspect_failed(RtcSuspect *suspect, RtcBatch *batch,
							   const char *error);

/* It was applied, empty or not; all commits up to "stored" are. */
extern void rtc_suspect_applied(RtcSuspect *suspect, RtcBatch *batch,
								XLogRecPtr stored);

/* Has Redis refused this SET, of a commit that ends at lsn?  Then it is a DEL. */
extern bool rtc_suspect_is_refused(const RtcSuspect *suspect, Oid dboid,
								   const RtcOp *op, XLogRecPtr lsn);

/*
 * A failure has taught something, so that it is not the same that is tried next;
 * the second function asks for that, and forgets it.
 */
extern void rtc_suspect_learned(RtcSuspect *suspect);
extern bool rtc_suspect_has_learned(RtcSuspect *suspect);

/* Has what failed last not been applied yet? */
extern bool rtc_suspect_is_searching(const RtcSuspect *suspect);

#endif							/* RTC_SUSPECT_H */
