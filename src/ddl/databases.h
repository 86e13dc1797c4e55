/*-------------------------------------------------------------------------
 *
 * databases.h
 *		Who has to leave a database before something is done to it as a whole.
 *		See databases.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_DATABASES_H
#define RTC_DATABASES_H

#include "postgres.h"

/* Called once, from _PG_init. */
extern void rtc_databases_init(void);

#endif							/* RTC_DATABASES_H */
