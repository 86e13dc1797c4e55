/*-------------------------------------------------------------------------
 *
 * conn.h
 *		One connection to Redis.  See conn.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CONN_H
#define RTC_CONN_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "redis/url.h"

typedef struct RtcConn RtcConn; /* opaque; one process uses it */

/* Type of a reply, independent of the client library. */
typedef enum RtcReplyType
{
	RTC_REPLY_NIL,
	RTC_REPLY_STATUS,			/* +OK */
	RTC_REPLY_ERROR,			/* -ERR ... */
	RTC_REPLY_STRING,
	RTC_REPLY_INTEGER,
	RTC_REPLY_ARRAY
} RtcReplyType;

/* A reply in palloc'd memory of the caller's context. */
typedef struct RtcReply
{
	RtcReplyType type;
	int64		integer;		/* INTEGER */
	char	   *str;			/* STATUS, ERROR, STRING: NUL-terminated too */
	size_t		len;			/* its length in bytes */
	int			nelems;			/* ARRAY */
	struct RtcReply *elems;		/* ARRAY: contiguous */
} RtcReply;

/*
 * Results of the calls below.  On RTC_CONN_FAILED the connection is closed
 * already (rtc_conn_is_open() is false) and rtc_conn_error() tells why.
 * Whatever ERROR leaves these functions (query cancel, statement_timeout,
 * termination, out of memory) also closes the connection when a reply was
 * outstanding, so a later user can never read somebody else's reply.
 */
typedef enum RtcConnResult
{
	RTC_CONN_OK,
	RTC_CONN_FAILED
} RtcConnResult;

/*
 * Makes a connection object in TopMemoryContext, not connected.
 * "who" is shown in Redis' CLIENT LIST ("rtcache-relay", "rtcache-backend").
 */
extern RtcConn *rtc_conn_create(const char *who);

/*
 * Sets how large a reply may be, in bytes of palloc'd memory; returns the limit of
 * before.  A reply that is larger is not read to its end: it is a failure, of which
 * the second function knows until the next exchange.
 */
extern size_t rtc_conn_limit_replies(RtcConn *conn, size_t max_bytes);
extern bool rtc_conn_reply_was_too_large(RtcConn *conn);

/*
 * Says where the next rtc_conn_open() will lead.  Until that is over, and from
 * now on, failures are those of an attempt to connect there.
 */
extern void rtc_conn_target(RtcConn *conn, const RtcRedisUrl *url);

/*
 * Connects, authenticates and selects the database, all within
 * timeout_ms.  "address" is a numeric address that stands for the URL's host;
 * NULL means to resolve the host here (blocking; only the relay does), and ""
 * to do without a resolver: the host must then be a numeric address itself.
 * It is ignored for unix sockets.  "password" may be NULL.  Errors sent by Redis (NOAUTH, WRONGPASS, bad
 * database index, LOADING) are failures too.
 */
extern RtcConnResult rtc_conn_open(RtcConn *conn, const RtcRedisUrl *url,
								   const char *address, const char *password,
								   int timeout_ms);

/* Numeric address of the peer ("127.0.0.1"), "" for unix sockets. */
extern const char *rtc_conn_peer(RtcConn *conn);

extern bool rtc_conn_is_open(RtcConn *conn);
extern void rtc_conn_close(RtcConn *conn);

/*
 * Looks, without waiting, whether an idle connection can still be used: it is
 * open, nothing is outstanding, and the peer has neither hung up nor sent
 * anything unasked.  Otherwise closes it and returns false.
 */
extern bool rtc_conn_check(RtcConn *conn);

/*
 * Records why the caller is not content with a reply; the first also closes
 * the connection.  Only printable ASCII of the text is kept.
 */
extern void rtc_conn_fail(RtcConn *conn, const char *fmt,...)
			pg_attribute_printf(2, 3);
extern void rtc_conn_complain(RtcConn *conn, const char *fmt,...)
			pg_attribute_printf(2, 3);

/* The socket, to wait for the peer's hanging up; PGINVALID_SOCKET if closed. */
extern pgsocket rtc_conn_socket(RtcConn *conn);

/*
 * Text of the last failure, never NULL; valid until the next call.  It begins
 * with "could not connect to Redis at URL", "lost Redis at URL", or, if the
 * connection is still open, "Redis at URL".  Beyond that it has neither passwords nor
 * arguments of commands.
 */
extern const char *rtc_conn_error(RtcConn *conn);

/*
 * Appends one command to the output buffer; binary safe; sends nothing.
 * Raises only out of memory (the connection is then closed).
 */
extern void rtc_conn_append(RtcConn *conn, int argc, const char *const *argv,
							const size_t *argvlen);

/* The same for C strings, up to NULL. */
extern void rtc_conn_append_strings(RtcConn *conn,...);

/*
 * Sends one command whose reply nobody wants, if the socket takes all of it at
 * once; else closes the connection.  Does nothing if the connection is not open,
 * or a command of before is still to be answered.  The next exchange reads the
 * reply and drops it.  Neither waits nor raises nor allocates palloc'd memory, so
 * it may be called while an error is handled.
 */
extern void rtc_conn_post(RtcConn *conn, int argc, const char *const *argv,
						  const size_t *argvlen);

/*
 * Waiting in rtc_conn_open() and rtc_conn_exchange() resets MyLatch: a process
 * with other reasons to be woken must look at them again afterwards.
 *
 * Sends what was appended and reads the replies of all commands appended
 * since the last exchange, in order, into *replies (palloc'd array of
 * *nreplies in the current memory context).  The whole exchange has timeout_ms.
 * Error replies are returned as such; only transport and protocol errors
 * and timeouts are RTC_CONN_FAILED.
 */
extern RtcConnResult rtc_conn_exchange(RtcConn *conn, int timeout_ms,
									   RtcReply **replies, int *nreplies);

/* Are there no error replies?  Else notes the first one in the connection. */
extern RtcConnResult rtc_conn_judge(RtcConn *conn, const RtcReply *replies,
									int nreplies);

/* Commands appended whose replies have not been read. */
extern int	rtc_conn_outstanding(RtcConn *conn);

/* Can this build talk TLS (rediss://)? */
extern bool rtc_tls_supported(void);

/* Is the reply an error of this kind ("WRONGTYPE")? */
extern bool rtc_reply_is_error(const RtcReply *reply, const char *code);

/*
 * Has Redis refused a transaction for want of memory?  It says so of the command
 * that was to be queued, or of EXEC itself: "EXECABORT Transaction discarded
 * because of: OOM ...".
 */
extern bool rtc_reply_is_full(const RtcReply *exec, const RtcReply *replies,
							  int nreplies);

/* The LSN in a reply; invalid if it is none. */
extern XLogRecPtr rtc_reply_lsn(const RtcReply *reply);

#endif							/* RTC_CONN_H */
