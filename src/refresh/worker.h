/*-------------------------------------------------------------------------
 *
 * worker.h
 *		The background worker "rtcache refresh".  See worker.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WORKER_H
#define RTC_WORKER_H

#include "postgres.h"

/* Tells what workers are to be started; called once, from _PG_init. */
extern void rtc_refresh_init(void);

/* Its main function. */
extern PGDLLEXPORT void rtc_refresh_main(Datum arg);

#endif							/* RTC_WORKER_H */
