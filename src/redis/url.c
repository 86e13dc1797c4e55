/*-------------------------------------------------------------------------
 *
 * url.c
 *		Parsing of rtcache.redis_url.
 *
 * Three forms are understood:
 *
 *		redis://[user@]host[:port][/db]
 *		rediss://[user@]host[:port][/db]
 *		unix://[user@]/path[?db=n]
 *
 * The setting is visible in configuration files and, to superusers, in SHOW;
 * so a password in it is refused instead of being kept where it does not
 * belong.  Whatever is not understood is refused too: a URL that is silently
 * half read would connect to the wrong database of the right server.
 *
 * Model: pure functions, which allocate nothing and raise nothing: a check hook
 * may call them in any process.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "libpq/pqcomm.h"

#include "base/key.h"
#include "redis/url.h"

#define RTC_DEFAULT_PORT 6379

static RtcUrlError parse_authority(const char *start, const char *end,
								   RtcRedisUrl *url);
static bool parse_ipv6(const char *start, const char *end, RtcRedisUrl *url);
static RtcUrlError parse_unix(const char *start, RtcRedisUrl *url);
static RtcUrlError parse_user(const char *start, const char *end,
							  RtcRedisUrl *url);
static bool parse_number(const char *start, const char *end, int min, int max,
						 int *result);

/* What is wrong, for people; untranslated. */
static const char *const details[] = {
	[RTC_URL_SCHEME] = "The URL must begin with redis://, rediss:// or unix://.",
	[RTC_URL_TRAILER] = "Only a database number may follow host and port, as in redis://host:port/0.",
	[RTC_URL_DATABASE] = "The database number must be an integer between 0 and 2147483647.",
	[RTC_URL_BRACKETS] = "The brackets must enclose an IPv6 address, as in redis://[::1]:6379.",
	[RTC_URL_BRACKETED_PORT] = "Only a port may follow the bracketed address.",
	[RTC_URL_BARE_IPV6] = "An IPv6 address must be enclosed in brackets, as in redis://[::1]:6379.",
	[RTC_URL_NO_HOST] = "The URL names no host.",
	[RTC_URL_HOST_ENCODING] = "The host name is too long or contains an invalid percent-encoding.",
	[RTC_URL_HOST] = "The host name contains an invalid character.",
	[RTC_URL_PORT] = "The port must be an integer between 1 and 65535.",
	[RTC_URL_RELATIVE_PATH] = "The path of the socket must be absolute, as in unix:///run/redis/redis.sock.",
	[RTC_URL_PATH_ENCODING] = "The path of the socket is too long or contains an invalid percent-encoding.",
	[RTC_URL_NO_PATH] = "The URL names no socket.",
	[RTC_URL_PARAMETER] = "The only parameter of a unix:// URL is db, as in unix:///run/redis/redis.sock?db=1.",
	[RTC_URL_PASSWORD] = "The URL must not contain a password.",
	[RTC_URL_NO_USER] = "The user name before the @ is empty.",
	[RTC_URL_USER_ENCODING] = "The user name is too long or contains an invalid percent-encoding."
};

const char *
rtc_redis_url_detail(RtcUrlError error)
{
	return details[error];
}

void
rtc_redis_url_show(const RtcRedisUrl *url, char *text, size_t size)
{
	const char *at = url->user[0] != '\0' ? "@" : "";
	bool		v6 = strchr(url->host, ':') != NULL;

	if (url->is_unix && url->db == 0)
		snprintf(text, size, "unix://%s%s%s", url->user, at, url->path);
	else if (url->is_unix)
		snprintf(text, size, "unix://%s%s%s?db=%d", url->user, at, url->path,
				 url->db);
	else
		snprintf(text, size, "%s://%s%s%s%s%s:%d/%d",
				 url->tls ? "rediss" : "redis", url->user, at,
				 v6 ? "[" : "", url->host, v6 ? "]" : "", url->port, url->db);
}

RtcUrlError
rtc_redis_url_parse(const char *text, RtcRedisUrl *url)
{
	const char *rest;
	const char *end;
	RtcUrlError error;

	memset(url, 0, sizeof(*url));
	url->port = RTC_DEFAULT_PORT;

	if (pg_strncasecmp(text, "unix://", 7) == 0)
	{
		url->is_unix = true;
		return parse_unix(text + 7, url);
	}
	else if (pg_strncasecmp(text, "redis://", 8) == 0)
		rest = text + 8;
	else if (pg_strncasecmp(text, "rediss://", 9) == 0)
	{
		url->tls = true;
		rest = text + 9;
	}
	else
		return RTC_URL_SCHEME;

	end = rest + strcspn(rest, "/?#");
	error = parse_authority(rest, end, url);
	if (error != RTC_URL_OK)
		return error;

	if (*end == '?' || *end == '#')
		return RTC_URL_TRAILER;

	/* A lone slash at the end is what many programs write; it means 0. */
	if (*end == '/' && end[1] != '\0' &&
		!parse_number(end + 1, end + strlen(end), 0, INT_MAX, &url->db))
		return RTC_URL_DATABASE;

	return RTC_URL_OK;
}

/*
 * Parses [user@]host[:port].
 */
static RtcUrlError
parse_authority(const char *start, const char *end, RtcRedisUrl *url)
{
	const char *at = end;
	const char *host_end;

	/* The last '@' counts: a password may contain one, and is refused. */
	while (at > start && *at != '@')
		at--;
	if (at < end && *at == '@')
	{
		RtcUrlError error = parse_user(start, at, url);

		if (error != RTC_URL_OK)
			return error;
		start = at + 1;
	}

	if (start < end && *start == '[')
	{
		const char *bracket = memchr(start, ']', end - start);

		if (bracket == NULL || !parse_ipv6(start + 1, bracket, url))
			return RTC_URL_BRACKETS;
		host_end = bracket + 1;
		if (host_end < end && *host_end != ':')
			return RTC_URL_BRACKETED_PORT;
	}
	else
	{
		host_end = memchr(start, ':', end - start);
		if (host_end == NULL)
			host_end = end;
		else if (memchr(host_end + 1, ':', end - host_end - 1) != NULL)
			return RTC_URL_BARE_IPV6;

		if (host_end == start)
			return RTC_URL_NO_HOST;
		if (!rtc_percent_decode(start, host_end - start, url->host, sizeof(url->host)))
			return RTC_URL_HOST_ENCODING;
		for (const char *p = url->host; *p != '\0'; p++)
		{
			if ((unsigned char) *p <= ' ' || *p == 0x7f ||
				strchr("/@[]\\", *p) != NULL)
				return RTC_URL_HOST;
		}
	}

	if (host_end < end &&
		!parse_number(host_end + 1, end, 1, 65535, &url->port))
		return RTC_URL_PORT;

	return RTC_URL_OK;
}

/*
 * Parses what stands between the brackets: an address, which may have a zone
 * ("fe80::1%25eth0" once encoded).
 */
static bool
parse_ipv6(const char *start, const char *end, RtcRedisUrl *url)
{
	char		address[sizeof(url->host)];
	char	   *zone;
	struct in6_addr unused;

	if (!rtc_percent_decode(start, end - start, url->host, sizeof(url->host)))
		return false;

	strlcpy(address, url->host, sizeof(address));
	zone = strchr(address, '%');
	if (zone != NULL)
	{
		if (zone[1] == '\0')
			return false;
		*zone = '\0';
	}
	return inet_pton(AF_INET6, address, &unused) == 1;
}

/*
 * Parses [user@]/path[?db=n].
 */
static RtcUrlError
parse_unix(const char *start, RtcRedisUrl *url)
{
	const char *path = strchr(start, '/');
	const char *end;

	if (path == NULL ||
		(path != start && path[-1] != '@'))
		return RTC_URL_RELATIVE_PATH;
	if (path != start)
	{
		RtcUrlError error = parse_user(start, path - 1, url);

		if (error != RTC_URL_OK)
			return error;
	}

	end = path + strcspn(path, "?");
	if (!rtc_percent_decode(path, end - path, url->path, sizeof(url->path)) ||
		strlen(url->path) >= UNIXSOCK_PATH_BUFLEN)
		return RTC_URL_PATH_ENCODING;
	if (url->path[1] == '\0')
		return RTC_URL_NO_PATH;

	if (*end == '?')
	{
		if (strncmp(end, "?db=", 4) != 0)
			return RTC_URL_PARAMETER;
		if (!parse_number(end + 4, end + strlen(end), 0, INT_MAX, &url->db))
			return RTC_URL_DATABASE;
	}

	return RTC_URL_OK;
}

/*
 * Parses what stands before the '@'.
 */
static RtcUrlError
parse_user(const char *start, const char *end, RtcRedisUrl *url)
{
	if (memchr(start, ':', end - start) != NULL)
		return RTC_URL_PASSWORD;
	if (start == end)
		return RTC_URL_NO_USER;
	if (!rtc_percent_decode(start, end - start, url->user, sizeof(url->user)))
		return RTC_URL_USER_ENCODING;
	return RTC_URL_OK;
}

/*
 * Reads a decimal number: digits only, nothing before, nothing behind.
 */
static bool
parse_number(const char *start, const char *end, int min, int max,
			 int *result)
{
	int64		value = 0;

	if (start == end)
		return false;

	for (const char *p = start; p < end; p++)
	{
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (*p - '0');
		if (value > max)
			return false;
	}
	if (value < min)
		return false;

	*result = (int) value;
	return true;
}
