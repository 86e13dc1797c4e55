/*-------------------------------------------------------------------------
 *
 * warm_start.h
 *		What was asked most before a start is asked again.  See warm_start.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WARM_START_H
#define RTC_WARM_START_H

#include "base/work.h"

/* To be called when the gate has opened, by the relay. */
extern void rtc_warm_start(void);

/*
 * Does work of the kind RTC_WORK_WARM_START: asks one question, and lets the next one
 * wait.  Called by a worker in no transaction; errors are those of the query.
 */
extern void rtc_warm_start_next(const RtcWork *work);

/*
 * For a worker that has nothing to do: is shown as such, and lets a question wait if
 * there is one left.  Returns whether that does.
 */
extern bool rtc_warm_start_resume(void);

#endif							/* RTC_WARM_START_H */
