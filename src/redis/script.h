/*-------------------------------------------------------------------------
 *
 * script.h
 *		Lua scripts and the hashes by which Redis knows them.
 *		See script.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SCRIPT_H
#define RTC_SCRIPT_H

#include "postgres.h"

#include "common/sha1.h"

#include "redis/conn.h"

typedef struct RtcScript
{
	const char *text;
	char		sha[SHA1_DIGEST_LENGTH * 2 + 1];	/* "" = not computed yet */
} RtcScript;

/*
 * The name of a script for EVALSHA.  Redis answers NOSCRIPT if it has not been
 * given the text since its start.
 */
extern const char *rtc_script_sha(RtcScript *script);

/* Is that the reply? */
extern bool rtc_script_is_unknown(const RtcReply *reply);

#endif							/* RTC_SCRIPT_H */
