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

/*
 * Called once, from _PG_init, by who has workers of its own: "leave" makes them
 * leave a database, and keeps them away for some seconds.  It may raise for query
 * cancel and termination only.
 */
extern void rtc_databases_on_leave(void (*leave) (Oid dboid));

#endif							/* RTC_DATABASES_H */
