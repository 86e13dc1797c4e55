/*-------------------------------------------------------------------------
 *
 * lag.h
 *		The age of the oldest commit that is not applied.  See lag.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_LAG_H
#define RTC_LAG_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "utils/timestamp.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_lag_room;

typedef struct RtcLag RtcLag;

/* Makes one in the current memory context. */
extern RtcLag *rtc_lag_create(void);

/* The age in ms; 0 = every commit is applied.  For any process. */
extern int64 rtc_lag_ms(void);

/* The relay has read the commit that it will apply next. */
extern void rtc_lag_commit(RtcLag *lag, TimestampTz commit_time);

/* All commits that it has read are applied. */
extern void rtc_lag_applied(RtcLag *lag);

/* And there are no more in WAL. */
extern void rtc_lag_none(RtcLag *lag);

/* The relay is connected; reading WAL from here finds all that is not applied. */
extern void rtc_lag_keep(XLogRecPtr restart);

/* It has connected anew: the next commit that it reads is the oldest one. */
extern void rtc_lag_connected(RtcLag *lag);

/*
 * It is not connected: looks a little further in WAL for the first commit that
 * is not applied.  True = call again at once.
 */
extern bool rtc_lag_look(RtcLag *lag);

#endif							/* RTC_LAG_H */
