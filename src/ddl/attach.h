/*-------------------------------------------------------------------------
 *
 * attach.h
 *		cache_attach and cache_detach.  See attach.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ATTACH_H
#define RTC_ATTACH_H

#include "postgres.h"

#include "fmgr.h"

extern PGDLLEXPORT Datum cache_attach(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum cache_detach(PG_FUNCTION_ARGS);

#endif							/* RTC_ATTACH_H */
