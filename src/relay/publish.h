/*-------------------------------------------------------------------------
 *
 * publish.h
 *		Tells subscribers of Redis what has changed.  See publish.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PUBLISH_H
#define RTC_PUBLISH_H

#include "postgres.h"

#include "redis/conn.h"

/*
 * Appends a PUBLISH of a key (prefix included) or of a glob to what is sent
 * next; does nothing, and returns false, if rtcache.publish is empty.
 */
extern bool rtc_publish_key(RtcConn *conn, const char *key, size_t keylen);
extern bool rtc_publish_glob(RtcConn *conn, const char *glob);

#endif							/* RTC_PUBLISH_H */
