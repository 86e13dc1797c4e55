/*-------------------------------------------------------------------------
 *
 * test_url.c
 *		rtcache.redis_url: what is understood, and what is refused.
 *
 * rooms: redis/url base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "redis/url.h"
#include "unit.h"

/* What a URL means, in full, or why it is refused. */
static const char *
meaning(const char *text)
{
	static char shown[1024];
	RtcRedisUrl url;
	RtcUrlError error = rtc_redis_url_parse(text, &url);

	if (error != RTC_URL_OK)
		return rtc_redis_url_detail(error);
	rtc_redis_url_show(&url, shown, sizeof(shown));
	return shown;
}

static void
test_accepted(void)
{
	static const char *const same[] = {
		"redis://host:6379/0",
		"redis://user@host:1/7",
		"rediss://host:65535/2147483647",
		"redis://[::1]:6379/0",
		"unix:///run/redis.sock",
		"unix://user@/run/redis.sock?db=3",
	};
	static const char *const other[][2] = {
		{"redis://host", "redis://host:6379/0"},
		{"REDIS://host/", "redis://host:6379/0"},
		{"redis://host/5", "redis://host:6379/5"},
		{"redis://a%20b@host", "redis://a b@host:6379/0"},
		{"redis://h%6Fst", "redis://host:6379/0"},
		{"redis://[::1]", "redis://[::1]:6379/0"},
		{"redis://[fe80::1%25eth0]:1", "redis://[fe80::1%eth0]:1/0"},
		{"unix:///a%20b?db=0", "unix:///a b"},
	};

	for (int i = 0; i < lengthof(same); i++)
		is_text(meaning(same[i]), same[i], "%s", same[i]);
	for (int i = 0; i < lengthof(other); i++)
		is_text(meaning(other[i][0]), other[i][1], "%s", other[i][0]);
}

static void
test_refused(void)
{
	static const char *const bad[][2] = {
		{"", "The URL must begin with redis://, rediss:// or unix://."},
		{"http://host", "The URL must begin with redis://, rediss:// or unix://."},
		{"redis:host", "The URL must begin with redis://, rediss:// or unix://."},
		{"redis://", "The URL names no host."},
		{"redis:///0", "The URL names no host."},
		{"redis://:6379", "The URL names no host."},
		{"redis://user:secret@host", "The URL must not contain a password."},
		{"redis://:secret@host", "The URL must not contain a password."},
		{"redis://user:s@cret@host", "The URL must not contain a password."},
		{"redis://@host", "The user name before the @ is empty."},
		{"redis://a%zz@host", "The user name is too long or contains an invalid percent-encoding."},
		{"redis://a%00@host", "The user name is too long or contains an invalid percent-encoding."},
		{"redis://h%", "The host name is too long or contains an invalid percent-encoding."},
		{"redis://a b", "The host name contains an invalid character."},
		{"redis://a%2Fb", "The host name contains an invalid character."},
		{"redis://::1", "An IPv6 address must be enclosed in brackets, as in redis://[::1]:6379."},
		{"redis://[::1", "The brackets must enclose an IPv6 address, as in redis://[::1]:6379."},
		{"redis://[host]", "The brackets must enclose an IPv6 address, as in redis://[::1]:6379."},
		{"redis://[::1%25]", "The brackets must enclose an IPv6 address, as in redis://[::1]:6379."},
		{"redis://[::1]6379", "Only a port may follow the bracketed address."},
		{"redis://host:", "The port must be an integer between 1 and 65535."},
		{"redis://host:0", "The port must be an integer between 1 and 65535."},
		{"redis://host:65536", "The port must be an integer between 1 and 65535."},
		{"redis://host:+1", "The port must be an integer between 1 and 65535."},
		{"redis://host/x", "The database number must be an integer between 0 and 2147483647."},
		{"redis://host/0/", "The database number must be an integer between 0 and 2147483647."},
		{"redis://host/2147483648", "The database number must be an integer between 0 and 2147483647."},
		{"redis://host?db=1", "Only a database number may follow host and port, as in redis://host:port/0."},
		{"unix://", "The path of the socket must be absolute, as in unix:///run/redis/redis.sock."},
		{"unix://a/b", "The path of the socket must be absolute, as in unix:///run/redis/redis.sock."},
		{"unix:///", "The URL names no socket."},
		{"unix://user:secret@/a", "The URL must not contain a password."},
		{"unix:///a?x=1", "The only parameter of a unix:// URL is db, as in unix:///run/redis/redis.sock?db=1."},
		{"unix:///a?db=", "The database number must be an integer between 0 and 2147483647."},
		{"unix:///a?db=-1", "The database number must be an integer between 0 and 2147483647."},
		{"unix:///a%00b", "The path of the socket is too long or contains an invalid percent-encoding."},
	};

	for (int i = 0; i < lengthof(bad); i++)
		is_text(meaning(bad[i][0]), bad[i][1], "\"%s\" is refused", bad[i][0]);
}

/* A URL with so many bytes in one place. */
static const char *
with(const char *before, int n, const char *after)
{
	char	   *text = palloc(strlen(before) + n + strlen(after) + 1);

	strcpy(text, before);
	memset(text + strlen(before), 'x', n);
	strcpy(text + strlen(before) + n, after);
	return text;
}

static void
test_limits(void)
{
	RtcRedisUrl url;
	char		shown[8];

	is_text(meaning(with("redis://", sizeof(url.host) - 1, "")),
			with("redis://", sizeof(url.host) - 1, ":6379/0"), "the longest host name");
	is_text(meaning(with("redis://", sizeof(url.host), "")),
			"The host name is too long or contains an invalid percent-encoding.", "a longer one");
	is_text(meaning(with("redis://", sizeof(url.user) - 1, "@h")),
			with("redis://", sizeof(url.user) - 1, "@h:6379/0"), "the longest user name");
	is_text(meaning(with("redis://", sizeof(url.user), "@h")),
			"The user name is too long or contains an invalid percent-encoding.", "a longer one");

	/* what sun_path has room for, with a NUL */
	is_text(meaning(with("unix:///", 106, "")), with("unix:///", 106, ""), "the longest path");
	is_text(meaning(with("unix:///", 107, "")),
			"The path of the socket is too long or contains an invalid percent-encoding.", "a longer one");

	ok(rtc_redis_url_parse("redis://host", &url) == RTC_URL_OK, "a URL");
	rtc_redis_url_show(&url, shown, sizeof(shown));
	is_text(shown, "redis:/", "what does not fit is cut off");
}

int
main(void)
{
	test_accepted();
	test_refused();
	test_limits();
	return done_testing();
}
