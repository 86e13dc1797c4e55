/*-------------------------------------------------------------------------
 *
 * tls.h
 *		TLS on a connection to Redis.  See tls.c.
 *
 * For conn.c and connect.c, but for rtc_tls_supported().
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

/* Can this build talk TLS (rediss://)? */
extern bool rtc_tls_supported(void);

/* What the handshake needs before it can go on. */
typedef enum RtcTlsStep
{
	RTC_TLS_DONE,				/* nothing: the connection is verified */
	RTC_TLS_WANT_READ,			/* the socket has to become readable */
	RTC_TLS_WANT_WRITE,			/* the socket has to become writeable */
	RTC_TLS_FAILED				/* the error text tells why */
} RtcTlsStep;

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

#endif							/* RTC_TLS_H */
