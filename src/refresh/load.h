/*-------------------------------------------------------------------------
 *
 * load.h
 *		How much time refreshes may take.  See load.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_LOAD_H
#define RTC_LOAD_H

#include "postgres.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_load_room;

/* A refresh has taken so long, in microseconds. */
extern void rtc_load_add(int64 us);

/* How long the next one has to wait, in milliseconds; 0 = not at all. */
extern int64 rtc_load_wait_ms(void);

#endif							/* RTC_LOAD_H */
