/*-------------------------------------------------------------------------
 *
 * conn.h
 *		One connection to Redis.  See conn.c; connect.h opens it.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CONN_H
#define RTC_CONN_H

#include "postgres.h"

#include "redis/command_args.h"
#include "redis/reply.h"

typedef struct RtcConn RtcConn; /* opaque; one process uses it */

/*
 * On RTC_CONN_FAILED the connection is closed already (rtc_conn_is_open() is
 * false) and rtc_conn_error() tells why.  An ERROR that leaves these functions
 * (query cancel, statement_timeout, termination, out of memory) closes the
 * connection, too, if a reply was outstanding: a later user must never read
 * somebody else's reply.
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
 * Sets how large a reply may be, in bytes of palloc'd memory; returns the
 * previous limit.  A larger reply is a failure, and is not read to its end; the
 * second function tells of it until the next exchange.
 */
extern size_t rtc_conn_limit_replies(RtcConn *conn, size_t max_bytes);
extern bool rtc_conn_reply_was_too_large(RtcConn *conn);

/* Returns the numeric address of the peer ("127.0.0.1"), "" = unix socket. */
extern const char *rtc_conn_peer(RtcConn *conn);

extern bool rtc_conn_is_open(RtcConn *conn);
extern void rtc_conn_close(RtcConn *conn);

/*
 * Finds out, without waiting, whether an idle connection can still be used: it
 * is open, nothing is outstanding, and the peer has neither hung up nor sent
 * anything unasked.  Otherwise closes it and returns false.
 */
extern bool rtc_conn_check(RtcConn *conn);

/*
 * Record why the caller is not content with a reply; the first also closes
 * the connection.  Only printable ASCII of the text is kept.
 */
extern void rtc_conn_fail(RtcConn *conn, const char *fmt,...)
			pg_attribute_printf(2, 3);
extern void rtc_conn_complain(RtcConn *conn, const char *fmt,...)
			pg_attribute_printf(2, 3);

/*
 * Waits until MyLatch is set, or the peer hangs up, or so many ms have passed;
 * -1 = for ever.  If no connection is open, not for the peer.  The postmaster's
 * death ends the process.
 */
extern void rtc_conn_idle(RtcConn *conn, long timeout, uint32 wait_event);

/*
 * Text of the last failure, never NULL; valid until the next call.  It begins
 * with "could not connect to Redis at URL", "lost Redis at URL", or, if the
 * connection is still open, "Redis at URL".  Apart from the URL it has neither
 * passwords nor arguments of commands.
 */
extern const char *rtc_conn_error(RtcConn *conn);

/*
 * Append one command to the output buffer; they send nothing.  The second is
 * for C strings, at most 31, with NULL behind the last one.  They do nothing on
 * a connection that is not open; the exchange will say so.  Raise only out of
 * memory (the connection is then closed).
 */
extern void rtc_conn_append(RtcConn *conn, const RtcArgs *args);
extern void rtc_conn_append_strings(RtcConn *conn,...);

/*
 * Sends one command (C strings, as above) whose reply nobody wants, if the
 * socket takes all of it at once; else closes the connection.  Does nothing if
 * the connection is not open, or an earlier command is still to be answered.
 * The next exchange reads the reply and drops it.  Neither waits nor raises nor
 * allocates palloc'd memory, so it may be called while an error is handled.
 */
extern void rtc_conn_post(RtcConn *conn,...);

/*
 * Sends what was appended; returns the replies of all commands appended since
 * the last exchange, in order, in the current memory context, and sets their
 * number unless nreplies is NULL.  The whole exchange has timeout_ms.  NULL is a
 * failure: of the transport or the protocol, or a timeout.  Error replies are
 * none; for rtc_conn_ask() they are.
 *
 * Waiting resets MyLatch: a process with other reasons to be woken must look
 * at them again afterwards.
 */
extern RtcReply *rtc_conn_exchange(RtcConn *conn, int timeout_ms,
								   int *nreplies);
extern RtcReply *rtc_conn_ask(RtcConn *conn, int timeout_ms, int *nreplies);

/* Fails, with its text, if one of the replies is an error. */
extern RtcConnResult rtc_conn_judge(RtcConn *conn, const RtcReply *replies,
									int nreplies);

/* Returns the number of commands whose replies have not been read. */
extern int	rtc_conn_outstanding(RtcConn *conn);

#endif							/* RTC_CONN_H */
