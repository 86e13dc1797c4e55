/*-------------------------------------------------------------------------
 *
 * connect.c
 *		Opens a connection to Redis: address, socket, TLS, AUTH, database.
 *
 * The second half of conn.c, whose head comment holds here as well:
 * failures are results, with the error text set; query cancel, termination
 * and running out of memory raise, and rtc_conn_open() cleans up.
 *
 * Only the relay resolves a name, be it on a standby: the resolver blocks, and
 * nothing can cancel it.  The relay publishes the address that answered, and
 * sessions use that.
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
#include <sys/un.h>

#include "common/ip.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "base/clock.h"
#include "redis/conn.h"
#include "redis/conn_internal.h"
#include "redis/connect.h"
#include "redis/hiredis.h"
#include "redis/tls.h"

/* An idle connection is probed by the kernel after so many seconds. */
#define RTC_KEEPALIVE_IDLE	60

static bool connect_any(RtcConn *conn, const RtcRedisUrl *url,
						const char *address, int timeout_ms,
						int64 *deadline);
static bool connect_list(RtcConn *conn, const struct addrinfo *list,
						 int64 deadline);
static bool connect_one(RtcConn *conn, const struct sockaddr *addr,
						socklen_t addrlen, int64 deadline);
static bool open_socket(RtcConn *conn, int family);
static bool start_tls(RtcConn *conn, const char *host, int64 deadline);
static bool introduce(RtcConn *conn, const RtcRedisUrl *url,
					  const char *password, int64 deadline);

void
rtc_conn_target(RtcConn *conn, const RtcRedisUrl *url)
{
	rtc_conn_close(conn);
	rtc_redis_url_show(url, conn->where, sizeof(conn->where));
	conn->connecting = true;
}

RtcConnResult
rtc_conn_open(RtcConn *conn, const RtcRedisUrl *url, const char *address,
			  const char *password, int timeout_ms)
{
	volatile bool ok = false;
	int64		deadline;

	rtc_conn_target(conn, url);
	conn->pid = MyProcPid;
	conn->error[0] = '\0';
	conn->peer[0] = '\0';

	PG_TRY();
	{
		ok = connect_any(conn, url, address, timeout_ms, &deadline) &&
			(!url->tls || start_tls(conn, url->host, deadline)) &&
			introduce(conn, url, password, deadline);
	}
	PG_CATCH();
	{
		rtc_conn_close(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();

	if (!ok)
		rtc_conn_close(conn);
	conn->connecting = !ok;
	return ok ? RTC_CONN_OK : RTC_CONN_FAILED;
}

/*
 * Connects the socket: to the path, to the numeric address, or to whichever
 * address of the host answers first.  Sets the deadline, which does not count
 * the time that the resolver takes: nothing could be done about it.
 */
static bool
connect_any(RtcConn *conn, const RtcRedisUrl *url, const char *address,
			int timeout_ms, int64 *deadline)
{
	struct addrinfo hint = {0};
	struct addrinfo *list = NULL;
	volatile bool ok = false;
	char		port[16];
	int			rc;

	if (url->is_unix)
	{
		struct sockaddr_un un = {0};

		un.sun_family = AF_UNIX;
		strlcpy(un.sun_path, url->path, sizeof(un.sun_path));
		*deadline = rtc_deadline_in(timeout_ms);
		return connect_one(conn, (struct sockaddr *) &un, sizeof(un),
						   *deadline);
	}

	/* in a session this must not happen; if it does, it fails at once */
	Assert(address != NULL || MyBackendType == B_BG_WORKER);
	if (address == NULL ? MyBackendType != B_BG_WORKER : address[0] == '\0')
		address = url->host;

	hint.ai_family = AF_UNSPEC;
	hint.ai_socktype = SOCK_STREAM;
	hint.ai_flags = AI_NUMERICSERV;
	if (address != NULL)
		hint.ai_flags |= AI_NUMERICHOST;	/* never asks a resolver */
	snprintf(port, sizeof(port), "%d", url->port);

	rc = pg_getaddrinfo_all(address != NULL ? address : url->host, port,
							&hint, &list);
	*deadline = rtc_deadline_in(timeout_ms);
	if (rc != 0 || list == NULL)
	{
		rtc_conn_fail(conn, "could not resolve \"%s\": %s",
					  address != NULL ? address : url->host,
					  gai_strerror(rc));
		return false;
	}

	PG_TRY();
	{
		ok = connect_list(conn, list, *deadline);
	}
	PG_FINALLY();
	{
		pg_freeaddrinfo_all(hint.ai_family, list);
	}
	PG_END_TRY();

	return ok;
}

/*
 * Connects to the first address of a list that answers.  One that does not
 * answer must leave time for the others.
 */
static bool
connect_list(RtcConn *conn, const struct addrinfo *list, int64 deadline)
{
	int			nleft = 0;

	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
		nleft++;

	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
	{
		int64		now = rtc_clock_us();

		if (connect_one(conn, ai->ai_addr, ai->ai_addrlen,
						now + (deadline - now) / nleft--))
			return true;
	}
	return false;
}

/*
 * Connects to one address.
 */
static bool
connect_one(RtcConn *conn, const struct sockaddr *addr, socklen_t addrlen,
			int64 deadline)
{
	int			error = 0;
	socklen_t	errorlen = sizeof(error);

	if (addr->sa_family == AF_UNIX)
		conn->peer[0] = '\0';
	else if (pg_getnameinfo_all((const struct sockaddr_storage *) addr,
								addrlen, conn->peer, sizeof(conn->peer),
								NULL, 0, NI_NUMERICHOST) != 0)
		conn->peer[0] = '\0';

	if (!open_socket(conn, addr->sa_family))
		return false;

	/* An interrupted connect goes on by itself. */
	if (connect(conn->sock, addr, addrlen) < 0)
	{
		if (errno != EINPROGRESS && errno != EINTR)
		{
			rtc_conn_fail(conn, "%m");
			return false;
		}
		if (!rtc_conn_wait(conn, WL_SOCKET_CONNECTED, deadline,
						   rtc_wait_redis_connect))
		{
			rtc_conn_fail(conn, "timeout");
			return false;
		}
		if (getsockopt(conn->sock, SOL_SOCKET, SO_ERROR, &error,
					   &errorlen) < 0)
			error = errno;
		if (error != 0)
		{
			errno = error;
			rtc_conn_fail(conn, "%m");
			return false;
		}
	}
	return true;
}

/*
 * Opens a socket, gives it to hiredis, and makes the wait set for it.
 */
static bool
open_socket(RtcConn *conn, int family)
{
	/*
	 * Two descriptors are needed, the second by the wait set, which raises
	 * when it gets none: look first.
	 */
	if (!AcquireExternalFD())
	{
		rtc_conn_fail(conn, "could not open a socket: %m");
		return false;
	}
	if (!AcquireExternalFD())
	{
		ReleaseExternalFD();
		rtc_conn_fail(conn, "could not open a socket: %m");
		return false;
	}
	ReleaseExternalFD();

	conn->sock = socket(family, SOCK_STREAM, 0);
	if (conn->sock == PGINVALID_SOCKET)
	{
		ReleaseExternalFD();
		rtc_conn_fail(conn, "could not open a socket: %m");
		return false;
	}
	if (fcntl(conn->sock, F_SETFD, FD_CLOEXEC) < 0 ||
		!pg_set_noblock(conn->sock))
	{
		rtc_conn_fail(conn, "could not prepare a socket: %m");
		return false;
	}

	/* Only speed and the discovery of dead peers depend on these. */
	if (family != AF_UNIX)
	{
		int			on = 1;
#ifdef TCP_KEEPIDLE
		int			idle = RTC_KEEPALIVE_IDLE;

		(void) setsockopt(conn->sock, IPPROTO_TCP, TCP_KEEPIDLE,
						  &idle, sizeof(idle));
#endif
		(void) setsockopt(conn->sock, SOL_SOCKET, SO_KEEPALIVE,
						  &on, sizeof(on));
		(void) setsockopt(conn->sock, IPPROTO_TCP, TCP_NODELAY,
						  &on, sizeof(on));
	}

	conn->redis = redisConnectFd(conn->sock);
	if (conn->redis == NULL || conn->redis->err != 0)
	{
		rtc_conn_fail(conn, "out of memory");
		return false;
	}
	conn->redis->flags &= ~REDIS_BLOCK;
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
		if (i == n - 1 && strncmp(replies[i].str, "NOPERM", 6) == 0)
			continue;			/* an ACL without PING */
		rtc_conn_fail(conn, "%s: %s", step[i], replies[i].str);
		return false;
	}
	return true;
}
