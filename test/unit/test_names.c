/*-------------------------------------------------------------------------
 *
 * test_names.c
 *		Names in Redis, and texts in the position.
 *
 * rooms: redis/names
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "redis/names.h"
#include "unit.h"

/* The bytes of a C string and their number. */
#define BYTES(text)		(text), strlen(text)

uint64
GetSystemIdentifier(void)
{
	return UINT64CONST(7000000000000000001);
}

/* The name of the lease of a key. */
static const char *
lease(const char *key)
{
	StringInfoData buf;

	initStringInfo(&buf);
	rtc_lease_name(&buf, key, strlen(key));
	return buf.data;
}

static void
test_names(void)
{
	StringInfoData buf;
	RtcDep		dep;
	size_t		prefixlen;

	is_text(lease("db:a"), "{db:a}~lease", "a key becomes the hash tag of its lease");
	is_text(lease("db:{a}:b"), "db:{a}:b~lease", "a key with a hash tag keeps it");
	is_text(lease("db:{}a"), "{db:{}a}~lease", "an empty hash tag is none");
	is_text(lease("db:a}{b"), "{db:a}{b}~lease", "nor is one without an end");
	is_text(lease("db:}{a}"), "db:}{a}~lease", "a brace in front of it does not end it");
	initStringInfo(&buf);
	rtc_query_name(&buf, BYTES("db:a"));
	is_text(buf.data, "{db:a}~query", "the companion has another suffix");

	resetStringInfo(&buf);
	rtc_tag_name(&buf, BYTES("db:"), UINT64CONST(0x0123456789abcdef));
	is_text(buf.data, "db:~tag:0123456789abcdef", "the name of a tag set");
	ok(rtc_tag_parse(BYTES(buf.data), &prefixlen, &dep), "is known as one");
	is_int(prefixlen, 3, "its prefix comes back");
	ok(dep == UINT64CONST(0x0123456789abcdef), "and its dependency");
	ok(!rtc_tag_parse(BYTES("~tag:0123456789abcdef"), &prefixlen, &dep),
	   "a tag set has a prefix");
	ok(!rtc_tag_parse(BYTES("db:~tag:0123456789abcdeF"), &prefixlen, &dep),
	   "and digits in lower case");
	ok(!rtc_tag_parse(BYTES("db:~tag:0123456789abcde"), &prefixlen, &dep), "no fewer than 16");
	ok(!rtc_tag_parse(BYTES("db:~tag:00123456789abcdef"), &prefixlen, &dep), "and no more");
}

static void
test_position(void)
{
	char		text[RTC_LSN_LEN];
	char		epoch[RTC_EPOCH_LEN];
	RtcReply	reply = {.type = RTC_REPLY_NIL};

	is_text(rtc_position_key(), "rtcache:position:7000000000000000001",
			"the position is named after the system");
	is_text(rtc_system_name(), "7000000000000000001", "which is an owner, too");
	rtc_lsn_text(UINT64CONST(0xffffffff0000000a), text);
	is_text(text, "FFFFFFFF/A", "an LSN as text");
	ok(rtc_lsn_parse(text) == UINT64CONST(0xffffffff0000000a), "comes back");
	ok(rtc_lsn_parse("1") == InvalidXLogRecPtr, "half of one is none");
	ok(rtc_reply_lsn(&reply) == InvalidXLogRecPtr, "nor is no reply");
	rtc_epoch_text(10, epoch);
	is_text(epoch, "000000000000000a", "an epoch has 16 digits");
}

int
main(void)
{
	test_names();
	test_position();
	return done_testing();
}
