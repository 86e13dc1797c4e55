/*-------------------------------------------------------------------------
 *
 * tls.c
 *		TLS on a connection to Redis.
 *
 * hiredis carries bytes through TLS, but two things are done here.  It leaves
 * the name in the certificate unchecked, so that any certificate of any
 * trusted authority would do: the SSL object is therefore made here, with the
 * host to be verified.  And it drives the handshake blindly from its reads
 * and writes: here each step tells what to wait for, which keeps the
 * connection's deadline and the query cancel in force.
 *
 * Authorities are those that OpenSSL trusts by default on this system; the
 * variable SSL_CERT_FILE in the server's environment names others.
 *
 * Model: called by conn.c and connect.c, in any process with a connection.
 * Nothing here waits or raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "redis/hiredis.h"
#include "redis/tls.h"

#ifdef RTC_HAVE_TLS

static SSL_CTX *tls_context(void);
static bool expect_host(SSL *ssl, const char *host);
static void describe_failure(SSL *ssl, int code, char *error, size_t errorlen);

SSL *
rtc_tls_begin(redisContext *redis, const char *host,
			  char *error, size_t errorlen)
{
	SSL_CTX    *context;
	SSL		   *ssl;

	ERR_clear_error();

	context = tls_context();
	ssl = context == NULL ? NULL : SSL_new(context);
	if (ssl == NULL || !expect_host(ssl, host))
	{
		describe_failure(NULL, SSL_ERROR_SSL, error, errorlen);
		SSL_free(ssl);
		return NULL;
	}

	/* On success the SSL object belongs to the hiredis context. */
	if (redisInitiateSSL(redis, ssl) != REDIS_OK)
	{
		strlcpy(error, redis->errstr, errorlen);
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

RtcTlsStep
rtc_tls_step(SSL *ssl, char *error, size_t errorlen)
{
	int			rc;
	int			code;

	errno = 0;
	ERR_clear_error();

	rc = SSL_do_handshake(ssl);
	if (rc == 1)
		return RTC_TLS_DONE;

	code = SSL_get_error(ssl, rc);
	if (code == SSL_ERROR_WANT_READ)
		return RTC_TLS_WANT_READ;
	if (code == SSL_ERROR_WANT_WRITE)
		return RTC_TLS_WANT_WRITE;

	describe_failure(ssl, code, error, errorlen);
	return RTC_TLS_FAILED;
}

/*
 * OpenSSL's verdict on an I/O call depends on its error queue being empty
 * before; other users of OpenSSL in this process may have left something.
 */
void
rtc_tls_before_io(SSL *ssl)
{
	if (ssl != NULL)
		ERR_clear_error();
}

bool
rtc_tls_is_quiet(SSL *ssl, char *error, size_t errorlen)
{
	char		byte;
	int			rc;
	int			code;

	errno = 0;
	ERR_clear_error();
	rc = SSL_peek(ssl, &byte, 1);
	code = SSL_get_error(ssl, rc);
	if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
		return true;
	if (rc > 0)
		strlcpy(error, "server sent something unasked", errorlen);
	else
		describe_failure(ssl, code, error, errorlen);
	return false;
}

bool
rtc_tls_wants_read(SSL *ssl)
{
	return ssl != NULL && SSL_want_read(ssl);
}

/*
 * Returns this process's client context, made on first use: loading the
 * authorities is too slow to be done for each connection.
 */
static SSL_CTX *
tls_context(void)
{
	static SSL_CTX *context = NULL;
	SSL_CTX    *made;

	if (context != NULL)
		return context;

	made = SSL_CTX_new(TLS_client_method());
	if (made == NULL)
		return NULL;
	if (!SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) ||
		!SSL_CTX_set_default_verify_paths(made))
	{
		SSL_CTX_free(made);
		return NULL;
	}
	SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);

	context = made;
	return context;
}

/*
 * Tells the SSL object who the peer must be, and a named peer who it is asked
 * to be (SNI).
 */
static bool
expect_host(SSL *ssl, const char *host)
{
	struct in6_addr unused;

	if (inet_pton(AF_INET, host, &unused) == 1 ||
		inet_pton(AF_INET6, host, &unused) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 &&
		SSL_set_tlsext_host_name(ssl, host) == 1;
}

static void
describe_failure(SSL *ssl, int code, char *error, size_t errorlen)
{
	unsigned long queued = ERR_peek_last_error();
	long		verdict = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);
	const char *reason;

	if (verdict != X509_V_OK)
		snprintf(error, errorlen, "certificate verification failed: %s",
				 X509_verify_cert_error_string(verdict));
	else if (queued != 0)
	{
		reason = ERR_reason_error_string(queued);
		if (reason != NULL)
			strlcpy(error, reason, errorlen);
		else
			snprintf(error, errorlen, "TLS error %lu", queued);
	}
	else if (code == SSL_ERROR_SYSCALL && errno != 0)
		snprintf(error, errorlen, "%m");
	else
		strlcpy(error, "server closed the connection", errorlen);

	ERR_clear_error();
}

#endif							/* RTC_HAVE_TLS */
