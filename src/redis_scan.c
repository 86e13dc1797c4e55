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
#include "redis_scan.h"
#include "redis_conn.h"

/* Buckets that one SCAN step looks at, and most keys of one UNLINK. */
#define RTC_SCAN_COUNT		"500"
#define RTC_UNLINK_CHUNK	500

static RtcConnResult scan(RtcConn *conn, const char *glob, size_t globlen,
						  int timeout_ms, uint64 *deleted);
static RtcConnResult scan_steps(RtcConn *conn, const char *glob,
								size_t globlen, int timeout_ms,
								MemoryContext step, uint64 *deleted);
static bool read_step(RtcConn *conn, const RtcReply *reply,
					  char *cursor, size_t cursorlen);
static int	append_unlinks(RtcConn *conn, const RtcReply *keys);
static void append_scan(RtcConn *conn, const char *cursor, const char *glob,
						size_t globlen);

/*
 * Deletes matching keys and their leases.  A lease is named {key}~lease, or
 * key~lease if the key has a hash tag of its own (see rtc_lease_name()).
 *
 * All leases go before the first value.  The other way round, a reader from
 * before could store its value behind the scan of the values and have its
 * lease deleted too late.
 */
RtcConnResult
rtc_delete_matching(RtcConn *conn, const char *glob, size_t globlen,
					int timeout_ms, uint64 *deleted)
{
	RtcConnResult result;
	StringInfoData lease;
	uint64		leases = 0;

	initStringInfo(&lease);
	appendStringInfoChar(&lease, '{');
	appendBinaryStringInfo(&lease, glob, globlen);
	appendStringInfoString(&lease, "}" RTC_LEASE_SUFFIX);
	result = scan(conn, lease.data, lease.len, timeout_ms, &leases);

	if (result == RTC_CONN_OK)
	{
		resetStringInfo(&lease);
		appendBinaryStringInfo(&lease, glob, globlen);
		appendStringInfoString(&lease, RTC_LEASE_SUFFIX);
		result = scan(conn, lease.data, lease.len, timeout_ms, &leases);
	}

	RTC_INJECT("scan_leases_deleted");
	pfree(lease.data);
	if (result == RTC_CONN_OK)
		result = scan(conn, glob, globlen, timeout_ms, deleted);
	return result;
}

/*
 * Deletes all keys that match one glob.
 */
static RtcConnResult
scan(RtcConn *conn, const char *glob, size_t globlen, int timeout_ms,
	 uint64 *deleted)
{
	MemoryContext step;
	RtcConnResult result;

	step = AllocSetContextCreate(CurrentMemoryContext, "rtcache scan step",
								 ALLOCSET_DEFAULT_SIZES);
	result = scan_steps(conn, glob, globlen, timeout_ms, step, deleted);
	MemoryContextDelete(step);
	return result;
}

static RtcConnResult
scan_steps(RtcConn *conn, const char *glob, size_t globlen, int timeout_ms,
		   MemoryContext step, uint64 *deleted)
{
	char		cursor[32] = "0";
	int			nunlinks = 0;
	bool		scanning = true;

	append_scan(conn, cursor, glob, globlen);

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
		if (!read_step(conn, &replies[nunlinks], cursor, sizeof(cursor)))
			return RTC_CONN_FAILED;

		nunlinks = append_unlinks(conn, &replies[nunlinks].elems[1]);
		RTC_INJECT("scan_step");
		scanning = strcmp(cursor, "0") != 0;
		if (scanning)
			append_scan(conn, cursor, glob, globlen);
	}
	return RTC_CONN_OK;
}

/*
 * Checks the reply to SCAN and takes the new cursor from it.
 */
static bool
read_step(RtcConn *conn, const RtcReply *reply, char *cursor, size_t cursorlen)
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
append_unlinks(RtcConn *conn, const RtcReply *keys)
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

		if (key->type == RTC_REPLY_STRING)
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

static void
append_scan(RtcConn *conn, const char *cursor, const char *glob,
			size_t globlen)
{
	const char *argv[] = {"SCAN", cursor, "MATCH", glob, "COUNT", RTC_SCAN_COUNT};
	size_t		argvlen[] = {4, strlen(cursor), 5, globlen, 5,
	strlen(RTC_SCAN_COUNT)};

	rtc_conn_append(conn, lengthof(argv), argv, argvlen);
}
