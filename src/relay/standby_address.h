/*-------------------------------------------------------------------------
 *
 * standby_address.h
 *		Where Redis is, on a hot standby.  See standby_address.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STANDBY_ADDRESS_H
#define RTC_STANDBY_ADDRESS_H

#include "postgres.h"

/*
 * Connects to Redis unless that has been done and the connection still stands,
 * and tells sessions its address.  To be called again and again during recovery.
 * Blocks for rtcache.connect_timeout, and for as long as the resolver takes.
 */
extern void rtc_standby_address_keep(void);

/* Closes the connection: recovery is over. */
extern void rtc_standby_address_end(void);

#endif							/* RTC_STANDBY_ADDRESS_H */
