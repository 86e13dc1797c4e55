/*-------------------------------------------------------------------------
 *
 * opened.h
 *		What is to be done when the caches have opened after a start.
 *		See opened.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_OPENED_H
#define RTC_OPENED_H

/* Names the function that is to be called; once, from _PG_init. */
extern void rtc_opened_call(void (*function) (void));

/* Calls it.  Errors: those of the function. */
extern void rtc_opened(void);

#endif							/* RTC_OPENED_H */
