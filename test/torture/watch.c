/*-------------------------------------------------------------------------
 *
 * watch.c
 *		The server's counters, over its restarts.
 *
 * A restart sets them to zero, so they are read often, and what they have grown
 * by since the last look is added up.  What was counted between the last look
 * and a crash is missing.
 *
 * MODEL: one thread; the main thread reads the sums when it is joined.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

enum
{
	L1_HITS, L2_HITS, MISSES, FILLS, REFUSED, BYPASSES, PENDING, LAG, NOT_READY,
	BREAKER, FAILED, REFRESHES, REFRESHES_FAILED, WORK_DROPPED, WARMED,
	COUNTERS
};

static long long sum[COUNTERS];
static long long last[COUNTERS];

static void
look(PGconn *conn)
{
	PGresult   *result = PQexec(conn,
								"SELECT l1_hits, l2_hits, misses, fills, fills_refused, bypasses,"
								" bypass_pending, bypass_lag, bypass_not_ready,"
								" bypass_breaker, bypass_error, refreshes, refreshes_failed, work_dropped,"
								" (SELECT sum(warm) FROM rtcache_tables) FROM rtcache_stats");

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
	{
		long long	now[COUNTERS];
		bool		restarted = false;

		for (int i = 0; i < COUNTERS; i++)
		{
			now[i] = strtoll(PQgetvalue(result, 0, i), NULL, 10);
			if (now[i] < last[i])
				restarted = true;
		}
		for (int i = 0; i < COUNTERS; i++)
		{
			sum[i] += now[i] - (restarted ? 0 : last[i]);
			last[i] = now[i];
		}
	}
	PQclear(result);
}

void *
watch_main(void *unused)
{
	PGconn	   *conn = NULL;

	(void) unused;
	while (!atomic_load(&round_over))
	{
		if (conn == NULL)
			conn = pg_connect("torture watch");
		else if (PQstatus(conn) != CONNECTION_OK)
		{
			PQfinish(conn);
			conn = NULL;
			continue;
		}
		else
			look(conn);
		pause_us(100000);
	}
	if (conn != NULL)
	{
		look(conn);
		PQfinish(conn);
	}
	return NULL;
}

long long
watch_hits(void)
{
	return sum[L1_HITS] + sum[L2_HITS];
}

long long
watch_refreshes(void)
{
	return sum[REFRESHES];
}

long long
watch_warmed(void)
{
	return sum[WARMED];
}

void
watch_report(char *text, size_t size)
{
	long long	all = watch_hits() + sum[MISSES] + sum[BYPASSES];

	snprintf(text, size,
			 "%lld hits in L1, %lld in Redis, %lld misses, %lld fills, %lld fills refused, "
			 "%lld bypasses (%lld pending, %lld lag, %lld not ready, %lld breaker, %lld errors): %.1f %% hits; "
			 "%lld refreshes, %lld failed, %lld dropped; %lld rows warmed",
			 sum[L1_HITS], sum[L2_HITS], sum[MISSES], sum[FILLS], sum[REFUSED],
			 sum[BYPASSES], sum[PENDING], sum[LAG], sum[NOT_READY], sum[BREAKER],
			 sum[FAILED],
			 all > 0 ? 100.0 * (double) watch_hits() / (double) all : 0.0,
			 sum[REFRESHES], sum[REFRESHES_FAILED], sum[WORK_DROPPED], sum[WARMED]);
}
