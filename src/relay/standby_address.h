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

typedef struct RtcStandbyAddress RtcStandbyAddress;

/* Makes one in the current memory context; not connected. */
extern RtcStandbyAddress *rtc_standby_address_create(void);

/*
 * Connects to Redis unless that has been done and the connection still stands,
 * and tells sessions its address.  To be called again and again during recovery.
 * Blocks for rtcache.connect_timeout, and for as long as the resolver takes.
 */
extern void rtc_standby_address_keep(RtcStandbyAddress *standby);

/* Closes the connection: recovery is over. */
extern void rtc_standby_address_end(RtcStandbyAddress *standby);

#endif							/* RTC_STANDBY_ADDRESS_H */
