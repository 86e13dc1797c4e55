/*-------------------------------------------------------------------------
 *
 * hint.c
 *		What to do about an error of Redis.
 *
 * Errors are texts: of the system, of TLS, of Redis itself.  The usual causes are
 * known by a piece of them.
 *
 * Model: a pure function.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "redis/hint.h"

typedef struct Hint
{
	const char *where;			/* a piece of the text before; NULL = any */
	const char *what;			/* and a piece behind it */
	const char *hint;
}			Hint;

/* The first that fits counts. */
static const Hint hints[] = {
	{"password file", "", "See \"rtcache.redis_password_file\"."},
	{NULL, "could not resolve", "Check the host in \"rtcache.redis_url\"."},
	{NULL, "could not establish TLS", "Check that the port in \"rtcache.redis_url\" is the one for TLS, and that this machine trusts the certificate of Redis for that host."},
	{"unix://", "No such file or directory", "There is no such socket. Is Redis running, and is this its \"unixsocket\"?"},
	{"unix://", "Permission denied", "The user that the server runs as may not use the socket. See \"unixsocketperm\" of Redis."},
	{NULL, "Connection refused", "Nobody listens there. Is Redis running, and do its \"bind\" and \"port\" or \"unixsocket\" fit \"rtcache.redis_url\"?"},
	{NULL, "WRONGPASS", "Check the user in \"rtcache.redis_url\" and the password in the file that \"rtcache.redis_password_file\" names."},
	{NULL, "without any password configured", "Redis asks for no password: set \"rtcache.redis_password_file\" to empty, or name a user in \"rtcache.redis_url\"."},
	{NULL, "NOAUTH", "Redis asks for a password: write it into a file, and name that in \"rtcache.redis_password_file\"."},
	{NULL, "NOPERM", "The Redis user lacks a right. README lists all that it needs, under \"A Redis user for rtcache\"."},
	{NULL, "could not authenticate", "Check the user in \"rtcache.redis_url\" and the password in the file that \"rtcache.redis_password_file\" names."},
	{NULL, "DB index is out of range", "Redis has no database of this number. See \"databases\" of Redis."},
	{NULL, "max number of clients", "Raise \"maxclients\" of Redis."},
	{NULL, "protected mode", "Redis takes no connections from other machines. See \"protected-mode\" of Redis."},
	{NULL, "READONLY", "This Redis is a replica: name its master in \"rtcache.redis_url\"."},
	{NULL, "MASTERDOWN", "This Redis is a replica: name its master in \"rtcache.redis_url\"."},
	{NULL, "LOADING", "Redis reads its data; it will be there when it has done so."},
	{NULL, "MISCONF", "Redis cannot save its data, and takes no writes. See the log of Redis."},
	{NULL, "timeout", "Redis, or the way to it, is slow or hangs. See \"rtcache.connect_timeout\" and \"rtcache.command_timeout\"."},
};

const char *
rtc_redis_hint(const char *error)
{
	for (int i = 0; i < lengthof(hints); i++)
	{
		const char *behind = error;

		if (hints[i].where != NULL)
			behind = strstr(error, hints[i].where);
		if (behind != NULL && strstr(behind, hints[i].what) != NULL)
			return hints[i].hint;
	}
	return NULL;
}
