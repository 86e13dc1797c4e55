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
 * Model: a pure function.  It allocates nothing, raises nothing and looks at
 * nothing but its argument, so a check hook may call it in any process.
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

#include "redis/url.h"

#define RTC_DEFAULT_PORT 6379

static bool parse_authority(const char *start, const char *end,
							RtcRedisUrl *url, const char **detail);
static bool parse_ipv6(const char *start, const char *end, RtcRedisUrl *url);
static bool parse_unix(const char *start, RtcRedisUrl *url,
					   const char **detail);
static bool parse_user(const char *start, const char *end,
					   RtcRedisUrl *url, const char **detail);
static bool parse_number(const char *start, const char *end, int min, int max,
						 int *result);
static bool decode(const char *start, const char *end, char *result,
				   size_t size);
static int	hex_value(char c);

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

/*
 * Parses a URL.  On failure *url is undefined and *detail says what is wrong.
 */
bool
rtc_redis_url_parse(const char *text, RtcRedisUrl *url, const char **detail)
{
	const char *rest;
	const char *end;

	memset(url, 0, sizeof(*url));
	url->port = RTC_DEFAULT_PORT;
	*detail = NULL;

	if (pg_strncasecmp(text, "unix://", 7) == 0)
	{
		url->is_unix = true;
		return parse_unix(text + 7, url, detail);
	}
	else if (pg_strncasecmp(text, "redis://", 8) == 0)
		rest = text + 8;
	else if (pg_strncasecmp(text, "rediss://", 9) == 0)
	{
		url->tls = true;
		rest = text + 9;
	}
	else
	{
		*detail = "The URL must begin with redis://, rediss:// or unix://.";
		return false;
	}

	end = rest + strcspn(rest, "/?#");
	if (!parse_authority(rest, end, url, detail))
		return false;

	if (*end == '?' || *end == '#')
	{
		*detail = "Only a database number may follow host and port, as in redis://host:port/0.";
		return false;
	}

	/* A lone slash at the end is what many programs write; it means 0. */
	if (*end == '/' && end[1] != '\0' &&
		!parse_number(end + 1, end + strlen(end), 0, INT_MAX, &url->db))
	{
		*detail = "The database number must be an integer between 0 and 2147483647.";
		return false;
	}

	return true;
}

/*
 * Parses [user@]host[:port].
 */
static bool
parse_authority(const char *start, const char *end, RtcRedisUrl *url,
				const char **detail)
{
	const char *at = NULL;
	const char *host_end;

	/* The last '@' counts: a password may contain one, and is refused. */
	for (const char *p = start; p < end; p++)
	{
		if (*p == '@')
			at = p;
	}
	if (at != NULL)
	{
		if (!parse_user(start, at, url, detail))
			return false;
		start = at + 1;
	}

	if (start < end && *start == '[')
	{
		const char *bracket = memchr(start, ']', end - start);

		if (bracket == NULL || !parse_ipv6(start + 1, bracket, url))
		{
			*detail = "The brackets must enclose an IPv6 address, as in redis://[::1]:6379.";
			return false;
		}
		host_end = bracket + 1;
		if (host_end < end && *host_end != ':')
		{
			*detail = "Only a port may follow the bracketed address.";
			return false;
		}
	}
	else
	{
		host_end = memchr(start, ':', end - start);
		if (host_end == NULL)
			host_end = end;
		else if (memchr(host_end + 1, ':', end - host_end - 1) != NULL)
		{
			*detail = "An IPv6 address must be enclosed in brackets, as in redis://[::1]:6379.";
			return false;
		}

		if (host_end == start)
		{
			*detail = "The URL names no host.";
			return false;
		}
		if (!decode(start, host_end, url->host, sizeof(url->host)))
		{
			*detail = "The host name is too long or contains an invalid percent-encoding.";
			return false;
		}
		for (const char *p = url->host; *p != '\0'; p++)
		{
			if ((unsigned char) *p <= ' ' || *p == 0x7f ||
				strchr("/@[]\\", *p) != NULL)
			{
				*detail = "The host name contains an invalid character.";
				return false;
			}
		}
	}

	if (host_end < end &&
		!parse_number(host_end + 1, end, 1, 65535, &url->port))
	{
		*detail = "The port must be an integer between 1 and 65535.";
		return false;
	}

	return true;
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

	if (!decode(start, end, url->host, sizeof(url->host)))
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
static bool
parse_unix(const char *start, RtcRedisUrl *url, const char **detail)
{
	const char *path = strchr(start, '/');
	const char *end;

	if (path == NULL ||
		(path != start && path[-1] != '@'))
	{
		*detail = "The path of the socket must be absolute, as in unix:///run/redis/redis.sock.";
		return false;
	}
	if (path != start && !parse_user(start, path - 1, url, detail))
		return false;

	end = path + strcspn(path, "?");
	if (!decode(path, end, url->path, sizeof(url->path)) ||
		strlen(url->path) >= UNIXSOCK_PATH_BUFLEN)
	{
		*detail = "The path of the socket is too long or contains an invalid percent-encoding.";
		return false;
	}
	if (url->path[1] == '\0')
	{
		*detail = "The URL names no socket.";
		return false;
	}

	if (*end == '?')
	{
		if (strncmp(end, "?db=", 4) != 0)
		{
			*detail = "The only parameter of a unix:// URL is db, as in unix:///run/redis/redis.sock?db=1.";
			return false;
		}
		if (!parse_number(end + 4, end + strlen(end), 0, INT_MAX, &url->db))
		{
			*detail = "The database number must be an integer between 0 and 2147483647.";
			return false;
		}
	}

	return true;
}

/*
 * Parses what stands before the '@'.
 */
static bool
parse_user(const char *start, const char *end, RtcRedisUrl *url,
		   const char **detail)
{
	if (memchr(start, ':', end - start) != NULL)
	{
		*detail = "The URL must not contain a password.";
		return false;
	}
	if (start == end)
	{
		*detail = "The user name before the @ is empty.";
		return false;
	}
	if (!decode(start, end, url->user, sizeof(url->user)))
	{
		*detail = "The user name is too long or contains an invalid percent-encoding.";
		return false;
	}
	return true;
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

/*
 * Copies a part of the URL, undoing percent-encoding.  False if it does not
 * fit or is malformed.  An encoded NUL is malformed: it would cut the result
 * short.
 */
static bool
decode(const char *start, const char *end, char *result, size_t size)
{
	size_t		len = 0;

	while (start < end)
	{
		char		c = *start++;

		if (c == '%')
		{
			int			high;
			int			low;

			if (end - start < 2 ||
				(high = hex_value(start[0])) < 0 ||
				(low = hex_value(start[1])) < 0)
				return false;
			c = (char) (high * 16 + low);
			if (c == '\0')
				return false;
			start += 2;
		}
		if (len + 1 >= size)
			return false;
		result[len++] = c;
	}
	result[len] = '\0';
	return true;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
