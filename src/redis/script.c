/*-------------------------------------------------------------------------
 *
 * script.c
 *		Lua scripts and the hashes by which Redis knows them.
 *
 * MODEL: any process; pure but for the hash that is remembered in the script.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"

#include "redis/script.h"

const char *
rtc_script_sha(RtcScript *script)
{
	uint8		digest[SHA1_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx;

	if (script->sha[0] != '\0')
		return script->sha;

	/*
	 * Where SHA-1 is not to be had, any other name will do as well: Redis
	 * does not know it, and is sent the text each time.
	 */
	ctx = pg_cryptohash_create(PG_SHA1);
	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) script->text,
							 strlen(script->text)) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		memset(digest, 0, sizeof(digest));
	pg_cryptohash_free(ctx);

	for (int i = 0; i < SHA1_DIGEST_LENGTH; i++)
		snprintf(script->sha + 2 * i, 3, "%02x", digest[i]);
	return script->sha;
}

bool
rtc_script_is_unknown(const RtcReply *reply)
{
	return reply->type == RTC_REPLY_ERROR &&
		strncmp(reply->str, "NOSCRIPT", 8) == 0;
}
