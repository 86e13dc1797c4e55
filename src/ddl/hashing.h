/*-------------------------------------------------------------------------
 *
 * hashing.h
 *		What DDL on operator classes does to rows that are named by values.
 *		See hashing.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_HASHING_H
#define RTC_HASHING_H

#include "postgres.h"

/*
 * The current command has made, altered or dropped this operator class or
 * family, or a part of one.  Waits for writers of tables whose values are
 * hashed by another function from now on, and clears the cache.
 */
extern void rtc_hashing_altered(Oid classid, Oid objid);
extern void rtc_hashing_dropped(Oid classid);

#endif							/* RTC_HASHING_H */
