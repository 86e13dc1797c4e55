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

const RtcSharedRoom rtc_relay_latch_room = {
	.name = "rtcache_relay_latch",
	.place = &shared,
	.size = sizeof(RtcRelayLatch)
};

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
