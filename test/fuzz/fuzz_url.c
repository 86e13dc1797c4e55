/*-------------------------------------------------------------------------
 *
 * fuzz_url.c
 *		rtcache.redis_url: any text.
 *
 * rooms: redis/url base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "redis/url.h"

void
fuzz_one(const uint8 *data, size_t size)
{
	RtcRedisUrl url;
	RtcUrlError error = rtc_redis_url_parse(fuzz_text(data, size), &url);

	if (error != RTC_URL_OK)
	{
		const char *detail = rtc_redis_url_detail(error);

		MUST(detail != NULL && detail[strlen(detail) - 1] == '.');
		return;
	}
	MUST(strnlen(url.host, sizeof(url.host)) < sizeof(url.host));
	MUST(strnlen(url.path, sizeof(url.path)) < sizeof(url.path));
	MUST(strnlen(url.user, sizeof(url.user)) < sizeof(url.user));
	MUST(url.db >= 0);
	if (url.is_unix)
		MUST(url.path[0] == '/' && url.path[1] != '\0' && !url.tls);
	else
		MUST(url.host[0] != '\0' && url.port > 0 && url.port <= 65535);
}
