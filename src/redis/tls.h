/*-------------------------------------------------------------------------
 *
 * tls.h
 *		TLS on a connection to Redis.  See tls.c.
 *
 * For conn.c and connect.c.  RTC_HAVE_TLS tells whether this build can talk TLS
 * (rediss://).
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TLS_H
#define RTC_TLS_H

#include "postgres.h"

struct redisContext;
struct ssl_st;

/* What the handshake needs before it can go on. */
typedef enum RtcTlsStep
{
	RTC_TLS_DONE,				/* nothing: the connection is verified */
	RTC_TLS_WANT_READ,			/* the socket has to become readable */
	RTC_TLS_WANT_WRITE,			/* the socket has to become writeable */
	RTC_TLS_FAILED				/* the error text tells why */
} RtcTlsStep;

#ifdef RTC_HAVE_TLS

/*
 * Starts TLS on a connected non-blocking socket.  The certificate must be
 * valid for host, by name or by address.  The result belongs to redis; NULL
 * means failure, with a text in error.
 */
extern struct ssl_st *rtc_tls_begin(struct redisContext *redis,
									const char *host,
									char *error, size_t errorlen);

/* Takes the handshake as far as it goes without waiting. */
extern RtcTlsStep rtc_tls_step(struct ssl_st *ssl,
							   char *error, size_t errorlen);

/* To be called before each read and write. */
extern void rtc_tls_before_io(struct ssl_st *ssl);

/*
 * Takes in what the peer has sent, as far as it is for TLS itself.  False = it
 * is more than that, or the end; error tells.
 */
extern bool rtc_tls_is_quiet(struct ssl_st *ssl, char *error, size_t errorlen);

/* Can a write that made no progress go on only after a read? */
extern bool rtc_tls_wants_read(struct ssl_st *ssl);

#else

/* Then the URL is refused, and no connection has TLS. */
#define rtc_tls_begin(redis, host, error, errorlen) \
	(strlcpy((error), "this build does not support TLS", (errorlen)), NULL)
#define rtc_tls_step(ssl, error, errorlen)		RTC_TLS_FAILED
#define rtc_tls_before_io(ssl)					((void) 0)
#define rtc_tls_is_quiet(ssl, error, errorlen)	true
#define rtc_tls_wants_read(ssl)					false

#endif							/* RTC_HAVE_TLS */

#endif							/* RTC_TLS_H */
