/*-------------------------------------------------------------------------
 *
 * scan.c
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
 * A cursor is a place in the hash table and no state of a connection, and Redis
 * keeps it valid when the table grows or shrinks.  So a scan that was cut off
 * goes on at the last step whose keys are known to be deleted, however often the
 * connection is lost.
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

#include "base/clock.h"
#include "base/inject.h"
#include "base/key.h"
#include "redis/conn.h"
#include "relay/publish.h"
#include "relay/scan.h"

/* What follows a key in the names of its lease and companion, as a glob. */
#define RTC_BESIDE_GLOB		"~[lq][eu][ae][sr][ey]"

/* Most keys of one UNLINK. */
#define RTC_UNLINK_CHUNK	500

/* Instead of the length of a prefix: all tag sets stay. */
#define RTC_ALL_TAGS		SIZE_MAX

static RtcConnResult publish(RtcConn *conn, const char *glob, size_t globlen,
							 int timeout_ms);
static RtcScanResult run_pass(RtcConn *conn, RtcScan *scan, int timeout_ms,
							  int64 until_us);
static RtcScanResult run_steps(RtcConn *conn, RtcScan *scan, const char *glob,
							   size_t globlen, int timeout_ms, int64 until_us,
							   MemoryContext step);
static void move_to(RtcScan *scan, const char *cursor);
static int	append_unlinks(RtcConn *conn, const RtcReply *keys, size_t keep);
static bool is_kept(const RtcReply *key, size_t keep);

void
rtc_scan_begin(RtcScan *scan, const char *glob, size_t globlen, size_t keep)
{
	memset(scan, 0, sizeof(*scan));
	scan->glob = pnstrdup(glob, globlen);
	scan->globlen = globlen;
	scan->keep = keep;
	strlcpy(scan->cursor, "0", sizeof(scan->cursor));
}

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
RtcScanResult
rtc_scan_run(RtcConn *conn, RtcScan *scan, int timeout_ms, int64 until_us)
{
	while (scan->pass < RTC_SCAN_PASSES)
	{
		RtcScanResult result = run_pass(conn, scan, timeout_ms, until_us);

		if (result != RTC_SCAN_DONE)
			return result;
		scan->pass++;
		scan->steps = 0;
		strlcpy(scan->cursor, "0", sizeof(scan->cursor));
		if (scan->pass == 2)
			RTC_INJECT("scan_leases_deleted");
	}
	return publish(conn, scan->glob, scan->globlen, timeout_ms) == RTC_CONN_OK ?
		RTC_SCAN_DONE : RTC_SCAN_FAILED;
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
 * Goes on with the pass that the scan is in.
 */
static RtcScanResult
run_pass(RtcConn *conn, RtcScan *scan, int timeout_ms, int64 until_us)
{
	MemoryContext step;
	StringInfoData glob;
	RtcScanResult result;

	if (scan->pass == RTC_SCAN_PASSES - 1 && scan->keep > 0)
		return RTC_SCAN_DONE;
	step = AllocSetContextCreate(CurrentMemoryContext, "rtcache scan step",
								 ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&glob);
	if (scan->pass == 0)
		appendStringInfoChar(&glob, '{');
	appendBinaryStringInfo(&glob, scan->glob, scan->globlen);
	if (scan->pass == 0)
		appendStringInfoChar(&glob, '}');
	if (scan->pass < 2)
		appendStringInfoString(&glob, RTC_BESIDE_GLOB);
	result = run_steps(conn, scan, glob.data, glob.len, timeout_ms, until_us,
					   step);
	pfree(glob.data);
	MemoryContextDelete(step);
	return result;
}

/*
 * Makes steps, each of which brings keys while those of the one before are
 * unlinked.  The scan's cursor moves when that is confirmed.
 */
static RtcScanResult
run_steps(RtcConn *conn, RtcScan *scan, const char *glob, size_t globlen,
		  int timeout_ms, int64 until_us, MemoryContext step)
{
	size_t		keep = 0;
	char		next[RTC_CURSOR_LEN];
	int			nunlinks = 0;
	bool		asked = true;
	bool		ended = false;

	if (scan->pass == 2)
		keep = scan->keep > 0 ? scan->keep : RTC_ALL_TAGS;
	strlcpy(next, scan->cursor, sizeof(next));
	rtc_scan_append(conn, next, glob, globlen);
	for (;;)
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
			return RTC_SCAN_FAILED;

		/* First the unlinks of the step before, then this step. */
		for (int i = 0; i < nunlinks; i++)
		{
			if (replies[i].type != RTC_REPLY_INTEGER)
			{
				rtc_conn_fail(conn, "%s", replies[i].type == RTC_REPLY_ERROR ?
							  replies[i].str : "unexpected reply to UNLINK");
				return RTC_SCAN_FAILED;
			}
			if (scan->pass >= 2)
				scan->deleted += replies[i].integer;
		}
		move_to(scan, next);
		if (!asked)
			return ended ? RTC_SCAN_DONE : RTC_SCAN_MORE;

		if (!rtc_scan_read(conn, &replies[nunlinks], next, sizeof(next)))
			return RTC_SCAN_FAILED;
		nunlinks = append_unlinks(conn, &replies[nunlinks].elems[1], keep);
		RTC_INJECT("scan_step");
		ended = strcmp(next, "0") == 0;
		asked = !ended && rtc_clock_us() < until_us;
		if (asked)
			rtc_scan_append(conn, next, glob, globlen);
		else if (nunlinks == 0)
		{
			move_to(scan, next);
			return ended ? RTC_SCAN_DONE : RTC_SCAN_MORE;
		}
	}
}

/* All that is before the cursor is deleted. */
static void
move_to(RtcScan *scan, const char *cursor)
{
	if (strcmp(scan->cursor, cursor) == 0)
		return;
	strlcpy(scan->cursor, cursor, sizeof(scan->cursor));
	scan->steps++;
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
	const char *argv[] = {"SCAN", cursor, "MATCH", glob, "COUNT",
	CppAsString2(RTC_SCAN_COUNT)};
	size_t		argvlen[] = {4, strlen(cursor), 5, globlen, 5,
	strlen(CppAsString2(RTC_SCAN_COUNT))};

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
