/*-------------------------------------------------------------------------
 *
 * standby.c
 *		Values from Redis on a hot standby.
 *
 * A standby has no stamps and no relay, but it knows how far it has replayed,
 * and the position in Redis tells of which part of the same history Redis has
 * the writes.  Let R0 be the end of the record that is being replayed when the
 * lookup begins, R1 the end of the last one that has been replayed when Redis
 * has answered.  A value counts if it was read, in one EXEC, with a position
 * on our timeline in which
 *
 *		verified_lsn >= R0	so the value has every commit that can be seen here
 *							when the lookup begins; and
 *		commit_lsn <= R1	so it has none that cannot be seen here by now.
 *
 * Then it is the value that this standby has at R0, or has replayed since:
 * what the query would have returned at a moment of the call.  Without the
 * second condition Redis might be ahead of us; the answer would be newer than
 * the query's, and a later lookup that has to run the query would go back.
 *
 * commit_lsn also bounds what lookups of the primary have filled: a fill is
 * given up if anybody has written since its stamps were taken, and Redis had
 * everything of before.
 *
 * Nothing is stored: only a primary knows what may be.  That the prefix belongs
 * to our database is asked for along with the position.
 *
 * Model: any backend of a standby, inside a transaction.  Raises for query
 * cancel and termination only.  No locks.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/timeline.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"

#include "base/key.h"
#include "base/wal_bounds.h"
#include "compat.h"
#include "guc.h"
#include "op.h"
#include "read/redis_backend.h"
#include "read/standby.h"
#include "redis/breaker.h"
#include "redis/names.h"

static RtcReply *ask(RtcConn *conn, const char *key, const char *field);
static bool position_fits(const RtcReply *position, TimeLineID tli,
						  XLogRecPtr begin);
static XLogRecPtr timeline_begin(TimeLineID tli);

/* The fields that are asked for, in this order; the last is the prefix's. */
#define NFIELDS		6

bool
rtc_standby_get(const char *key, uint32 keylen, RtcValue *value)
{
	TimeLineID	tli;
	XLogRecPtr	begin = GetCurrentReplayRecPtr(&tli);
	char		prefix[RTC_MAX_PREFIX_LEN];
	char	   *dbname = get_database_name(MyDatabaseId);
	RtcConn    *conn;
	RtcReply   *exec;

	if (!RtcRedisConfigured() || dbname == NULL ||
		!rtc_prefix_expand(rtc_key_prefix, dbname, prefix))
		return false;
	conn = rtc_backend_begin_standby();
	if (conn == NULL)
		return false;

	exec = ask(conn, psprintf("%s%.*s", prefix, (int) keylen, key),
			   psprintf(RTC_POS_PREFIX "%s", prefix));
	if (exec == NULL || !position_fits(&exec->elems[0], tli, begin) ||
		exec->elems[1].type != RTC_REPLY_STRING)
		return false;
	/* no companion was asked for */
	rtc_value_take(value, &exec->elems[1], &exec->elems[2],
				   exec->elems[2].integer);
	return true;
}

/*
 * Asks for the position and the value, as they are at one moment.  NULL =
 * Redis did not answer as it should, which is counted.
 */
static RtcReply *
ask(RtcConn *conn, const char *key, const char *field)
{
	RtcReply   *replies;
	RtcReply   *reply;

	rtc_conn_append_strings(conn, "MULTI", NULL);
	rtc_conn_append_strings(conn, "HMGET", rtc_position_key(),
							RTC_POS_VERIFIED_LSN, RTC_POS_COMMIT_LSN,
							RTC_POS_TIMELINE, RTC_POS_TIMELINE_BEGIN,
							RTC_POS_HORIZON, field, NULL);
	rtc_conn_append_strings(conn, "GET", key, NULL);
	rtc_conn_append_strings(conn, "PTTL", key, NULL);
	rtc_conn_append_strings(conn, "EXEC", NULL);
	replies = rtc_backend_ask(5);
	if (replies == NULL)
		return NULL;

	reply = &replies[4];
	for (int i = 0; i < 4; i++)
		if (replies[i].type == RTC_REPLY_ERROR)
			reply = &replies[i];
	if (!rtc_reply_is_array(reply, 3) ||
		!rtc_reply_is_array(&reply->elems[0], NFIELDS) ||
		reply->elems[2].type != RTC_REPLY_INTEGER)
	{
		rtc_backend_refuse(reply, "EXEC");
		return NULL;
	}
	rtc_breaker_success();
	return reply;
}

/*
 * Does what Redis holds agree with what is visible here now, and has been
 * since replay was at begin?
 */
static bool
position_fits(const RtcReply *position, TimeLineID tli, XLogRecPtr begin)
{
	const RtcReply *field = position->elems;
	XLogRecPtr	commit = rtc_reply_lsn(&field[1]);
	char		number[16];

	/* the end comes after the answer */
	if (!RecoveryInProgress() || rtc_reply_lsn(&field[0]) < begin ||
		XLogRecPtrIsInvalid(commit) || commit > GetXLogReplayRecPtr(NULL))
		return false;

	snprintf(number, sizeof(number), "%u", tli);
	if (!rtc_reply_is_text(&field[2], number) || !rtc_reply_is_text(&field[4], "0"))
		return false;
	snprintf(number, sizeof(number), "%u", MyDatabaseId);
	if (!rtc_reply_is_text(&field[5], number))
		return false;

	/* two standbys may have made a timeline of the same number */
	return rtc_reply_lsn(&field[3]) == timeline_begin(tli);
}

/*
 * Where a timeline left its parent, as the position tells it.
 */
static XLogRecPtr
timeline_begin(TimeLineID tli)
{
	static TimeLineID known = 0;
	static XLogRecPtr begin;

	if (known != tli)
	{
		begin = rtc_timeline_begin(tli, readTimeLineHistory(tli));
		known = tli;
	}
	return begin;
}
