/*-------------------------------------------------------------------------
 *
 * standby.h
 *		Values from Redis on a hot standby.  See standby.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STANDBY_H
#define RTC_STANDBY_H

#include "postgres.h"

#include "read/redis_lookup.h"

/*
 * Looks a key up; palloc's the value.  True only if it is what this standby
 * itself would have found at a moment of the call.
 */
extern bool rtc_standby_get(const char *key, uint32 keylen, RtcValue *value);

#endif							/* RTC_STANDBY_H */
