/*-------------------------------------------------------------------------
 *
 * watched.h
 *		What is to be done when something is written.  See watched.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WATCHED_H
#define RTC_WATCHED_H

#include "postgres.h"

#include "base/shared.h"
#include "base/work.h"
#include "dep/stamps.h"

extern const RtcSharedRoom rtc_watched_room;

/*
 * Counts a hit on an answer, by the hash of the work that would compute it and the
 * versions that it was found with.  False = it is not watched.
 */
extern bool rtc_watched_hit(uint64 hash, const RtcStampRead *stamps);

/*
 * Has work done when a write ends an answer that was found with these versions,
 * unless others are worth more.  Raises nothing.
 */
extern void rtc_watched_add(const RtcWork *work, const RtcStampRead *stamps);

/* Forgets what is to be done in a database. */
extern void rtc_watched_forget(Oid dboid);

/*
 * Lets the work wait whose answers were ended; it is worth more the more hits the
 * answer had.  For workers and the relay.
 */
extern void rtc_watched_gather(void);

#endif							/* RTC_WATCHED_H */
