/*-------------------------------------------------------------------------
 *
 * inbox_worker.h
 *		The background worker "rtcache inbox".  See inbox_worker.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_WORKER_H
#define RTC_INBOX_WORKER_H

#include "postgres.h"

/* Says what is to be started; called once, from _PG_init. */
extern void rtc_inbox_init(void);

/* Entry point of the worker. */
extern PGDLLEXPORT void rtc_inbox_main(Datum arg);

#endif							/* RTC_INBOX_WORKER_H */
