/*-------------------------------------------------------------------------
 *
 * position.c
 *		Where Redis stands, and what follows from it.
 *
 * The position is written in the same EXEC as the ops it stands for.  So Redis
 * cannot lose one without the other, neither by a restart from an old snapshot
 * nor by a failover to a replica that lagged.  An EXEC can carry the new position
 * although one of its commands failed.  Therefore verified_lsn stands beside it,
 * up to which the replies were checked.  A relay that comes new to the position
 * starts again from there, and sets lsn back.  Applying twice does no harm.
 *
 * Each connection of the relay is an epoch of its own, with a random name, and
 * lookups believe no Redis of another one.  A command that fails inside EXEC
 * ends the connection.  So a position of the present epoch has nothing missing up
 * to its lsn, be it that of a replica that was promoted.
 *
 * See decision.c for what follows from it at each connect.
 *
 * Model: the relay alone.  Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/timeline.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/wal_bounds.h"
#include "guc.h"
#include "redis/names.h"
#include "redis/prefix_table.h"
#include "redis/trust.h"
#include "relay/position.h"
#include "stats.h"

/*
 * A hash with more fields, or bytes, is not our position, which has a dozen and a
 * prefix for each database that there has been.
 */
#define MAX_FIELDS		(16 * RTC_MAX_PREFIXES)
#define MAX_BYTES		(4 * 1024 * 1024)

static bool read_hash(RtcConn *conn, const RtcReply **hash,
					  const char **foreign);
static void set_field(RtcPosition *pos, const char *name, size_t namelen,
					  const char *value);
static bool is_owner(const RtcReply *reply, const char *owner);

RtcConnResult
rtc_position_load(RtcConn *conn, RtcPositionMemory *memory, RtcPosition *pos)
{
	const RtcReply *hash = NULL;
	const char *foreign = NULL;

	/* one that could not be read has cost the connection */
	if (memory->too_large)
		foreign = "it is too large";
	else if (!read_hash(conn, &hash, &foreign))
	{
		memory->too_large = rtc_conn_reply_was_too_large(conn);
		return RTC_CONN_FAILED;
	}
	if (foreign != NULL)
	{
		/* what we do ourselves breaks our WATCH as well: end that first */
		rtc_conn_append_strings(conn, "MULTI", NULL);
		rtc_conn_append_strings(conn, "EXEC", NULL);
		rtc_conn_append_strings(conn, "UNLINK", rtc_position_key(), NULL);
		if (rtc_conn_ask(conn, rtc_command_timeout, NULL) == NULL)
			return RTC_CONN_FAILED;
		memory->too_large = false;
		ereport(LOG,
				(errmsg("deleted key \"%s\" in Redis, which is no position of this server: %s",
						rtc_position_key(), foreign),
				 errdetail("Something else than rtcache has written to it.")));
		foreign = NULL;
		if (!read_hash(conn, &hash, &foreign))
			return RTC_CONN_FAILED;
	}
	if (foreign != NULL)
	{
		rtc_conn_fail(conn, "somebody else writes to key \"%s\"",
					  rtc_position_key());
		return RTC_CONN_FAILED;
	}

	memset(pos, 0, sizeof(*pos));
	pos->prefix = palloc((hash->nelems / 2 + 1) * RTC_MAX_PREFIX_LEN);
	pos->prefix_dboid = palloc((hash->nelems / 2 + 1) * sizeof(Oid));
	pos->prefix_closed = palloc((hash->nelems / 2 + 1) * sizeof(bool));
	for (int i = 0; i + 1 < hash->nelems; i += 2)
		if (hash->elems[i].str != NULL && hash->elems[i + 1].str != NULL)
			set_field(pos, hash->elems[i].str, hash->elems[i].len,
					  hash->elems[i + 1].str);

	strlcpy(pos->held_by, pos->owner, sizeof(pos->held_by));

	/* half a hash, after somebody's FLUSHALL or HDEL, is none */
	pos->found = pos->timeline != 0 &&
		!XLogRecPtrIsInvalid(pos->at.lsn) &&
		!XLogRecPtrIsInvalid(pos->at.verified_lsn) &&
		!XLogRecPtrIsInvalid(pos->at.restart_lsn);
	return RTC_CONN_OK;
}

/*
 * Watches the position and reads it; or tells, by a clause, why it is none of
 * ours.  False = Redis failed.  Its size is asked for first: everybody may write
 * to Redis, and the reply to a large one could take too long.  Not every Redis
 * user may ask for the bytes.
 */
static bool
read_hash(RtcConn *conn, const RtcReply **hash, const char **foreign)
{
	RtcReply   *replies;
	size_t		limit;

	rtc_conn_append_strings(conn, "WATCH", rtc_position_key(), NULL);
	rtc_conn_append_strings(conn, "HLEN", rtc_position_key(), NULL);
	replies = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	if (replies == NULL || rtc_conn_judge(conn, replies, 1) != RTC_CONN_OK)
		return false;
	if (rtc_reply_is_error(&replies[1], "WRONGTYPE"))
		*foreign = "it is not a hash";
	else if (replies[1].type == RTC_REPLY_INTEGER &&
			 replies[1].integer > MAX_FIELDS)
		*foreign = "it has too many fields";
	if (*foreign != NULL)
		return true;

	/* of a few thousand fields, which is soon done */
	rtc_conn_append_strings(conn, "MEMORY", "USAGE", rtc_position_key(),
							"SAMPLES", "0", NULL);
	replies = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	if (replies == NULL)
		return false;
	if (replies[0].type == RTC_REPLY_INTEGER && replies[0].integer > MAX_BYTES)
	{
		*foreign = "it is too large";
		return true;
	}

	limit = rtc_conn_limit_replies(conn, MAX_BYTES);
	rtc_conn_append_strings(conn, "HGETALL", rtc_position_key(), NULL);
	*hash = rtc_conn_ask(conn, rtc_command_timeout, NULL);
	rtc_conn_limit_replies(conn, limit);
	if (*hash == NULL)
		return false;
	if ((*hash)->type != RTC_REPLY_ARRAY)
	{
		rtc_conn_fail(conn, "unexpected reply to HGETALL");
		return false;
	}
	if ((*hash)->nelems > 2 * MAX_FIELDS)
		*foreign = "it has too many fields";
	return true;
}

RtcConnResult
rtc_position_succeed(RtcConn *conn, RtcPositionMemory *memory,
					 RtcPosition *pos)
{
	TimeLineID	tli = GetWALInsertionTimeLine();
	RtcReply   *replies;
	int			nreplies;
	char		number[16];

	if (!pos->found || pos->timeline >= tli ||
		strcmp(pos->owner, rtc_position_owner()) == 0)
		return RTC_CONN_OK;

	/* what we do ourselves breaks our WATCH as well: end that first */
	snprintf(number, sizeof(number), "%u", tli);
	rtc_conn_append_strings(conn, "MULTI", NULL);
	rtc_conn_append_strings(conn, "EXEC", NULL);
	rtc_conn_append_strings(conn, "HSET", rtc_position_key(), RTC_POS_SUCCESSOR,
							number, NULL);
	replies = rtc_conn_exchange(conn, rtc_command_timeout, &nreplies);
	if (replies == NULL)
		return RTC_CONN_FAILED;
	/* a Redis that is full can be taken over all the same */
	if (!rtc_reply_is_full(&replies[nreplies - 1], replies, nreplies) &&
		rtc_conn_judge(conn, replies, nreplies) != RTC_CONN_OK)
		return RTC_CONN_FAILED;
	RTC_INJECT("successor_told");
	return rtc_position_load(conn, memory, pos);
}

void
rtc_position_claim(RtcPosition *pos)
{
	TimeLineID	tli = GetWALInsertionTimeLine();

	pos->timeline = tli;
	pos->timeline_begin = rtc_timeline_begin(tli, readTimeLineHistory(tli));
	strlcpy(pos->key_id, rtc_seal_key_id(), sizeof(pos->key_id));
	strlcpy(pos->owner, rtc_position_owner(), sizeof(pos->owner));
	if (!pg_strong_random(&pos->epoch, sizeof(pos->epoch)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	rtc_redis_set_epoch(pos->epoch);
}

bool
rtc_position_is_alive(RtcPositionMemory *memory, const RtcPosition *pos)
{
	if (rtc_unix_ms() - pos->seen_ms >= RTC_OWNER_SILENCE)
		return false;
	if (memory->seen_ms != pos->seen_ms ||
		strcmp(memory->owner, pos->owner) != 0)
	{
		strlcpy(memory->owner, pos->owner, sizeof(memory->owner));
		memory->seen_ms = pos->seen_ms;
		memory->since_ms = rtc_clock_ms();
	}
	return rtc_clock_ms() - memory->since_ms < RTC_OWNER_WATCHED;
}

void
rtc_position_history(const RtcPosition *pos, XLogRecPtr *begin,
					 XLogRecPtr *end)
{
	TimeLineID	tli = GetWALInsertionTimeLine();
	List	   *history = readTimeLineHistory(tli);

	*begin = rtc_timeline_begin(pos->timeline, history);
	*end = InvalidXLogRecPtr;
	if (pos->timeline == tli)
		*end = GetFlushRecPtr(NULL);
	else if (tliInHistory(pos->timeline, history))
		*end = tliSwitchPoint(pos->timeline, history, NULL);
}

void
rtc_position_append(RtcConn *conn, const RtcPosition *pos)
{
	char		number[3][32];
	char		epoch[RTC_EPOCH_LEN];
	char		lsn[5][RTC_LSN_LEN];
	char		mark[32];

	snprintf(number[0], 32, "%u", pos->timeline);
	snprintf(number[1], 32, INT64_FORMAT, rtc_unix_ms());
	snprintf(number[2], 32, UINT64_FORMAT, pos->at.horizon);
	rtc_lsn_text(pos->timeline_begin, lsn[0]);
	rtc_lsn_text(pos->at.lsn, lsn[1]);
	rtc_lsn_text(pos->at.verified_lsn, lsn[2]);
	rtc_lsn_text(pos->at.restart_lsn, lsn[3]);
	rtc_lsn_text(pos->at.commit_lsn, lsn[4]);
	snprintf(mark, 32, "%X/%X:%08x", LSN_FORMAT_ARGS(pos->at.mark.lsn),
			 pos->at.mark.crc);
	rtc_epoch_text(pos->epoch, epoch);
	rtc_conn_append_strings(conn, "HSET", rtc_position_key(),
							RTC_POS_TIMELINE, number[0],
							RTC_POS_TIMELINE_BEGIN, lsn[0],
							RTC_POS_LSN, lsn[1],
							RTC_POS_COMMIT_LSN, lsn[4],
							RTC_POS_VERIFIED_LSN, lsn[2],
							RTC_POS_RESTART_LSN, lsn[3],
							RTC_POS_MARK, mark,
							RTC_POS_HORIZON, number[2],
							RTC_POS_SUCCESSOR, "0",
							RTC_POS_SEEN, number[1],
							RTC_POS_OWNER, pos->owner,
							RTC_POS_EPOCH, epoch,
							RTC_POS_KEY_ID, pos->key_id,
							NULL);
}

void
rtc_position_append_prefix(RtcConn *conn, const char *prefix, Oid dboid,
						   bool closed)
{
	char		field[RTC_MAX_PREFIX_LEN + 8];
	char		value[16];

	rtc_position_append_drop(conn, prefix);
	snprintf(field, sizeof(field), "%s%s",
			 closed ? RTC_POS_CLOSED : RTC_POS_PREFIX, prefix);
	snprintf(value, sizeof(value), "%u", dboid);
	rtc_conn_append_strings(conn, "HSET", rtc_position_key(), field, value,
							NULL);
}

void
rtc_position_append_drop(RtcConn *conn, const char *prefix)
{
	char		field[2][RTC_MAX_PREFIX_LEN + 8];

	snprintf(field[0], sizeof(field[0]), RTC_POS_PREFIX "%s", prefix);
	snprintf(field[1], sizeof(field[1]), RTC_POS_CLOSED "%s", prefix);
	rtc_conn_append_strings(conn, "HDEL", rtc_position_key(), field[0],
							field[1], NULL);
}

/*
 * Between EXEC and WATCH somebody else may take the position.  So the owner is
 * asked for behind them.
 */
RtcExecResult
rtc_position_exec(RtcConn *conn, int timeout_ms, const char *held_by,
				  const char *owner)
{
	int			nexec = rtc_conn_outstanding(conn);
	RtcReply   *replies;
	RtcReply   *exec;
	int			nreplies;
	bool		full;

	rtc_conn_append_strings(conn, "EXEC", NULL);
	rtc_conn_append_strings(conn, "WATCH", rtc_position_key(), NULL);
	rtc_conn_append_strings(conn, "HGET", rtc_position_key(), RTC_POS_OWNER, NULL);
	replies = rtc_conn_exchange(conn, timeout_ms, &nreplies);
	if (replies == NULL)
		return RTC_EXEC_FAILED;

	exec = &replies[nexec];
	full = rtc_reply_is_full(exec, replies, nreplies);
	if (!full && (rtc_conn_judge(conn, replies, nreplies) != RTC_CONN_OK ||
				  rtc_conn_judge(conn, exec->elems, exec->nelems) != RTC_CONN_OK))
	{
		rtc_stat_inc(RTC_STAT_ERRORS);
		return RTC_EXEC_FAILED;
	}
	if (exec->type == RTC_REPLY_NIL)
	{
		rtc_conn_fail(conn, "somebody else changed the position in Redis");
		return RTC_EXEC_LOST;
	}
	if (!full && !rtc_reply_is_array(exec, nexec - 1))
	{
		rtc_conn_fail(conn, "unexpected reply to EXEC");
		return RTC_EXEC_FAILED;
	}
	/* the WATCH of before has ended with EXEC, and now there is a new one */
	if (!is_owner(&replies[nreplies - 1], full ? held_by : owner))
	{
		rtc_conn_fail(conn, "somebody else has taken the position in Redis");
		return RTC_EXEC_LOST;
	}
	if (!full)
		return RTC_EXEC_DONE;
	rtc_stat_inc(RTC_STAT_ERRORS);
	return RTC_EXEC_FULL;
}

/* "" = nobody */
static bool
is_owner(const RtcReply *reply, const char *owner)
{
	return reply->type == RTC_REPLY_NIL ? owner[0] == '\0' :
		rtc_reply_is_text(reply, owner);
}

int64
rtc_unix_ms(void)
{
	return GetCurrentTimestamp() / 1000 +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
}

/* Takes one field of the hash.  A malformed one counts as missing. */
static void
set_field(RtcPosition *pos, const char *name, size_t namelen,
		  const char *value)
{
	if (strcmp(name, RTC_POS_TIMELINE) == 0)
		pos->timeline = strtoul(value, NULL, 10);
	else if (strcmp(name, RTC_POS_TIMELINE_BEGIN) == 0)
		pos->timeline_begin = rtc_lsn_parse(value);
	else if (strcmp(name, RTC_POS_LSN) == 0)
		pos->at.lsn = rtc_lsn_parse(value);
	else if (strcmp(name, RTC_POS_COMMIT_LSN) == 0)
		pos->at.commit_lsn = rtc_lsn_parse(value);
	else if (strcmp(name, RTC_POS_VERIFIED_LSN) == 0)
		pos->at.verified_lsn = rtc_lsn_parse(value);
	else if (strcmp(name, RTC_POS_RESTART_LSN) == 0)
		pos->at.restart_lsn = rtc_lsn_parse(value);
	else if (strcmp(name, RTC_POS_MARK) == 0)
	{
		if (sscanf(value, "%*X/%*X:%x", &pos->at.mark.crc) == 1)
			pos->at.mark.lsn = rtc_lsn_parse(value);
	}
	else if (strcmp(name, RTC_POS_HORIZON) == 0)
		pos->at.horizon = strtou64(value, NULL, 10);
	else if (strcmp(name, RTC_POS_SUCCESSOR) == 0)
		pos->successor = strtoul(value, NULL, 10);
	else if (strcmp(name, RTC_POS_SEEN) == 0)
		pos->seen_ms = strtoi64(value, NULL, 10);
	else if (strcmp(name, RTC_POS_OWNER) == 0)
		strlcpy(pos->owner, value, sizeof(pos->owner));
	else if (strcmp(name, RTC_POS_KEY_ID) == 0)
		strlcpy(pos->key_id, value, sizeof(pos->key_id));
	else if (strcmp(name, RTC_POS_EPOCH) == 0)
		pos->epoch = strtoull(value, NULL, 16);
	else if ((strncmp(name, RTC_POS_PREFIX, strlen(RTC_POS_PREFIX)) == 0 ||
			  strncmp(name, RTC_POS_CLOSED, strlen(RTC_POS_CLOSED)) == 0) &&
			 namelen > strlen(RTC_POS_PREFIX) &&
			 namelen - strlen(RTC_POS_PREFIX) < RTC_MAX_PREFIX_LEN)
	{
		strlcpy(pos->prefix[pos->nprefixes], name + strlen(RTC_POS_PREFIX),
				RTC_MAX_PREFIX_LEN);
		pos->prefix_dboid[pos->nprefixes] = strtoul(value, NULL, 10);
		pos->prefix_closed[pos->nprefixes] = name[0] == RTC_POS_CLOSED[0];
		pos->nprefixes++;
	}
}

/* A copy of the data directory, on this host or another, has another name. */
const char *
rtc_position_owner(void)
{
	static char owner[RTC_OWNER_LEN] = "";
	char		where[MAXPGPATH + 512];
	char		host[256] = "";
	struct stat st;

	if (owner[0] != '\0')
		return owner;
	(void) gethostname(host, sizeof(host) - 1);
	if (stat(XLOG_CONTROL_FILE, &st) != 0)
		memset(&st, 0, sizeof(st));
	snprintf(where, sizeof(where), "%s:%s:%llu:%llu", host, DataDir,
			 (unsigned long long) st.st_dev, (unsigned long long) st.st_ino);
	snprintf(owner, sizeof(owner), "%016llx",
			 (unsigned long long) hash_bytes_extended((unsigned char *) where,
													  strlen(where), 0));
	return owner;
}
