/*-------------------------------------------------------------------------
 *
 * lookup_trust.h
 *		On what grounds Redis is believed about a key.  See lookup_trust.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_LOOKUP_TRUST_H
#define RTC_LOOKUP_TRUST_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "dep/stamps.h"
#include "op.h"
#include "read/redis_lookup.h"
#include "stats.h"

/* One key, and on what grounds Redis is believed about it. */
typedef struct RtcTrust
{
	StringInfoData name;		/* with prefix: its name in Redis */
	uint64		l2_generation;	/* while trust was established */
	uint64		prefix_generation;
	XLogRecPtr	lsn;			/* the position must not be behind this, */
	uint64		epoch;			/* and of this epoch */
} RtcTrust;

/*
 * Establishes that Redis can be asked about keys that were written up to lsn, and
 * copies the prefix; "name" is not set.  False: why not, as the counter of
 * bypasses.
 */
extern bool rtc_trust_begin(RtcTrust *trust, XLogRecPtr lsn,
							char prefix[RTC_MAX_PREFIX_LEN],
							RtcCounter *reason);

/* The same of one key whose stamps were taken, and found quiet, before. */
extern bool rtc_trust_redis(RtcTrust *trust, const RtcStampRead *stamps,
							const char *key, uint32 keylen,
							RtcCounter *reason);

/*
 * Has the position in Redis got here?  If not, the relay is asked to store it,
 * and we wait a little, unless WAL is not flushed so far: that may take long,
 * and is not for a reader to do.
 */
extern bool rtc_trust_stored(XLogRecPtr lsn);

/*
 * For who has time: waits a little until the relay has applied what the stamps
 * know of, so that Redis can be asked.
 */
extern void rtc_trust_wait(const RtcStampRead *stamps);

/* Has the relay vouched for Redis, and for the prefix, all the while? */
extern bool rtc_trust_holds(const RtcTrust *trust);

/*
 * Reads a value found in Redis, which may be anything.  NULL = not JSON, or
 * nothing that jsonb can hold.
 */
extern Jsonb *rtc_parse_value(const RtcValue *value);

#endif							/* RTC_LOOKUP_TRUST_H */
