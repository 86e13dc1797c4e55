/*-------------------------------------------------------------------------
 *
 * functions.h
 *		SQL-callable operations.  See functions.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FUNCTIONS_H
#define RTC_FUNCTIONS_H

#include "postgres.h"

#include "fmgr.h"

extern PGDLLEXPORT Datum cache_set(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum cache_del(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum cache_invalidate(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum cache_del_pattern(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum cache_clear(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum cache_key(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum cache_wait(PG_FUNCTION_ARGS);

#endif							/* RTC_FUNCTIONS_H */
