/*-------------------------------------------------------------------------
 *
 * key_conflicts.h
 *		Keys under which more than one question is asked.
 *		See key_conflicts.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_KEY_CONFLICTS_H
#define RTC_KEY_CONFLICTS_H

#include "postgres.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_key_conflicts_room;

/* A key, and how often its answers have replaced each other. */
typedef struct RtcKeyConflict
{
	char	   *key;			/* palloc'd; cut if it is long */
	uint64		n;
} RtcKeyConflict;

/* Counts a conflict on a key of this database.  Raises nothing. */
extern void rtc_key_conflict(const char *key, uint32 keylen);

/*
 * The worst keys of this database within the last hour, the worst first, in
 * conflicts[max].  Returns their number.
 */
extern int	rtc_key_conflicts(RtcKeyConflict *conflicts, int max);

/* Forgets all. */
extern void rtc_key_conflicts_reset(void);

#endif							/* RTC_KEY_CONFLICTS_H */
