/*-------------------------------------------------------------------------
 *
 * trigger.h
 *		The trigger functions.  See trigger.c.
 *
 * They are called through SQL only: rtcache_write_through,
 * rtcache_invalidate, rtcache_truncate.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TRIGGER_H
#define RTC_TRIGGER_H

#include "postgres.h"

#include "fmgr.h"

extern PGDLLEXPORT Datum rtcache_write_through(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum rtcache_invalidate(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum rtcache_truncate(PG_FUNCTION_ARGS);

#endif							/* RTC_TRIGGER_H */
