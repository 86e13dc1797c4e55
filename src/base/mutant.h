/*-------------------------------------------------------------------------
 *
 * mutant.h
 *		Leaves a safeguard out, to see whether the torture checker notices.
 *
 * A safeguard of the protocol that no other test would miss has a name below,
 * and asks in the line that matters whether it is there:
 *
 *		if (rtc_safeguard(VISIBILITY) && rtc_xid_in_progress(xid))
 *
 * It always is, and this costs nothing, unless rtcache was built with
 * -DRTC_MUTANT=VISIBILITY by test/torture/mutants.  Such a build, and one with
 * -DRTC_MUTANT=NONE, also pauses where a race is hard to hit otherwise; the
 * pauses alone must do no harm.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_MUTANT_H
#define RTC_MUTANT_H

#ifdef RTC_MUTANT

#include "base/clock.h"

typedef enum RtcSafeguard
{
	RTC_SAFEGUARD_NONE,
	RTC_SAFEGUARD_APPLIED,		/* Redis counts only if it has the last write */
	RTC_SAFEGUARD_COMPANION,	/* a value answers one question only */
	RTC_SAFEGUARD_EARLY_STAMPS, /* L1 keeps versions from before the query */
	RTC_SAFEGUARD_GATE,			/* no lookups while old transactions may
								 * commit */
	RTC_SAFEGUARD_HANDSHAKE,	/* stamps are looked at again, after
								 * registering and before a fill */
	RTC_SAFEGUARD_INTEREST,		/* readers tell writers what they depend on */
	RTC_SAFEGUARD_ISOLATION,	/* no lookups in REPEATABLE READ */
	RTC_SAFEGUARD_LEASE,		/* a write takes the leases of its keys */
	RTC_SAFEGUARD_MEMBER,		/* who is not in its tag sets is no hit */
	RTC_SAFEGUARD_ORDER,		/* pending is read before version */
	RTC_SAFEGUARD_PENDING,		/* no lookups while a writer commits */
	RTC_SAFEGUARD_POSITION,		/* a backend's Redis is not behind */
	RTC_SAFEGUARD_PREPARED,		/* prepared transactions stay pending */
	RTC_SAFEGUARD_RECHECK,		/* no fill of what Redis has not got yet */
	RTC_SAFEGUARD_REGISTERED,	/* tag sets are entered before the snapshot */
	RTC_SAFEGUARD_SAVEPOINT,	/* a rolled-back savepoint takes its ops along */
	RTC_SAFEGUARD_TAG_DROP,		/* a write drops the tag sets it names */
	RTC_SAFEGUARD_VISIBILITY,	/* what is applied is visible */
	RTC_SAFEGUARD_XID			/* no lookups in transactions that wrote */
}			RtcSafeguard;

#define RTC_MUTANT_PASTE(name)		RTC_SAFEGUARD_##name
#define RTC_MUTANT_VALUE(name)		RTC_MUTANT_PASTE(name)
#define rtc_safeguard(name) \
	(RTC_SAFEGUARD_##name != RTC_MUTANT_VALUE(RTC_MUTANT))

/* Now and then only, or nothing would happen but pauses. */
static inline void
rtc_mutant_pause(long usec)
{
	if (rtc_clock_us() % 4 == 0)
		pg_usleep(usec);
}

#else

#define rtc_safeguard(name)		true
#define rtc_mutant_pause(usec)	((void) 0)

#endif

#endif							/* RTC_MUTANT_H */
