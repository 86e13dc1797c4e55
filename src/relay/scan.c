/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Deletes from Redis whatever matches a pattern.
 *
 * Redis has no command for it, and one would block everybody else.  So SCAN
 * goes through the keyspace in steps.  What a step found is unlinked while the
 * next one is asked for, in one round trip.
 *
 * SCAN returns each key that exists from its first step to its last.  It may
 * return a key twice, or one that was written meanwhile, which does no harm: a
 * cached value may be deleted at any time.  Redis keeps a cursor valid when its
 * hash table grows or shrinks.
 *
 * All leases go before the first value.  The other way round, a reader from
 * before could store its value behind the scan of the values and have its
 * lease deleted too late.  A value without its companion is nobody's hit.
 *
 * Tag sets, if they go, are the last: as long as a value is there, a drop finds
 * it.
 *
 * In the end subscribers are told, whether or not anything was there: they may
 * know keys that Redis has not had for long.
 *
 * Model: the relay, on its connection.  Memory is bounded by one step.  An
 * ERROR (termination) closes the connection.
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
#include "guc.h"
#include "redis/names.h"
#include "relay/publish.h"
#include "relay/scan.h"

/* Most keys of one UNLINK. */
#define RTC_UNLINK_CHUNK	500

/* Instead of the length of a prefix: all tag sets stay. */
#define RTC_ALL_TAGS		SIZE_MAX

static RtcJobResult run_pass(RtcConn *conn, RtcScan *scan, int64 until_us,
							 MemoryContext step);
static RtcJobResult tell(RtcConn *conn, RtcScan *scan);
static void move_to(RtcScan *scan, const char *cursor);
static void append_unlinks(RtcConn *conn, const RtcReply *keys,
						   size_t prefixlen, size_t keep);

void
rtc_scan_add(RtcScan *scan, const char *prefix, const RtcOp *op)
{
	StringInfoData glob;

	Assert(scan->nglobs < lengthof(scan->glob));
	initStringInfo(&glob);
	rtc_glob_escape(&glob, prefix, strlen(prefix));
	if (op != NULL && op->kind == RTC_OP_PATTERN)
	{
		appendBinaryStringInfo(&glob, op->key, op->keylen);
		scan->keep = strlen(prefix);
	}
	else
		appendStringInfoChar(&glob, '*');
	scan->prefixlen[scan->nglobs] = strlen(prefix);
	scan->glob[scan->nglobs++] = glob.data;
	strlcpy(scan->cursor, "0", sizeof(scan->cursor));
}

RtcJobResult
rtc_scan_run(RtcConn *conn, RtcScan *scan, int64 until_us)
{
	MemoryContext step = AllocSetContextCreate(CurrentMemoryContext,
											   "rtcache scan step",
											   ALLOCSET_DEFAULT_SIZES);
	RtcJobResult result = RTC_JOB_DONE;

	while (result == RTC_JOB_DONE && scan->current < scan->nglobs)
	{
		if (scan->pass == RTC_SCAN_PASSES)
			result = tell(conn, scan);
		else if (scan->pass == RTC_SCAN_PASSES - 1 && scan->keep > 0)
			scan->pass++;
		else
			result = run_pass(conn, scan, until_us, step);
	}
	MemoryContextDelete(step);
	return result;
}

/*
 * Goes on with the pass that the scan is in.  Each step brings keys while those
 * of the one before are unlinked.  The scan's cursor moves when that is
 * confirmed.
 */
static RtcJobResult
run_pass(RtcConn *conn, RtcScan *scan, int64 until_us, MemoryContext step)
{
	StringInfoData glob;
	size_t		keep = 0;
	char		next[RTC_CURSOR_LEN];
	bool		asked = true;

	initStringInfo(&glob);
	if (scan->pass < 2)
		rtc_beside_glob(&glob, scan->glob[scan->current], scan->pass == 0);
	else
		appendStringInfoString(&glob, scan->glob[scan->current]);
	if (scan->pass == 2)
		keep = scan->keep > 0 ? scan->keep : RTC_ALL_TAGS;

	strlcpy(next, scan->cursor, sizeof(next));
	rtc_scan_append(conn, next, glob.data);
	do
	{
		MemoryContext old;
		RtcReply   *replies;
		int			nunlinks;

		CHECK_FOR_INTERRUPTS();

		MemoryContextReset(step);
		old = MemoryContextSwitchTo(step);
		replies = rtc_conn_exchange(conn, rtc_command_timeout, &nunlinks);
		MemoryContextSwitchTo(old);
		if (replies == NULL)
			return RTC_JOB_DOWN;

		/* first the unlinks of the step before, then this step */
		if (asked)
			nunlinks--;
		for (int i = 0; i < nunlinks; i++)
		{
			if (replies[i].type != RTC_REPLY_INTEGER)
			{
				rtc_conn_fail(conn, "%s", replies[i].type == RTC_REPLY_ERROR ?
							  replies[i].str : "unexpected reply to UNLINK");
				return RTC_JOB_DOWN;
			}
			if (scan->pass >= 2)
				scan->deleted += replies[i].integer;
		}
		move_to(scan, next);
		if (!asked)
			break;

		if (!rtc_scan_read(conn, &replies[nunlinks], next))
			return RTC_JOB_DOWN;
		append_unlinks(conn, &replies[nunlinks].elems[1],
					   scan->prefixlen[scan->current], keep);
		RTC_INJECT("scan_step");
		asked = strcmp(next, "0") != 0 && rtc_clock_us() < until_us;
		if (asked)
			rtc_scan_append(conn, next, glob.data);
	} while (rtc_conn_outstanding(conn) > 0);
	pfree(glob.data);
	move_to(scan, next);
	if (strcmp(next, "0") != 0)
		return RTC_JOB_LATER;
	scan->pass++;
	scan->steps = 0;
	if (scan->pass == 2)
		RTC_INJECT("scan_leases_deleted");
	return RTC_JOB_DONE;
}

/*
 * Tells subscribers, and goes to the next glob.
 */
static RtcJobResult
tell(RtcConn *conn, RtcScan *scan)
{
	if (rtc_publish_glob(conn, scan->glob[scan->current]) &&
		rtc_conn_ask(conn, rtc_command_timeout, NULL) == NULL)
		return RTC_JOB_DOWN;
	scan->current++;
	scan->pass = 0;
	return RTC_JOB_DONE;
}

/*
 * Notes that all that is before the cursor is deleted.
 */
static void
move_to(RtcScan *scan, const char *cursor)
{
	if (strcmp(scan->cursor, cursor) == 0)
		return;
	strlcpy(scan->cursor, cursor, sizeof(scan->cursor));
	scan->steps++;
}

bool
rtc_scan_read(RtcConn *conn, const RtcReply *reply,
			  char cursor[RTC_CURSOR_LEN])
{
	if (rtc_conn_judge(conn, reply, 1) != RTC_CONN_OK)
		return false;
	if (!rtc_reply_is_array(reply, 2) ||
		reply->elems[0].type != RTC_REPLY_STRING ||
		reply->elems[0].len == 0 || reply->elems[0].len >= RTC_CURSOR_LEN ||
		reply->elems[1].type != RTC_REPLY_ARRAY)
	{
		rtc_conn_fail(conn, "unexpected reply to SCAN");
		return false;
	}
	strlcpy(cursor, reply->elems[0].str, RTC_CURSOR_LEN);
	return true;
}

/* Is it an inbox, or a tag set that is to stay? */
static bool
is_kept(const RtcReply *key, size_t prefixlen, size_t keep)
{
	size_t		taglen;
	RtcDep		dep;

	if (rtc_is_inbox_name(key->str, key->len, prefixlen))
		return true;
	return keep > 0 && rtc_tag_parse(key->str, key->len, &taglen, &dep) &&
		(taglen == keep || keep == RTC_ALL_TAGS);
}

/*
 * Appends UNLINK commands for an array of keys.
 */
static void
append_unlinks(RtcConn *conn, const RtcReply *keys, size_t prefixlen,
			   size_t keep)
{
	RtcArgs		args = {0};

	rtc_args_begin(&args, "UNLINK");
	for (int i = 0; i < keys->nelems; i++)
	{
		const RtcReply *key = &keys->elems[i];

		if (key->type == RTC_REPLY_STRING &&
			!is_kept(key, prefixlen, keep))
			rtc_args_bytes(&args, key->str, key->len);
		if (args.n > RTC_UNLINK_CHUNK)
		{
			rtc_conn_append(conn, &args);
			rtc_args_begin(&args, "UNLINK");
		}
	}
	if (args.n > 1)
		rtc_conn_append(conn, &args);
	rtc_args_free(&args);
}

void
rtc_scan_append(RtcConn *conn, const char *cursor, const char *glob)
{
	rtc_conn_append_strings(conn, "SCAN", cursor, "MATCH", glob, "COUNT",
							CppAsString2(RTC_SCAN_COUNT), NULL);
}
