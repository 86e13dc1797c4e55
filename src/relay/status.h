/*-------------------------------------------------------------------------
 *
 * status.h
 *		What the relay tells about itself.  See status.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_STATUS_H
#define RTC_STATUS_H

#include "postgres.h"

#include "shmem.h"

/* The worker runs; it does not any more. */
extern void rtc_relay_started(void);
extern void rtc_relay_stopped(void);

extern void rtc_relay_set_state(RtcRelayState state);
extern RtcRelayState rtc_relay_get_state(void);

/* The next commit has not been visible for so many ms; 0 = it is. */
extern void rtc_relay_waits(int64 ms);

/* Connected to this numeric address ("" = unix socket). */
extern void rtc_relay_connected(const char *address);

/* Not connected any more, on a standby; elsewhere the state tells. */
extern void rtc_relay_lost(void);

/* The newest commit that is applied is of this time. */
extern void rtc_relay_last_commit(TimestampTz commit_time);

/* Something went wrong; and what is wrong with the slot ("" = nothing). */
extern void rtc_relay_note_error(const char *text);
extern bool rtc_relay_note_slot(const char *problem);

/* The maxmemory-policy of Redis; true if that is news. */
extern bool rtc_relay_note_policy(const char *policy);

#endif							/* RTC_STATUS_H */
