/*-------------------------------------------------------------------------
 *
 * health.h
 *		How the relay is doing, and what else must be right.  See health.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_HEALTH_H
#define RTC_HEALTH_H

#include "postgres.h"

#include "fmgr.h"

extern PGDLLEXPORT Datum cache_health(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum rtcache_relay(PG_FUNCTION_ARGS);

#endif							/* RTC_HEALTH_H */
