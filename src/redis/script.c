/*-------------------------------------------------------------------------
 *
 * script.c
 *		The Lua scripts.
 *
 * What must not be torn apart by other clients is a script: Redis runs one at
 * a time.  They are the files in lua/.  The Makefile turns them into
 * lua_scripts.inc, without comments and indentation, and adds their SHA-1.
 *
 * Model: constants.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "redis/script.h"

#define RTC_LUA(name, sha, text) const RtcScript rtc_script_##name = {sha, text};

#include "redis/lua_scripts.inc"
