/*-------------------------------------------------------------------------
 *
 * util.c
 *		Time, random numbers, memory, and connections of the torture checker.
 *
 * MODEL: called by all threads; nothing here has state of its own.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "torture.h"

/* Time on a clock that nobody sets. */
int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

void
pause_us(int64_t us)
{
	struct timespec wait = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&wait, NULL);
}

/* The state of a sequence of random numbers; splitmix64 of seed and id. */
uint64_t
random_seed(uint64_t seed, int id)
{
	uint64_t	z = seed * 1000003 + id + UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) | 1;
}

/* A number in 0 .. n - 1; xorshift64*. */
uint32_t
random_below(uint64_t *state, uint32_t n)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t) ((*state * UINT64_C(2685821657736338717)) >> 33) % n;
}

bool
chance(uint64_t *state, int percent)
{
	return random_below(state, 100) < (uint32_t) percent;
}

/* Makes room for one more element, if there is none. */
void *
grow(void *array, size_t *max, size_t used, size_t size)
{
	if (used < *max)
		return array;
	*max = *max ? *max * 2 : 4096;
	array = realloc(array, *max * size);
	if (array == NULL)
		die("out of memory");
	return array;
}

/* Ends the run for a reason that says nothing about what is tested. */
void
die(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fputs("torture: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(2);
}

/* Crashes that we make are announced by every backend. */
static void
ignore_notice(void *unused, const PGresult *result)
{
	(void) unused;
	(void) result;
}

/* NULL = not now.  The environment says where the server is. */
PGconn *
pg_connect(const char *name)
{
	const char *keys[] = {"application_name", "connect_timeout", NULL};
	const char *values[] = {name, "5", NULL};
	PGconn	   *conn = PQconnectdbParams(keys, values, 0);

	if (PQstatus(conn) == CONNECTION_OK)
	{
		PQsetNoticeReceiver(conn, ignore_notice, NULL);
		return conn;
	}
	PQfinish(conn);
	return NULL;
}

/* The one value of a query, to be freed; NULL = it is null, or it failed. */
char *
pg_value(PGconn *conn, const char *query)
{
	PGresult   *result = PQexec(conn, query);
	char	   *value = NULL;

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
		!PQgetisnull(result, 0, 0))
		value = strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

bool
pg_run(PGconn *conn, const char *query)
{
	PGresult   *result = PQexec(conn, query);
	ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* NULL = not now. */
redisContext *
redis_connect(void)
{
	struct timeval timeout = {1, 0};
	redisContext *redis = redisConnectUnixWithTimeout(options.socket, timeout);

	if (redis == NULL)
		return NULL;
	if (redis->err || redisSetTimeout(redis, timeout) != REDIS_OK)
	{
		redisFree(redis);
		return NULL;
	}
	return redis;
}

/*
 * Asks Redis, connecting first if need be.  NULL = no answer; then the
 * connection is closed.
 */
redisReply *
redis_ask(redisContext **redis, const char *format,...)
{
	va_list		args;
	redisReply *reply;

	if (*redis == NULL && (*redis = redis_connect()) == NULL)
		return NULL;
	va_start(args, format);
	reply = redisvCommand(*redis, format, args);
	va_end(args);
	if (reply == NULL)
	{
		redisFree(*redis);
		*redis = NULL;
	}
	return reply;
}
