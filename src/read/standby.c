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
 * commit_lsn bounds what lookups of the primary have filled as well: a fill is
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
#include "compat.h"
#include "guc.h"
#include "read/redis_backend.h"
#include "read/standby.h"
#include "redis/breaker.h"
#include "redis/session.h"
#include "relay/position.h"

static RtcReply *ask(const char *key, uint32 keylen, const char *field);
static bool position_fits(const RtcReply *position, TimeLineID tli,
						  XLogRecPtr begin);
static bool reply_is(const RtcReply *reply, const char *text);
static XLogRecPtr timeline_begin(TimeLineID tli);

bool
rtc_standby_get(const char *key, uint32 keylen, RtcValue *value)
{
	TimeLineID	tli;
	XLogRecPtr	begin = GetCurrentReplayRecPtr(&tli);
	char		prefix[RTC_MAX_PREFIX_LEN];
	char		field[RTC_MAX_PREFIX_LEN + 8];
	char	   *dbname = get_database_name(MyDatabaseId);
	StringInfoData name;
	RtcReply   *exec;

	if (!RtcRedisConfigured() || dbname == NULL ||
		!rtc_prefix_expand(rtc_key_prefix, dbname, prefix) ||
		!rtc_backend_begin_standby())
		return false;

	snprintf(field, sizeof(field), "prefix:%s", prefix);
	initStringInfo(&name);
	appendStringInfoString(&name, prefix);
	appendBinaryStringInfo(&name, key, keylen);
	exec = ask(name.data, name.len, field);
	if (exec == NULL || !position_fits(&exec->elems[0], tli, begin) ||
		exec->elems[1].type != RTC_REPLY_STRING)
		return false;
	value->value = exec->elems[1].str;
	value->len = exec->elems[1].len;
	value->ttl_ms = exec->elems[2].integer;
	value->companion = NULL;
	value->companionlen = 0;
	return true;
}

/*
 * Asks for the position and the value, as they are at one moment.  NULL =
 * Redis did not answer as it should, which is counted.
 */
static RtcReply *
ask(const char *key, uint32 keylen, const char *field)
{
	const char *multi[] = {"MULTI"};
	const char *hmget[] = {"HMGET", rtc_position_key(), "verified_lsn",
	"commit_lsn", "timeline", "timeline_begin", "horizon", field};
	const char *get[] = {"GET", key};
	const char *pttl[] = {"PTTL", key};
	const char *exec[] = {"EXEC"};
	size_t		multilen[] = {5};
	size_t		hmgetlen[lengthof(hmget)];
	size_t		getlen[] = {3, keylen};
	size_t		pttllen[] = {4, keylen};
	size_t		execlen[] = {4};
	RtcReply   *replies;
	RtcReply   *reply;

	for (int i = 0; i < lengthof(hmget); i++)
		hmgetlen[i] = strlen(hmget[i]);
	rtc_backend_append(1, multi, multilen);
	rtc_backend_append(lengthof(hmget), hmget, hmgetlen);
	rtc_backend_append(2, get, getlen);
	rtc_backend_append(2, pttl, pttllen);
	rtc_backend_append(1, exec, execlen);
	replies = rtc_backend_ask(5);
	if (replies == NULL)
		return NULL;

	reply = &replies[4];
	for (int i = 0; i < 4; i++)
		if (replies[i].type == RTC_REPLY_ERROR)
			reply = &replies[i];
	if (reply->type != RTC_REPLY_ARRAY || reply->nelems != 3 ||
		reply->elems[0].type != RTC_REPLY_ARRAY ||
		reply->elems[0].nelems != lengthof(hmget) - 2 ||
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
	if (!reply_is(&field[2], number) || !reply_is(&field[4], "0"))
		return false;
	snprintf(number, sizeof(number), "%u", MyDatabaseId);
	if (!reply_is(&field[5], number))
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

static bool
reply_is(const RtcReply *reply, const char *text)
{
	return reply->type == RTC_REPLY_STRING && strcmp(reply->str, text) == 0;
}
