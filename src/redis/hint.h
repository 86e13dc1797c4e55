/*-------------------------------------------------------------------------
 *
 * hint.h
 *		What to do about an error of Redis.  See hint.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_HINT_H
#define RTC_HINT_H

#include "postgres.h"

/*
 * Returns a hint for the text of an error, in static memory, or NULL if there is
 * nothing to say.  For any process; raises nothing.
 */
extern const char *rtc_redis_hint(const char *error);

#endif							/* RTC_HINT_H */
