/*-------------------------------------------------------------------------
 *
 * script.h
 *		The Lua scripts.  See script.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SCRIPT_H
#define RTC_SCRIPT_H

#include "postgres.h"

typedef struct RtcScript
{
	const char *sha;			/* by which Redis knows it once it has had the
								 * text: EVALSHA; else it says NOSCRIPT */
	const char *text;
} RtcScript;

/* The head of each file in lua/ tells its KEYS, its ARGV and what it returns. */
extern const RtcScript rtc_script_behind;
extern const RtcScript rtc_script_drop;
extern const RtcScript rtc_script_drop_tags;
extern const RtcScript rtc_script_fill;
extern const RtcScript rtc_script_fill_many;
extern const RtcScript rtc_script_inbox_dead;
extern const RtcScript rtc_script_inbox_done;
extern const RtcScript rtc_script_inbox_open;
extern const RtcScript rtc_script_inbox_read;
extern const RtcScript rtc_script_inbox_retry;
extern const RtcScript rtc_script_lease;
extern const RtcScript rtc_script_lease_many;
extern const RtcScript rtc_script_trim_tags;
extern const RtcScript rtc_script_unlease;

#endif							/* RTC_SCRIPT_H */
