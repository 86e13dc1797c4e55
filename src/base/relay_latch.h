/*-------------------------------------------------------------------------
 *
 * relay_latch.h
 *		Wakes the relay, from any process.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RELAY_LATCH_H
#define RTC_RELAY_LATCH_H

#include "postgres.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_relay_latch_room;

/* Wakes the relay, if it runs.  Async-signal and COMMIT-callback safe. */
extern void rtc_wake_relay(void);

/* The relay's: this process is to be woken from now on, or no longer. */
extern void rtc_relay_latch_own(void);
extern void rtc_relay_latch_disown(void);

#endif							/* RTC_RELAY_LATCH_H */
