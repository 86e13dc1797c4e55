/*-------------------------------------------------------------------------
 *
 * connect.c
 *		Opens a connection to Redis, as the settings say: URL, password,
 *		address, socket, TLS, AUTH, database.
 *
 * Only the relay resolves a name, also on a standby: the resolver blocks, and
 * nothing can cancel it.  The relay publishes the address that answered, and
 * sessions use that.
 *
 * Model: that of conn.c.  Failures are results, with the error text set.  Query
 * cancel, termination and running out of memory raise, and close the connection.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/hashfn.h"
#include "common/ip.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "base/clock.h"
#include "guc.h"
#include "redis/conn.h"
#include "redis/conn_internal.h"
#include "redis/connect.h"
#include "redis/hiredis.h"
#include "redis/password.h"
#include "redis/tls.h"
#include "redis/url.h"

/* An idle connection is probed by the kernel after so many seconds. */
#define RTC_KEEPALIVE_IDLE	60

static bool connect_any(RtcConn *conn, const RtcRedisUrl *url,
						const char *address, int64 *deadline);
static bool connect_one(RtcConn *conn, const RtcRedisUrl *url,
						int64 deadline);
static bool open_socket(RtcConn *conn, const RtcRedisUrl *url);
static bool start_tls(RtcConn *conn, const char *host, int64 deadline);
static bool introduce(RtcConn *conn, const RtcRedisUrl *url,
					  const char *password, int64 deadline);

uint32
rtc_redis_url_hash(void)
{
	const char *url = rtc_redis_url == NULL ? "" : rtc_redis_url;

	return hash_bytes((const unsigned char *) url, (int) strlen(url));
}

RtcConnResult
rtc_conn_open(RtcConn *conn, const char *address)
{
	RtcRedisUrl url;
	RtcUrlError problem;
	char		password[RTC_MAX_PASSWORD_LEN];
	char		error[256];
	RtcPasswordResult found;
	volatile bool ok = false;

	if (!RtcRedisConfigured())
	{
		rtc_conn_fail(conn, "rtcache.redis_url is not set");
		return RTC_CONN_FAILED;
	}
	problem = rtc_redis_url_parse(rtc_redis_url, &url);
	if (problem != RTC_URL_OK)
	{
		rtc_conn_fail(conn, "could not use \"rtcache.redis_url\": %s",
					  rtc_redis_url_detail(problem));
		return RTC_CONN_FAILED;
	}

	/* from here on failures are those of an attempt to connect there */
	rtc_conn_close(conn);
	rtc_redis_url_show(&url, conn->where, sizeof(conn->where));
	conn->connecting = true;
	conn->error[0] = '\0';
	conn->peer[0] = '\0';

	found = rtc_password_read(password, error, sizeof(error));
	if (found == RTC_PASSWORD_BAD)
	{
		rtc_conn_fail(conn, "%s", error);
		return RTC_CONN_FAILED;
	}
	PG_TRY();
	{
		int64		deadline;

		ok = connect_any(conn, &url, address, &deadline) &&
			(!url.tls || start_tls(conn, url.host, deadline)) &&
			introduce(conn, &url, found == RTC_PASSWORD_READ ? password : NULL,
					  deadline);
	}
	PG_CATCH();
	{
		rtc_conn_close(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();

	explicit_bzero(password, sizeof(password));
	if (!ok)
		rtc_conn_close(conn);
	conn->connecting = !ok;
	return ok ? RTC_CONN_OK : RTC_CONN_FAILED;
}

/*
 * Connects the socket: to the path, to the numeric address, or to whichever
 * address of the host answers first; one that does not answer must leave time
 * for the others.  Sets the deadline, which does not count the time that the
 * resolver takes: nothing could be done about it.
 */
static bool
connect_any(RtcConn *conn, const RtcRedisUrl *url, const char *address,
			int64 *deadline)
{
	struct addrinfo hint = {.ai_family = AF_UNSPEC,.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	volatile bool ok = false;
	int			nleft = 0;
	int			rc;

	*deadline = rtc_deadline_in(rtc_connect_timeout);
	if (url->is_unix)
		return connect_one(conn, url, *deadline);

	/* in a session this must not happen; if it does, it fails at once */
	Assert(address != NULL || MyBackendType == B_BG_WORKER);
	if (address == NULL ? MyBackendType != B_BG_WORKER : address[0] == '\0')
		address = url->host;
	if (address != NULL)
		hint.ai_flags = AI_NUMERICHOST; /* never asks a resolver */
	else
		address = url->host;

	rc = pg_getaddrinfo_all(address, NULL, &hint, &list);
	*deadline = rtc_deadline_in(rtc_connect_timeout);
	if (rc != 0 || list == NULL)
	{
		rtc_conn_fail(conn, "could not resolve \"%s\": %s", address,
					  gai_strerror(rc));
		return false;
	}

	for (struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
		nleft++;
	PG_TRY();
	{
		for (struct addrinfo *ai = list; ai != NULL && !ok; ai = ai->ai_next)
		{
			int64		now = rtc_clock_us();

			if (pg_getnameinfo_all((struct sockaddr_storage *) ai->ai_addr,
								   ai->ai_addrlen, conn->peer,
								   sizeof(conn->peer), NULL, 0,
								   NI_NUMERICHOST) == 0)
				ok = connect_one(conn, url, now + (*deadline - now) / nleft--);
		}
	}
	PG_FINALLY();
	{
		pg_freeaddrinfo_all(hint.ai_family, list);
	}
	PG_END_TRY();

	return ok;
}

/*
 * Connects to the path, or to the address in conn->peer.
 */
static bool
connect_one(RtcConn *conn, const RtcRedisUrl *url, int64 deadline)
{
	int			error = 0;
	socklen_t	errorlen = sizeof(error);

	if (!open_socket(conn, url))
		return false;
	if (!rtc_conn_wait(conn, WL_SOCKET_CONNECTED, deadline,
					   rtc_wait_redis_connect))
	{
		rtc_conn_fail(conn, "timeout");
		return false;
	}
	if (getsockopt(conn->redis->fd, SOL_SOCKET, SO_ERROR, &error,
				   &errorlen) < 0)
		error = errno;
	if (error != 0)
	{
		errno = error;
		rtc_conn_fail(conn, "%m");
		return false;
	}
	return true;
}

/*
 * Begins to connect, and makes the wait set for the socket.  hiredis is given
 * numeric addresses only, which it need not resolve.
 */
static bool
open_socket(RtcConn *conn, const RtcRedisUrl *url)
{
	/*
	 * Two descriptors are needed, the second by the wait set, which raises
	 * when it gets none: look first.
	 */
	for (int i = 0; i < 2; i++)
		if (!AcquireExternalFD())
		{
			if (i > 0)
				ReleaseExternalFD();
			rtc_conn_fail(conn, "could not open a socket: %m");
			return false;
		}
	ReleaseExternalFD();

	conn->redis = url->is_unix ? redisConnectUnixNonBlock(url->path) :
		redisConnectNonBlock(conn->peer, url->port);
	if (conn->redis == NULL)
	{
		ReleaseExternalFD();
		rtc_conn_fail(conn, "out of memory");
		return false;
	}
	if (conn->redis->err != 0)
	{
		rtc_conn_fail(conn, "%s", conn->redis->errstr);
		return false;
	}
	if (fcntl(conn->redis->fd, F_SETFD, FD_CLOEXEC) < 0)
	{
		rtc_conn_fail(conn, "could not prepare a socket: %m");
		return false;
	}

	if (!url->is_unix)
	{
		int			on = 1;
		int			idle = RTC_KEEPALIVE_IDLE;

		/* hiredis 1.x does that only where it waits itself */
		(void) setsockopt(conn->redis->fd, IPPROTO_TCP, TCP_NODELAY,
						  &on, sizeof(on));

		/* only the discovery of dead peers depends on these */
#ifdef TCP_KEEPIDLE
		(void) setsockopt(conn->redis->fd, IPPROTO_TCP, TCP_KEEPIDLE,
						  &idle, sizeof(idle));
#else
		(void) idle;
#endif
		(void) setsockopt(conn->redis->fd, SOL_SOCKET, SO_KEEPALIVE,
						  &on, sizeof(on));
	}

	rtc_reply_attach(conn->redis->reader, &conn->sink);
	rtc_conn_make_waits(conn);
	return true;
}

/*
 * Brings TLS up.  The name in the certificate is that of the URL also when
 * the address was given by number.
 */
static bool
start_tls(RtcConn *conn, const char *host, int64 deadline)
{
	char		error[RTC_CONN_ERROR_LEN];

	conn->ssl = rtc_tls_begin(conn->redis, host, error, sizeof(error));
	if (conn->ssl == NULL)
	{
		rtc_conn_fail(conn, "could not establish TLS: %s", error);
		return false;
	}

	for (;;)
	{
		RtcTlsStep	step = rtc_tls_step(conn->ssl, error, sizeof(error));

		if (step == RTC_TLS_DONE)
			return true;
		if (step == RTC_TLS_FAILED)
		{
			rtc_conn_fail(conn, "could not establish TLS: %s", error);
			return false;
		}
		if (!rtc_conn_wait(conn, step == RTC_TLS_WANT_READ ?
						   WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE,
						   deadline, rtc_wait_redis_connect))
		{
			rtc_conn_fail(conn, "could not establish TLS: timeout");
			return false;
		}
	}
}

/*
 * Authenticates, selects the database and tells our name, in one round trip.
 * The PING at the end finds out what the others let pass: a server that wants
 * authentication, is loading its data, or has lost its master.
 */
static bool
introduce(RtcConn *conn, const RtcRedisUrl *url, const char *password,
		  int64 deadline)
{
	RtcReply	replies[4] = {0};
	const char *step[4];
	int			n = 0;

	/* A user without a password is one that Redis lets in with any. */
	if (url->user[0] != '\0')
	{
		rtc_conn_append_strings(conn, "AUTH", url->user,
								password ? password : "", NULL);
		step[n++] = "could not authenticate";
	}
	else if (password != NULL)
	{
		rtc_conn_append_strings(conn, "AUTH", password, NULL);
		step[n++] = "could not authenticate";
	}
	if (url->db != 0)
	{
		char		db[16];

		snprintf(db, sizeof(db), "%d", url->db);
		rtc_conn_append_strings(conn, "SELECT", db, NULL);
		step[n++] = "could not select the database";
	}
	rtc_conn_append_strings(conn, "CLIENT", "SETNAME", conn->who, NULL);
	step[n++] = NULL;
	rtc_conn_append_strings(conn, "PING", NULL);
	step[n++] = "it is not usable";

	if (!rtc_conn_run(conn, replies, n, deadline))
		return false;

	for (int i = 0; i < n; i++)
	{
		if (replies[i].type != RTC_REPLY_ERROR || step[i] == NULL)
			continue;
		if (i == n - 1 && rtc_reply_is_error(&replies[i], "NOPERM"))
			continue;			/* an ACL without PING */
		rtc_conn_fail(conn, "%s: %s", step[i], replies[i].str);
		return false;
	}
	return true;
}
