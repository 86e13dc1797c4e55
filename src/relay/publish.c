/*-------------------------------------------------------------------------
 *
 * publish.c
 *		Tells subscribers of Redis what has changed.
 *
 * Caches that live in applications subscribe to the channel rtcache.publish.
 * A message is a glob of Redis that matches what has changed: the name of a key,
 * prefix included, in which * ? [ ] and \ are escaped by \ (keys made by rules
 * have none); or a real glob after a deletion by pattern or a clear.  So a message
 * without any of these characters is a key.
 *
 * Keys are published in the EXEC that changes them, globs behind the deletion,
 * and the keys in a tag set by the script that deletes them (tag_drop.c).  That
 * happens at least once.  But Redis keeps no message for a subscriber whose
 * connection is cut.
 *
 * Model: the relay alone.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/key.h"
#include "guc.h"
#include "relay/publish.h"

bool
rtc_publish_key(RtcConn *conn, const char *key, size_t keylen)
{
	StringInfoData escaped;

	if (rtc_publish[0] == '\0')
		return false;
	initStringInfo(&escaped);
	rtc_glob_escape(&escaped, key, keylen);
	rtc_publish_glob(conn, escaped.data);
	pfree(escaped.data);
	return true;
}

bool
rtc_publish_glob(RtcConn *conn, const char *glob)
{
	if (rtc_publish[0] == '\0')
		return false;
	rtc_conn_append_strings(conn, "PUBLISH", rtc_publish, glob, NULL);
	return true;
}
