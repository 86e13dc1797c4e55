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

#include "shmem.h"

/* Registers the worker with the postmaster; from _PG_init while preloading. */
extern void rtc_relay_register(void);

/* Entry point of the worker. */
extern PGDLLEXPORT void rtc_relay_main(Datum arg);

/* ---- for stream.c: what the relay tells about itself ---- */

extern void rtc_relay_set_state(RtcRelayState state);

/* Connected to this numeric address ("" = unix socket). */
extern void rtc_relay_connected(const char *address);

/* A commit of this time is to be applied; 0 = nothing waits. */
extern void rtc_relay_behind(TimestampTz commit_time);

#endif							/* RTC_RELAY_H */
