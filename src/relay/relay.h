/*-------------------------------------------------------------------------
 *
 * relay.h
 *		The background worker.  See relay.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RELAY_H
#define RTC_RELAY_H

#include "postgres.h"

/* Registers the worker with the postmaster; from _PG_init while preloading. */
extern void rtc_relay_register(void);

/* Entry point of the worker. */
extern PGDLLEXPORT void rtc_relay_main(Datum arg);

#endif							/* RTC_RELAY_H */
