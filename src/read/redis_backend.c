/*-------------------------------------------------------------------------
 *
 * redis_backend.c
 *		The one connection that a backend has to Redis, and its verification.
 *
 * The connection is opened when it is first needed.  Before anything that
 * comes from it is believed, the server at its other end is verified: it must
 * be a master, and the position that the relay keeps in it must be of the
 * relay's connection (trust.c) and not behind what the relay has stored.  Else
 * we talk to a replica, to a server that was restored from an old snapshot, or
 * to one that another history of this database writes to.  The verification
 * holds for as long as the connection and the relay's own connection last: if
 * the relay had to connect anew, it may be connected to another server now.
 *
 * Model: called by redis_lookup.c, in backends, in transactions.  A problem of
 * Redis is a result; it is counted, told to the breaker, and reported as a
 * WARNING by whoever opens the breaker, at DEBUG1 otherwise.  What raises is
 * query cancel, termination and running out of memory; a connection with a
 * reply outstanding is then closed by conn.c.  Lock: that of trust.c, shared,
 * while connecting.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "base/clock.h"
#include "guc.h"
#include "read/redis_backend.h"
#include "redis/breaker.h"
#include "redis/connect.h"
#include "redis/names.h"
#include "redis/trust.h"
#include "stats.h"

/* A connection that was looked at so recently is not looked at again. */
#define RTC_RECHECK_US	1000

/* After a server was found not to be the right one, try again so much later. */
#define RTC_DISTRUST_MS		1000

typedef enum Verdict
{
	VERDICT_TRUSTED,			/* the server may be believed */
	VERDICT_DISTRUSTED,			/* it answers, but is not the right one */
	VERDICT_FAILED				/* it does not answer */
} Verdict;

/* This process's connection, and when and to what it was opened. */
static RtcConn *conn = NULL;
static bool conn_verified = false;	/* verify_server() trusted it */
static uint64 conn_generation;	/* rtc_redis_server_generation() before */
static uint32 conn_url;			/* rtc_redis_url_hash() */
static int64 conn_checked = 0;	/* monotonic us; when it was looked at */

/* The wrong server is not asked again before this moment. */
static int64 distrust_until = 0;	/* monotonic ms */
static uint64 distrust_generation;

static bool is_alive(void);
static bool open_session(uint32 url, const char *address);
static Verdict verify_server(void);
static void report_failure(void);

RtcConn *
rtc_backend_begin(void)
{
	uint32		url;
	char		address[RTC_ADDRESS_LEN];

	if (!rtc_preloaded || !RtcRedisConfigured())
	{
		if (conn != NULL)
			rtc_conn_close(conn);
		return NULL;
	}

	if (rtc_backend_usable() != NULL)
	{
		if (!rtc_breaker_allow())
			return NULL;
		if (is_alive())
			return conn;
		/* the server hung up while we were idle: connect anew */
	}

	/* These are not failures of Redis, and the breaker is not asked. */
	if (RecoveryInProgress())
		return NULL;
	if (distrust_until > rtc_clock_ms() &&
		distrust_generation == rtc_redis_server_generation())
		return NULL;
	url = rtc_redis_url_hash();
	if (!rtc_redis_address(url, address) || !rtc_breaker_allow() ||
		!open_session(url, address))
		return NULL;

	switch (verify_server())
	{
		case VERDICT_TRUSTED:
			/* it is the command that comes now which tells the breaker */
			conn_verified = true;
			return conn;
		case VERDICT_DISTRUSTED:
			elog(DEBUG1, "Redis is not trusted: %s", rtc_conn_error(conn));
			rtc_breaker_success();
			distrust_generation = conn_generation;
			distrust_until = rtc_clock_ms() + RTC_DISTRUST_MS;
			break;
		case VERDICT_FAILED:
			break;
	}
	return NULL;
}

/*
 * The relay of a standby knows where Redis is, but verifies nothing.
 */
RtcConn *
rtc_backend_begin_standby(void)
{
	uint32		url = rtc_redis_url_hash();
	char		address[RTC_ADDRESS_LEN];

	if (!rtc_preloaded || !rtc_redis_address(url, address) ||
		!rtc_breaker_allow())
		return NULL;
	if (conn != NULL && !conn_verified && conn_url == url &&
		conn_generation == rtc_redis_server_generation() &&
		rtc_conn_check(conn))
		return conn;
	return open_session(url, address) ? conn : NULL;
}

/*
 * Opens the connection.  It is not verified: not at all on a standby, and then
 * it does not count after a promotion.  The generation is noted first: what
 * the server is verified against must be older than its answer.
 */
static bool
open_session(uint32 url, const char *address)
{
	if (conn == NULL)
		conn = rtc_conn_create("rtcache-backend");
	conn_verified = false;
	conn_url = url;
	conn_generation = rtc_redis_server_generation();
	pg_memory_barrier();
	if (rtc_conn_open(conn, address) == RTC_CONN_OK)
		return true;
	report_failure();
	return false;
}

RtcConn *
rtc_backend_usable(void)
{
	if (rtc_preloaded && conn != NULL && conn_verified &&
		rtc_conn_is_open(conn) &&
		conn_generation == rtc_redis_server_generation() &&
		conn_url == rtc_redis_url_hash())
		return conn;
	return NULL;
}

/*
 * Has the server not hung up?  One lookup begins more than once, and looking
 * costs a system call.
 */
static bool
is_alive(void)
{
	int64		now = rtc_clock_us();

	if (rtc_conn_outstanding(conn) == 0 &&
		now - conn_checked < RTC_RECHECK_US)
		return true;
	conn_checked = now;
	return rtc_conn_check(conn);
}

/*
 * Finds out whether the server at the other end is the right one.  Unless it
 * is, the connection is closed, with the reason in it.
 */
static Verdict
verify_server(void)
{
	char		epoch[RTC_EPOCH_LEN];
	XLogRecPtr	stored;
	RtcReply   *replies;

	rtc_epoch_text(rtc_redis_epoch(), epoch);
	stored = rtc_redis_stored();
	pg_memory_barrier();

	rtc_backend_append_position(conn);
	rtc_conn_append_strings(conn, "ROLE", NULL);
	replies = rtc_backend_ask(2);
	if (replies == NULL)
		return VERDICT_FAILED;

	if (replies[0].type == RTC_REPLY_ERROR)
	{
		rtc_backend_refuse(&replies[0], "HMGET");
		rtc_conn_close(conn);
		return VERDICT_FAILED;
	}

	/* ROLE may be forbidden or renamed; what it says counts if it speaks. */
	if (replies[1].type == RTC_REPLY_ARRAY && replies[1].nelems > 0 &&
		replies[1].elems[0].type == RTC_REPLY_STRING &&
		!rtc_reply_is_text(&replies[1].elems[0], "master"))
	{
		rtc_conn_fail(conn, "server is a %s, not a master",
					  replies[1].elems[0].str);
		return VERDICT_DISTRUSTED;
	}
	if (!rtc_backend_position_is_good(&replies[0], epoch, stored))
	{
		rtc_conn_fail(conn, "position of this database is absent, behind, or not our relay's");
		return VERDICT_DISTRUSTED;
	}
	return VERDICT_TRUSTED;
}

void
rtc_backend_append_position(RtcConn *to)
{
	rtc_conn_append_strings(to, "HMGET", rtc_position_key(), RTC_POS_EPOCH,
							RTC_POS_LSN, NULL);
}

bool
rtc_backend_position_is_good(const RtcReply *position, const char *epoch,
							 XLogRecPtr lsn)
{
	return rtc_reply_is_array(position, 2) &&
		rtc_reply_is_text(&position->elems[0], epoch) &&
		rtc_reply_lsn(&position->elems[1]) >= lsn;
}

/*
 * The server was verified, but what it has is not, or no longer, what the relay
 * says that Redis has: it was split off from the relay's, has lost something
 * again, or another server has taken over.
 */
void
rtc_backend_doubt(void)
{
	rtc_conn_fail(conn, "position of this database is behind, or not our relay's");
	elog(DEBUG1, "Redis is not trusted: %s", rtc_conn_error(conn));
	rtc_breaker_success();
}

/*
 * Sends what was appended; NULL if that failed, which is then reported.
 */
RtcReply *
rtc_backend_ask(int nexpected)
{
	int			nreplies;
	RtcReply   *replies = rtc_conn_exchange(conn, rtc_command_timeout,
											&nreplies);

	if (replies != NULL && nreplies == nexpected)
		return replies;
	if (replies != NULL)
		rtc_conn_fail(conn, "%d replies instead of %d", nreplies, nexpected);
	report_failure();
	return NULL;
}

void
rtc_backend_script(RtcArgs *args, const RtcScript *script, int nkeys)
{
	rtc_args_begin(args, "EVALSHA");
	rtc_args_text(args, script->sha);
	rtc_args_number(args, nkeys);
}

/*
 * Redis knows a script by its hash, unless it has not had the text since it was
 * started.
 */
RtcReply *
rtc_backend_run(const RtcScript *script, const RtcArgs *args)
{
	RtcArgs		by_text = {0};
	RtcReply   *reply;

	rtc_conn_append(conn, args);
	reply = rtc_backend_ask(1);
	if (reply == NULL || !rtc_reply_is_error(reply, "NOSCRIPT"))
		return reply;

	rtc_args_begin(&by_text, "EVAL");
	rtc_args_text(&by_text, script->text);
	for (int i = by_text.n; i < args->n; i++)
	{
		size_t		len;
		const char *arg = rtc_args_get(args, i, &len);

		rtc_args_bytes(&by_text, arg, len);
	}
	rtc_conn_append(conn, &by_text);
	return rtc_backend_ask(1);
}

/*
 * Deals with a reply that is not what the command should return: a failure,
 * after which the connection is kept if only the command was refused.
 */
void
rtc_backend_refuse(const RtcReply *reply, const char *command)
{
	static const char *const fatal[] = {
		"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "NOAUTH"
	};

	if (reply->type != RTC_REPLY_ERROR)
		rtc_conn_fail(conn, "unexpected reply to %s", command);
	else
	{
		rtc_conn_complain(conn, "%s", reply->str);

		/* Not the server it was, or not usable: verify it anew next time. */
		for (int i = 0; i < lengthof(fatal); i++)
		{
			if (rtc_reply_is_error(reply, fatal[i]))
				rtc_conn_close(conn);
		}
	}
	report_failure();
}

/*
 * Counts a failure, tells the breaker, and speaks up if that opened it.  The
 * reason may name the server, which is not for every user to know.
 */
static void
report_failure(void)
{
	rtc_stat_inc(RTC_STAT_ERRORS);
	if (rtc_breaker_failure())
		ereport(WARNING,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("Redis cannot be used, queries go to the database"),
				 errdetail_log("%s", rtc_conn_error(conn))));
	else
		ereport(DEBUG1,
				(errmsg_internal("could not use Redis"),
				 errdetail_log("%s", rtc_conn_error(conn))));
}
