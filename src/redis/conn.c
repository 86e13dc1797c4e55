/*-------------------------------------------------------------------------
 *
 * conn.c
 *		One connection to Redis: non-blocking, with a deadline, cancellable.
 *
 * hiredis formats, buffers and parses.  It never resolves a name and never
 * waits: its own ways of doing so can neither be cancelled nor timed reliably
 * in a process that gets signals.  All waiting is in conn_wait.c.
 *
 * Model: a connection belongs to the process that opened it; a child that
 * inherits the object by fork forgets the connection without touching it.
 * Failures of the network or of Redis are results, not ERRORs: the connection
 * is then closed and its error text set.  What does raise is query cancel,
 * termination and running out of memory, and each of these closes the
 * connection as well, since a reply that nobody waits for any more would be
 * taken for the reply to the next command.  No lock is taken.
 *
 * The memory: the object is in TopMemoryContext; buffers belong to hiredis
 * and go with the connection; replies are built in the caller's memory
 * context by reply.c.  The socket is counted with fd.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/inject.h"
#include "compat.h"
#include "redis/conn.h"
#include "redis/conn_internal.h"
#include "redis/hiredis.h"
#include "redis/tls.h"

/* Most bytes of commands that one exchange may send. */
#define RTC_MAX_SEND_BYTES	MaxAllocSize

/* Most arguments of a command of C strings, with the NULL behind them. */
#define MAX_STRINGS			32

/* Wait events, named on first use. */
uint32		rtc_wait_redis_connect = 0;
uint32		rtc_wait_redis_io = 0;

static void forget(RtcConn *conn);
static void set_error(RtcConn *conn, const char *what, const char *fmt,
					  va_list args) pg_attribute_printf(3, 0);
static bool take_replies(RtcConn *conn, RtcReply *replies, int nreplies,
						 int *taken);
static void explain_broken(RtcConn *conn, RtcReply *replies, int nreplies,
						   int *taken);

RtcConn *
rtc_conn_create(const char *who)
{
	RtcConn    *conn;

	conn = MemoryContextAllocZero(TopMemoryContext, sizeof(RtcConn));
	strlcpy(conn->who, who, sizeof(conn->who));
	conn->pid = MyProcPid;
	conn->sink.max_bytes = RTC_MAX_REPLY_BYTES;

	if (rtc_wait_redis_io == 0)
	{
		rtc_wait_redis_connect = WaitEventExtensionNew_compat("RtcacheRedisConnect");
		rtc_wait_redis_io = WaitEventExtensionNew_compat("RtcacheRedisIO");
	}
	return conn;
}

size_t
rtc_conn_limit_replies(RtcConn *conn, size_t max_bytes)
{
	size_t		before = conn->sink.max_bytes;

	conn->sink.max_bytes = max_bytes;
	return before;
}

bool
rtc_conn_reply_was_too_large(RtcConn *conn)
{
	return conn->sink.too_large;
}

const char *
rtc_conn_peer(RtcConn *conn)
{
	return conn->peer;
}

/*
 * A connection that a parent process opened is forgotten, without closing
 * anything and without sending a byte: it is still the parent's.
 */
bool
rtc_conn_is_open(RtcConn *conn)
{
	if (conn->pid != MyProcPid)
		forget(conn);
	return conn->redis != NULL;
}

/*
 * Closes the connection, or what there is of one.  Keeps the error text.
 */
void
rtc_conn_close(RtcConn *conn)
{
	if (!rtc_conn_is_open(conn))
		return;
	if (conn->waits != NULL)
		FreeWaitEventSet(conn->waits);
	redisFree(conn->redis);
	ReleaseExternalFD();
	forget(conn);
}

static void
forget(RtcConn *conn)
{
	conn->pid = MyProcPid;
	conn->waits = NULL;
	conn->redis = NULL;
	conn->ssl = NULL;
	conn->outstanding = 0;
	conn->unwanted = 0;
	conn->unsent = 0;
}

bool
rtc_conn_check(RtcConn *conn)
{
	char		byte;
	char		error[RTC_CONN_ERROR_LEN];
	ssize_t		n;

	if (!rtc_conn_is_open(conn))
		return false;

	if (conn->outstanding > 0)
	{
		rtc_conn_fail(conn, "an earlier command was left without its reply");
		return false;
	}

	do
	{
		n = recv(conn->redis->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return true;
	if (n < 0)
		rtc_conn_fail(conn, "%m");
	else if (n == 0)
		rtc_conn_fail(conn, "server closed the connection");
	else if (conn->unwanted > 0)
		return true;			/* the reply that is dropped, it seems */
	else if (conn->ssl != NULL)
	{
		/* TLS has messages of its own, and one of them is its end */
		if (rtc_tls_is_quiet(conn->ssl, error, sizeof(error)))
			return true;
		rtc_conn_fail(conn, "%s", error);
	}
	else
		rtc_conn_fail(conn, "server sent something unasked");
	return false;
}

void
rtc_conn_fail(RtcConn *conn, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	set_error(conn, conn->connecting ? "could not connect to " : "lost ", fmt,
			  args);
	va_end(args);
	rtc_conn_close(conn);
}

void
rtc_conn_complain(RtcConn *conn, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	set_error(conn, "", fmt, args);
	va_end(args);
}

/*
 * Records a text, and where we were connected.  It may come from the peer and go
 * to views and logs of any encoding, so only printable ASCII is kept.  Redis
 * repeats the arguments of a command that it does not know, which may be a
 * password.
 */
static void
set_error(RtcConn *conn, const char *what, const char *fmt, va_list args)
{
	char		text[RTC_CONN_ERROR_LEN];
	char	   *p;

	vsnprintf(text, sizeof(text), fmt, args);
	if (conn->where[0] == '\0')
		strlcpy(conn->error, text, sizeof(conn->error));
	else
		snprintf(conn->error, sizeof(conn->error), "%sRedis at %s: %s", what,
				 conn->where, text);
	p = strstr(conn->error, ", with args beginning with");
	if (p != NULL)
		*p = '\0';
	rtc_keep_ascii(conn->error);
}

const char *
rtc_conn_error(RtcConn *conn)
{
	return conn->error;
}

int
rtc_conn_outstanding(RtcConn *conn)
{
	return rtc_conn_is_open(conn) ? conn->outstanding : 0;
}

/*
 * Takes C strings up to NULL; the arrays have room for MAX_STRINGS.
 */
static int
take_strings(va_list list, const char **argv, size_t *argvlen)
{
	int			argc = 0;

	while ((argv[argc] = va_arg(list, const char *)) != NULL)
	{
		argvlen[argc] = strlen(argv[argc]);
		if (++argc == MAX_STRINGS)
			elog(ERROR, "too many arguments of a command for Redis");
	}
	return argc;
}

static void
append(RtcConn *conn, int argc, const char **argv, const size_t *argvlen)
{
	size_t		size = 0;

	if (!rtc_conn_is_open(conn))
		return;

	for (int i = 0; i < argc; i++)
		size += argvlen[i] + 32;	/* roughly; the protocol adds lengths */
	if (size > RTC_MAX_SEND_BYTES - conn->unsent)
	{
		rtc_conn_close(conn);
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("commands for Redis exceed %zu bytes",
						(size_t) RTC_MAX_SEND_BYTES)));
	}
	if (redisAppendCommandArgv(conn->redis, argc, argv, argvlen) != REDIS_OK)
	{
		rtc_conn_close(conn);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not buffer a command for Redis.")));
	}
	conn->unsent += size;
	conn->outstanding++;
}

void
rtc_conn_append(RtcConn *conn, const RtcArgs *args)
{
	const char **argv = palloc(args->n * sizeof(char *));
	size_t	   *argvlen = palloc(args->n * sizeof(size_t));

	for (int i = 0; i < args->n; i++)
		argv[i] = rtc_args_get(args, i, &argvlen[i]);
	append(conn, args->n, argv, argvlen);
	pfree(argv);
	pfree(argvlen);
}

void
rtc_conn_append_strings(RtcConn *conn,...)
{
	const char *argv[MAX_STRINGS];
	size_t		argvlen[MAX_STRINGS];
	int			argc;
	va_list		list;

	va_start(list, conn);
	argc = take_strings(list, argv, argvlen);
	va_end(list);
	append(conn, argc, argv, argvlen);
}

void
rtc_conn_post(RtcConn *conn,...)
{
	const char *argv[MAX_STRINGS];
	size_t		argvlen[MAX_STRINGS];
	int			argc;
	int			sent = 0;
	va_list		list;

	if (!rtc_conn_is_open(conn) || conn->outstanding > 0)
		return;
	va_start(list, conn);
	argc = take_strings(list, argv, argvlen);
	va_end(list);
	if (redisAppendCommandArgv(conn->redis, argc, argv, argvlen) != REDIS_OK)
	{
		rtc_conn_fail(conn, "out of memory");
		return;
	}
	rtc_tls_before_io(conn->ssl);
	if (redisBufferWrite(conn->redis, &sent) != REDIS_OK || !sent)
		rtc_conn_fail(conn, "could not send a command at once");
	else
		conn->unwanted++;
}

RtcReply *
rtc_conn_exchange(RtcConn *conn, int timeout_ms, int *nreplies)
{
	RtcReply   *volatile replies = NULL;

	if (!rtc_conn_is_open(conn))
	{
		if (conn->error[0] == '\0')
			rtc_conn_fail(conn, "not connected");
		return NULL;
	}
	if (nreplies != NULL)
		*nreplies = conn->outstanding;
	if (conn->outstanding == 0)
		return palloc0(sizeof(RtcReply));

	PG_TRY();
	{
		int			skip = conn->unwanted;
		int			n = skip + conn->outstanding;
		RtcReply   *all = palloc0(mul_size(n, sizeof(RtcReply)));

		conn->unwanted = 0;
		conn->outstanding = n;
		if (rtc_conn_run(conn, all, n, rtc_deadline_in(timeout_ms)))
			replies = all + skip;
	}
	PG_CATCH();
	{
		rtc_conn_close(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();

	return replies;
}

RtcReply *
rtc_conn_ask(RtcConn *conn, int timeout_ms, int *nreplies)
{
	int			n;
	RtcReply   *replies = rtc_conn_exchange(conn, timeout_ms, &n);

	if (replies == NULL || rtc_conn_judge(conn, replies, n) != RTC_CONN_OK)
		return NULL;
	if (nreplies != NULL)
		*nreplies = n;
	return replies;
}

RtcConnResult
rtc_conn_judge(RtcConn *conn, const RtcReply *replies, int nreplies)
{
	for (int i = 0; i < nreplies; i++)
		if (replies[i].type == RTC_REPLY_ERROR)
		{
			rtc_conn_fail(conn, "%s", replies[i].str);
			return RTC_CONN_FAILED;
		}
	return RTC_CONN_OK;
}

/*
 * Sends what was appended and reads so many replies.  On failure the
 * connection is closed.  Sending and receiving go on side by side, so that
 * neither side can be stuck with a full buffer; and both are tried before
 * waiting, since waiting is the expensive part of a short exchange.
 */
bool
rtc_conn_run(RtcConn *conn, RtcReply *replies, int nreplies, int64 deadline)
{
	redisContext *redis = conn->redis;
	redisReader *reader = redis->reader;
	int			taken = 0;
	int			sent = 0;

	conn->sink.context = CurrentMemoryContext;
	conn->sink.too_large = false;
	rtc_reply_expect(&conn->sink, &replies[0]);

	for (;;)
	{
		size_t		before = reader->len;
		bool		progress;
		uint32		events = WL_SOCKET_READABLE;

		CHECK_FOR_INTERRUPTS();

		rtc_tls_before_io(conn->ssl);
		if (!sent && redisBufferWrite(redis, &sent) != REDIS_OK)
			break;
		RTC_INJECT("sent");
		rtc_tls_before_io(conn->ssl);
		if (redisBufferRead(redis) != REDIS_OK)
			break;
		progress = reader->len > before;

		if (progress && !take_replies(conn, replies, nreplies, &taken))
			break;
		if (taken == nreplies)
		{
			/* What is left over would be taken for a reply later. */
			if (reader->pos < reader->len || !sent)
			{
				rtc_conn_fail(conn, "server sent more than it was asked");
				return false;
			}
			conn->unsent = 0;
			return true;
		}

		/* The reader holds back what is no complete string yet. */
		if (reader->len - reader->pos > conn->sink.max_bytes)
		{
			conn->sink.too_large = true;
			break;
		}

		if (progress && rtc_deadline_left(deadline) > 0)
			continue;
		if (!sent && !rtc_tls_wants_read(conn->ssl))
			events |= WL_SOCKET_WRITEABLE;
		if (!rtc_conn_wait(conn, events, deadline, rtc_wait_redis_io))
		{
			rtc_conn_fail(conn, "timeout");
			return false;
		}
	}

	explain_broken(conn, replies, nreplies, &taken);
	return false;
}

/*
 * Takes the replies that are complete.  False if the reader choked.
 */
static bool
take_replies(RtcConn *conn, RtcReply *replies, int nreplies, int *taken)
{
	while (*taken < nreplies)
	{
		void	   *reply = NULL;

		if (redisReaderGetReply(conn->redis->reader, &reply) != REDIS_OK)
			return false;
		if (reply == NULL)
			break;

		conn->outstanding--;
		if (++(*taken) < nreplies)
			rtc_reply_expect(&conn->sink, &replies[*taken]);
	}
	return true;
}

/*
 * Says why the exchange broke off, and closes the connection.  A server that
 * hangs up often tells why in an error that nothing asked for ("max number of
 * clients reached"), so what it sent last is worth reading.
 */
static void
explain_broken(RtcConn *conn, RtcReply *replies, int nreplies, int *taken)
{
	redisContext *redis = conn->redis;
	redisReader *reader = redis->reader;
	char		text[RTC_CONN_ERROR_LEN];

	if (conn->sink.too_large)
		strlcpy(text, "reply is too large", sizeof(text));
	else if (reader->err != 0)
		strlcpy(text, reader->errstr, sizeof(text));
	else
	{
		strlcpy(text, redis->errstr, sizeof(text));

		redis->err = 0;
		rtc_tls_before_io(conn->ssl);
		(void) redisBufferRead(redis);
		(void) take_replies(conn, replies, nreplies, taken);
	}

	if (*taken > 0 && replies[*taken - 1].type == RTC_REPLY_ERROR)
		rtc_conn_fail(conn, "%s (%s)", text, replies[*taken - 1].str);
	else
		rtc_conn_fail(conn, "%s", text);
}
