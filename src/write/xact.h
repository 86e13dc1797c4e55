/*-------------------------------------------------------------------------
 *
 * xact.h
 *		The transaction callbacks.  See xact.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_XACT_H
#define RTC_XACT_H

/* Registers the callbacks; called once per process, from _PG_init. */
extern void rtc_xact_init(void);

#endif							/* RTC_XACT_H */
