/*-------------------------------------------------------------------------
 *
 * pg_upgrade.h
 *		Rules in pg_upgrade.  See pg_upgrade.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PG_UPGRADE_H
#define RTC_PG_UPGRADE_H

/* Sets a hook, in the server of pg_upgrade only; by _PG_init. */
extern void rtc_upgrade_init(void);

#endif							/* RTC_PG_UPGRADE_H */
