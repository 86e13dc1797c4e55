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

/*
 * Does work of the kind RTC_WORK_ASK.  False = it was asked in vain: it cannot be asked,
 * or its answer not be stored.  Called by a worker in no transaction; errors are those
 * of the query.
 */
extern bool rtc_ask_again(const RtcWork *work);

#endif							/* RTC_ASK_H */
