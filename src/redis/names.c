/*-------------------------------------------------------------------------
 *
 * names.c
 *		Every name in Redis, and the layout of the position.
 *
 * No other room makes such a name, except for keys, which are a prefix and
 * what users and templates say (base/key.c).
 *
 * Model: pure functions on memory of the caller, for every process that has
 * the control file.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "redis/names.h"

/*
 * Leases and companions must hash to the Redis Cluster slot of their key.
 * Redis hashes what is between the first '{' and the first '}' after it,
 * unless that is nothing; a key without such a hash tag becomes the hash tag
 * of these names.  No prefix begins with '{', so the two forms cannot meet.
 * lua/drop_tags.lua does the same.
 */
static void
append_beside(StringInfo buf, const char *key, size_t len,
			  const char *suffix)
{
	const char *open = memchr(key, '{', len);
	const char *close = NULL;

	if (open != NULL)
		close = memchr(open + 1, '}', len - (open + 1 - key));

	if (close != NULL && close > open + 1)
		appendBinaryStringInfo(buf, key, len);
	else
	{
		appendStringInfoChar(buf, '{');
		appendBinaryStringInfo(buf, key, len);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoString(buf, suffix);
}

void
rtc_lease_name(StringInfo buf, const char *key, size_t len)
{
	append_beside(buf, key, len, RTC_LEASE_SUFFIX);
}

void
rtc_query_name(StringInfo buf, const char *key, size_t len)
{
	append_beside(buf, key, len, RTC_QUERY_SUFFIX);
}

void
rtc_behind_name(StringInfo buf, const char *key, size_t len)
{
	appendStringInfoChar(buf, '{');
	appendBinaryStringInfo(buf, key, len);
	appendStringInfoString(buf, "}~behind");
}

void
rtc_beside_glob(StringInfo buf, const char *glob, bool braces)
{
	/* RTC_LEASE_SUFFIX and RTC_QUERY_SUFFIX */
	appendStringInfo(buf, braces ? "{%s}%s" : "%s%s", glob,
					 "~[lq][eu][ae][sr][ey]");
}

bool
rtc_is_inbox_name(const char *name, size_t len, size_t prefixlen)
{
	static const char *const suffix[] = {RTC_INBOX_SUFFIX, RTC_DEAD_SUFFIX};

	for (int i = 0; i < lengthof(suffix); i++)
		if (len == prefixlen + strlen(suffix[i]) &&
			memcmp(name + prefixlen, suffix[i], strlen(suffix[i])) == 0)
			return true;
	return false;
}

void
rtc_tag_name(StringInfo buf, const char *prefix, size_t prefixlen, RtcDep dep)
{
	appendBinaryStringInfo(buf, prefix, prefixlen);
	appendStringInfo(buf, RTC_TAG_INFIX "%016llx", (unsigned long long) dep);
}

bool
rtc_tag_parse(const char *name, size_t len, size_t *prefixlen, RtcDep *dep)
{
	size_t		tail = strlen(RTC_TAG_INFIX) + RTC_TAG_DIGITS;
	char		digits[RTC_TAG_DIGITS + 1] = "";

	if (len <= tail ||
		memcmp(name + len - tail, RTC_TAG_INFIX, strlen(RTC_TAG_INFIX)) != 0)
		return false;
	memcpy(digits, name + len - RTC_TAG_DIGITS, RTC_TAG_DIGITS);
	if (strspn(digits, "0123456789abcdef") != RTC_TAG_DIGITS)
		return false;
	*dep = strtou64(digits, NULL, 16);
	*prefixlen = len - tail;
	return true;
}

const char *
rtc_position_key(void)
{
	static char name[64] = "";

	if (name[0] == '\0')
		snprintf(name, sizeof(name), RTC_POSITION_KEY UINT64_FORMAT,
				 GetSystemIdentifier());
	return name;
}

const char *
rtc_system_name(void)
{
	return rtc_position_key() + strlen(RTC_POSITION_KEY);
}

void
rtc_lsn_text(XLogRecPtr lsn, char text[RTC_LSN_LEN])
{
	snprintf(text, RTC_LSN_LEN, "%X/%X", LSN_FORMAT_ARGS(lsn));
}

XLogRecPtr
rtc_lsn_parse(const char *text)
{
	uint32		high;
	uint32		low;

	if (sscanf(text, "%X/%X", &high, &low) != 2)
		return InvalidXLogRecPtr;
	return ((uint64) high) << 32 | low;
}

XLogRecPtr
rtc_reply_lsn(const RtcReply *reply)
{
	return reply->type == RTC_REPLY_STRING ? rtc_lsn_parse(reply->str) :
		InvalidXLogRecPtr;
}

void
rtc_epoch_text(uint64 epoch, char text[RTC_EPOCH_LEN])
{
	snprintf(text, RTC_EPOCH_LEN, "%016llx", (unsigned long long) epoch);
}
