/*-------------------------------------------------------------------------
 *
 * progress_view.h
 *		What the relay is busy with that takes long.  See progress_view.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PROGRESS_VIEW_H
#define RTC_PROGRESS_VIEW_H

#include "postgres.h"

#include "fmgr.h"

extern PGDLLEXPORT Datum rtcache_progress(PG_FUNCTION_ARGS);

#endif							/* RTC_PROGRESS_VIEW_H */
