/*-------------------------------------------------------------------------
 *
 * redis_scan.c
 *		Deletes from Redis whatever matches a pattern.
 *
 * Redis has no command for it, and one would block everybody else.  So SCAN
 * goes through the keyspace in steps, and what a step found is unlinked while
 * the next one is asked for, in one round trip.
 *
 * SCAN guarantees to return each key that exists from its first step to its
 * last; it may return a key twice, or one that has been written meanwhile.
 * Both do no harm: a cached value may be deleted at any time.
 *
 * Model: called by the relay, on its connection.  Memory is bounded by one
 * step.  An ERROR (termination) closes the connection, as always.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "inject.h"
#include "key.h"
#include "publish.h"
#include "redis_scan.h"
#include "redis_conn.h"

/* What follows a key in the names of its lease and companion, as a glob. */
#define RTC_BESIDE_GLOB		"~[lq][eu][ae][sr][ey]"

/* Buckets that one SCAN step looks at, and most keys of one UNLINK. */
#define RTC_SCAN_COUNT		"500"
#define RTC_UNLINK_CHUNK	500

/* Instead of the length of a prefix: all tag sets stay. */
#define RTC_ALL_TAGS		SIZE_MAX

static RtcConnResult scan(RtcConn *conn, const char *glob, size_t globlen,
						  size_t keep, int timeout_ms, uint64 *deleted);
static RtcConnResult publish(RtcConn *conn, const char *glob, size_t globlen,
							 int timeout_ms);
static RtcConnResult scan_steps(RtcConn *conn, const char *glob,
								size_t globlen, size_t keep, int timeout_ms,
								MemoryContext step, uint64 *deleted);
static int	append_unlinks(RtcConn *conn, const RtcReply *keys, size_t keep);
static bool is_kept(const RtcReply *key, size_t keep);

/*
 * Deletes matching keys with their leases and companions, which are named
 * {key}~lease, or key~lease if the key has a hash tag of its own, and likewise
 * (see key.c).
 *
 * All leases go before the first value.  The other way round, a reader from
 * before could store its value behind the scan of the values and have its
 * lease deleted too late.  A value without its companion is nobody's hit.
 *
 * Tag sets, if they go, are the last: as long as a value is there, a drop finds
 * it.
 */
RtcConnResult
rtc_delete_matching(RtcConn *conn, const char *glob, size_t globlen,
					size_t keep, int timeout_ms, uint64 *deleted)
{
	RtcConnResult result;
	StringInfoData beside;
	uint64		others = 0;

	initStringInfo(&beside);
	appendStringInfoChar(&beside, '{');
	appendBinaryStringInfo(&beside, glob, globlen);
	appendStringInfoString(&beside, "}" RTC_BESIDE_GLOB);
	result = scan(conn, beside.data, beside.len, 0, timeout_ms, &others);

	if (result == RTC_CONN_OK)
	{
		resetStringInfo(&beside);
		appendBinaryStringInfo(&beside, glob, globlen);
		appendStringInfoString(&beside, RTC_BESIDE_GLOB);
		result = scan(conn, beside.data, beside.len, 0, timeout_ms, &others);
	}

	RTC_INJECT("scan_leases_deleted");
	pfree(beside.data);
	if (result == RTC_CONN_OK)
		result = scan(conn, glob, globlen, keep > 0 ? keep : RTC_ALL_TAGS,
					  timeout_ms, deleted);
	if (result == RTC_CONN_OK && keep == 0)
		result = scan(conn, glob, globlen, 0, timeout_ms, deleted);
	if (result == RTC_CONN_OK)
		result = publish(conn, glob, globlen, timeout_ms);
	return result;
}

/*
 * Tells subscribers what was deleted, whether or not it was there: they may
 * know keys that Redis has not had for long.
 */
static RtcConnResult
publish(RtcConn *conn, const char *glob, size_t globlen, int timeout_ms)
{
	RtcReply   *replies;
	int			nreplies;

	if (!rtc_publish_glob(conn, glob, globlen))
		return RTC_CONN_OK;
	if (rtc_conn_exchange(conn, timeout_ms, &replies, &nreplies) != RTC_CONN_OK)
		return RTC_CONN_FAILED;
	if (replies[0].type != RTC_REPLY_ERROR)
		return RTC_CONN_OK;
	rtc_conn_fail(conn, "%s", replies[0].str);
	return RTC_CONN_FAILED;
}

/*
 * Deletes all keys that match one glob.
 */
static RtcConnResult
scan(RtcConn *conn, const char *glob, size_t globlen, size_t keep,
	 int timeout_ms, uint64 *deleted)
{
	MemoryContext step;
	RtcConnResult result;

	step = AllocSetContextCreate(CurrentMemoryContext, "rtcache scan step",
								 ALLOCSET_DEFAULT_SIZES);
	result = scan_steps(conn, glob, globlen, keep, timeout_ms, step, deleted);
	MemoryContextDelete(step);
	return result;
}

static RtcConnResult
scan_steps(RtcConn *conn, const char *glob, size_t globlen, size_t keep,
		   int timeout_ms, MemoryContext step, uint64 *deleted)
{
	char		cursor[32] = "0";
	int			nunlinks = 0;
	bool		scanning = true;

	rtc_scan_append(conn, cursor, glob, globlen);

	while (scanning || nunlinks > 0)
	{
		MemoryContext old;
		RtcReply   *replies;
		int			nreplies;
		RtcConnResult result;

		CHECK_FOR_INTERRUPTS();

		MemoryContextReset(step);
		old = MemoryContextSwitchTo(step);
		result = rtc_conn_exchange(conn, timeout_ms, &replies, &nreplies);
		MemoryContextSwitchTo(old);
		if (result != RTC_CONN_OK)
			return RTC_CONN_FAILED;

		/* First the unlinks of the step before, then this step. */
		for (int i = 0; i < nunlinks; i++)
		{
			if (replies[i].type != RTC_REPLY_INTEGER)
			{
				rtc_conn_fail(conn, "%s", replies[i].type == RTC_REPLY_ERROR ?
							  replies[i].str : "unexpected reply to UNLINK");
				return RTC_CONN_FAILED;
			}
			*deleted += replies[i].integer;
		}

		if (!scanning)
			break;
		if (!rtc_scan_read(conn, &replies[nunlinks], cursor, sizeof(cursor)))
			return RTC_CONN_FAILED;

		nunlinks = append_unlinks(conn, &replies[nunlinks].elems[1], keep);
		RTC_INJECT("scan_step");
		scanning = strcmp(cursor, "0") != 0;
		if (scanning)
			rtc_scan_append(conn, cursor, glob, globlen);
	}
	return RTC_CONN_OK;
}

/*
 * Checks the reply to SCAN and takes the new cursor from it.
 */
bool
rtc_scan_read(RtcConn *conn, const RtcReply *reply, char *cursor,
			  size_t cursorlen)
{
	if (reply->type == RTC_REPLY_ERROR)
	{
		rtc_conn_fail(conn, "%s", reply->str);
		return false;
	}
	if (reply->type != RTC_REPLY_ARRAY || reply->nelems != 2 ||
		reply->elems[0].type != RTC_REPLY_STRING ||
		reply->elems[0].len == 0 || reply->elems[0].len >= cursorlen ||
		reply->elems[1].type != RTC_REPLY_ARRAY)
	{
		rtc_conn_fail(conn, "unexpected reply to SCAN");
		return false;
	}
	strlcpy(cursor, reply->elems[0].str, cursorlen);
	return true;
}

/*
 * Appends UNLINK commands for an array of keys; returns how many.
 */
static int
append_unlinks(RtcConn *conn, const RtcReply *keys, size_t keep)
{
	const char *argv[RTC_UNLINK_CHUNK + 1];
	size_t		argvlen[RTC_UNLINK_CHUNK + 1];
	int			argc = 1;
	int			ncommands = 0;

	argv[0] = "UNLINK";
	argvlen[0] = 6;
	for (int i = 0; i < keys->nelems; i++)
	{
		const RtcReply *key = &keys->elems[i];

		if (key->type == RTC_REPLY_STRING && !is_kept(key, keep))
		{
			argv[argc] = key->str;
			argvlen[argc] = key->len;
			argc++;
		}
		if (argc > RTC_UNLINK_CHUNK || (argc > 1 && i == keys->nelems - 1))
		{
			rtc_conn_append(conn, argc, argv, argvlen);
			ncommands++;
			argc = 1;
		}
	}
	return ncommands;
}

void
rtc_scan_append(RtcConn *conn, const char *cursor, const char *glob,
				size_t globlen)
{
	const char *argv[] = {"SCAN", cursor, "MATCH", glob, "COUNT", RTC_SCAN_COUNT};
	size_t		argvlen[] = {4, strlen(cursor), 5, globlen, 5,
	strlen(RTC_SCAN_COUNT)};

	rtc_conn_append(conn, lengthof(argv), argv, argvlen);
}

/* Is it a tag set that is to stay? */
static bool
is_kept(const RtcReply *key, size_t keep)
{
	size_t		prefixlen;
	RtcDep		dep;

	return keep > 0 && rtc_tag_parse(key->str, key->len, &prefixlen, &dep) &&
		(prefixlen == keep || keep == RTC_ALL_TAGS);
}
