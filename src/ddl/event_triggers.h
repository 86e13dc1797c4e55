/*-------------------------------------------------------------------------
 *
 * event_triggers.h
 *		What DDL does to the cache: the event triggers.  See event_triggers.c.
 *
 * The event triggers are called through SQL only: rtcache_check_rules,
 * rtcache_forget_dropped, rtcache_before_drop.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_EVENT_TRIGGERS_H
#define RTC_EVENT_TRIGGERS_H

#include "postgres.h"

#include "fmgr.h"

extern PGDLLEXPORT Datum rtcache_check_rules(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum rtcache_forget_dropped(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum rtcache_before_drop(PG_FUNCTION_ARGS);

#endif							/* RTC_EVENT_TRIGGERS_H */
