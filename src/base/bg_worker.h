/*-------------------------------------------------------------------------
 *
 * bg_worker.h
 *		What background workers that are started when there is work have in common.
 *		See bg_worker.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_BG_WORKER_H
#define RTC_BG_WORKER_H

#include "postgres.h"

/*
 * Has the postmaster start a worker, which connects to a database and is not
 * started again when it ends.  "function": its main function, in this library.
 * False = there are as many workers as may be.  Raises nothing.
 */
extern bool rtc_bg_worker_start(const char *name, const char *function, Datum arg);

/* Says that in the log.  The caller limits how often. */
extern void rtc_bg_worker_log_missing(const char *name);

/*
 * A worker that has connected: settings that a session of the superuser might have
 * by its role or database, and under which work would fail, or mean something else.
 * The second is for one more setting; one that this server does not have is left
 * out.
 */
extern void rtc_bg_worker_pin_settings(const char *name);
extern void rtc_bg_worker_pin(const char *setting, const char *value);

#endif							/* RTC_BG_WORKER_H */
