/*-------------------------------------------------------------------------
 *
 * interest.h
 *		Which dependencies has anybody registered in Redis?  See interest.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INTEREST_H
#define RTC_INTEREST_H

#include "postgres.h"

#include "base/shared.h"
#include "dep/dep.h"

extern const RtcSharedRoom rtc_interest_room;

/*
 * A reader, before it registers in Redis and before it looks for writers
 * (again).  No error.
 */
extern void rtc_interest_register(const RtcDep *deps, int n);

/* A writer, after it has raised its stamps: is a TAG op needed?  No error. */
extern bool rtc_interest_exists(RtcDep dep);

/*
 * The relay, when it has found and registered all tag sets in Redis; and when
 * it connects to a Redis whose tag sets it does not know.
 */
extern void rtc_interest_known(bool known);

#endif							/* RTC_INTEREST_H */
