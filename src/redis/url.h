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

/* What is wrong with a URL. */
typedef enum RtcUrlError
{
	RTC_URL_OK = 0,
	RTC_URL_SCHEME,
	RTC_URL_TRAILER,
	RTC_URL_DATABASE,
	RTC_URL_BRACKETS,
	RTC_URL_BRACKETED_PORT,
	RTC_URL_BARE_IPV6,
	RTC_URL_NO_HOST,
	RTC_URL_HOST_ENCODING,
	RTC_URL_HOST,
	RTC_URL_PORT,
	RTC_URL_RELATIVE_PATH,
	RTC_URL_PATH_ENCODING,
	RTC_URL_NO_PATH,
	RTC_URL_PARAMETER,
	RTC_URL_PASSWORD,
	RTC_URL_NO_USER,
	RTC_URL_USER_ENCODING
} RtcUrlError;

/*
 * Parses redis://[user@]host[:port][/db], rediss://..., or
 * unix://[user@]/path[?db=n].  Parts are percent-decoded.  A password in the
 * URL is refused.  *url is defined if the result is RTC_URL_OK.
 */
extern RtcUrlError rtc_redis_url_parse(const char *text, RtcRedisUrl *url);

/* Returns the sentence about an error, static and untranslated. */
extern const char *rtc_redis_url_detail(RtcUrlError error);

/*
 * Writes where a URL leads, for people: a URL again, which has no secrets.
 * What does not fit into "size" bytes is cut off.
 */
extern void rtc_redis_url_show(const RtcRedisUrl *url, char *text, size_t size);

#endif							/* RTC_URL_H */
