/*-------------------------------------------------------------------------
 *
 * relay_latch.c
 *		Wakes the relay, from any process.
 *
 * Model: the relay writes the pointer, everybody reads it, without a lock.  It
 * points to the latch of a PGPROC, which stays in its place: who has read it
 * just before the relay exits wakes whoever has that PGPROC next, which does
 * no harm.  Raises nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"

#include "base/relay_latch.h"

typedef struct RtcRelayLatch
{
	Latch	   *latch;			/* NULL = the relay does not run */
} RtcRelayLatch;

static RtcRelayLatch *shared = NULL;

static Size
size(void)
{
	return sizeof(RtcRelayLatch);
}

static void
attach(void *place, LWLockPadded *locks, bool found)
{
	shared = place;
	if (!found)
		shared->latch = NULL;
}

const RtcSharedRoom rtc_relay_latch_room = {"rtcache_relay_latch", 0, size, attach};

void
rtc_wake_relay(void)
{
	Latch	   *latch = shared->latch;

	if (latch != NULL)
		SetLatch(latch);
}

void
rtc_relay_latch_own(void)
{
	shared->latch = MyLatch;
}

void
rtc_relay_latch_disown(void)
{
	shared->latch = NULL;
}
