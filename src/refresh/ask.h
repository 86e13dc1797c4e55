/*-------------------------------------------------------------------------
 *
 * ask.h
 *		Asks a kept question again.  See ask.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ASK_H
#define RTC_ASK_H

#include "base/work.h"

/* The duty of RTC_WORK_ASK. */
extern void rtc_ask_again(const RtcWork *work);

#endif							/* RTC_ASK_H */
