/*-------------------------------------------------------------------------
 *
 * warm_work.h
 *		Workers warm the tables whose rules say so.  See warm_work.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WARM_WORK_H
#define RTC_WARM_WORK_H

#include "postgres.h"

#include "base/work.h"

/*
 * Does work of the kinds RTC_WORK_WARM_RELATION (the OID of a table, and behind it
 * what only this room knows) and RTC_WORK_WARM_DATABASE.  Called by a worker in no
 * transaction; may raise.
 */
extern void rtc_warm_relation(const RtcWork *work);
extern void rtc_warm_database(const RtcWork *work);

#endif							/* RTC_WARM_WORK_H */
