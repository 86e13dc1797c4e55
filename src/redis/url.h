/*-------------------------------------------------------------------------
 *
 * url.h
 *		Parsing of rtcache.redis_url.  See url.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_URL_H
#define RTC_URL_H

#include "postgres.h"

typedef struct RtcRedisUrl
{
	bool		is_unix;		/* unix://; else TCP */
	bool		tls;			/* rediss:// */
	char		host[256];		/* TCP: name or address, without brackets */
	int			port;			/* TCP: default 6379 */
	char		path[256];		/* unix: absolute path */
	char		user[256];		/* "" = none */
	int			db;				/* default 0 */
} RtcRedisUrl;

/*
 * Parses redis://[user@]host[:port][/db], rediss://..., or
 * unix://[user@]/path[?db=n].  Parts are percent-decoded.  A password in the
 * URL is refused.  Returns false and a static, untranslated detail sentence
 * in *detail when the URL is unusable.  Neither allocates nor raises.
 */
extern bool rtc_redis_url_parse(const char *text, RtcRedisUrl *url,
								const char **detail);

/*
 * Writes where a URL leads, for people: a URL again, which has no secrets.
 * What does not fit into "size" bytes is cut off.
 */
extern void rtc_redis_url_show(const RtcRedisUrl *url, char *text, size_t size);

#endif							/* RTC_URL_H */
