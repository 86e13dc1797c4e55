/*-------------------------------------------------------------------------
 *
 * conn_internal.h
 *		What conn.c shares with connect.c, and with nobody else.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CONN_INTERNAL_H
#define RTC_CONN_INTERNAL_H

#include "postgres.h"

#include "storage/latch.h"

#include "redis/hiredis.h"
#include "redis/reply.h"

#define RTC_CONN_ERROR_LEN	512
#define RTC_CONN_WHERE_LEN	192

/* All fields belong to the process that opened the connection. */
struct RtcConn
{
	char		who[64];		/* name for CLIENT LIST */
	int			pid;			/* process that opened the connection */

	redisContext *redis;		/* has the socket, which fd.c counts; NULL =
								 * not open */
	struct ssl_st *ssl;			/* part of redis; NULL = no TLS */

	WaitEventSet *waits;		/* latch, postmaster, socket */
	Latch	   *latch;			/* the latch in it */
	int			sock_pos;		/* position of the socket in it */

	int			outstanding;	/* commands without a reply that is wanted */
	int			unwanted;		/* commands before them, whose replies are
								 * dropped */
	size_t		unsent;			/* bytes appended since the last exchange */
	RtcReplySink sink;			/* where replies go */

	char		peer[64];		/* numeric address, "" = unix socket */
	char		where[RTC_CONN_WHERE_LEN];	/* the URL, for people; "" = none */
	bool		connecting;		/* rtc_conn_open() is not over */
	char		error[RTC_CONN_ERROR_LEN];	/* text of the last failure */
};

/* Wait events; named when the first connection object is made. */
extern uint32 rtc_wait_redis_connect;
extern uint32 rtc_wait_redis_io;

/* Makes the set that rtc_conn_wait() uses, for the socket.  May raise. */
extern void rtc_conn_make_waits(struct RtcConn *conn);

/*
 * Waits until the socket is ready; false when the deadline (rtc_clock_us())
 * has passed.  Raises on query cancel and termination.
 */
extern bool rtc_conn_wait(struct RtcConn *conn, uint32 events, int64 deadline,
						  uint32 wait_event);

/*
 * Sends what was appended and reads nreplies replies into a zeroed array; on
 * failure the connection is closed.  Raises like rtc_conn_wait().
 */
extern bool rtc_conn_run(struct RtcConn *conn, RtcReply *replies, int nreplies,
						 int64 deadline);

#endif							/* RTC_CONN_INTERNAL_H */
