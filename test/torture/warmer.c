/*-------------------------------------------------------------------------
 *
 * warmer.c
 *		Those who warm tables up, in the torture checker.
 *
 * A warm-up stores only what Redis lacks.  So first some keys are taken out of
 * Redis, as an eviction would; at times the readers are quicker.  Workers of the
 * server warm the same tables after each clear, by option "warm" of their rules.
 *
 * MODEL: a thread for each, with connections of its own.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "torture.h"

/* The tables, and their cells. */
static const struct
{
	const char *name;
	int			first;
	int			n;
}			table[] = {
	{"item", 0, ITEMS},
	{"mover", FIRST_SLOT, SLOTS},
	{"tally", FIRST_TALLY, TALLIES}
};

/* Takes some keys of a table out of Redis: hot ones mostly. */
static void
evict_some(Worker *w, int which)
{
	int			n = 1 + random_below(&w->random, which == 0 ? 30 : 5);

	for (int i = 0; i < n; i++)
	{
		int			cell = table[which].first +
			(int) random_below(&w->random, chance(&w->random, 50) ? 8 : table[which].n);
		char		key[32];
		redisReply *reply;

		cell_key(cell, key, sizeof(key));
		reply = redis_ask(&w->redis, chance(&w->random, 50) ?
						  "DEL postgres:%s" : "DEL postgres:%s {postgres:%s}~query",
						  key, key);
		if (reply == NULL)
			return;
		freeReplyObject(reply);
	}
}

void *
warmer_main(void *worker)
{
	Worker	   *w = worker;

	while (!atomic_load(&round_over))
	{
		int			which = chance(&w->random, 50) ? 0 :
			1 + (int) random_below(&w->random, 2);
		char		query[128];

		if (w->conn == NULL)
		{
			w->conn = pg_connect("torture warmer");
			if (w->conn == NULL || !pg_run(w->conn, "SET statement_timeout = '3s'"))
			{
				PQfinish(w->conn);
				w->conn = NULL;
				pause_us(20000);
				continue;
			}
		}
		evict_some(w, which);
		snprintf(query, sizeof(query), "CALL cache_warm('%s', batch => %d)",
				 table[which].name,
				 1 + (int) random_below(&w->random, chance(&w->random, 50) ? 200 : 20));
		if (pg_run(w->conn, query))
			atomic_fetch_add(&totals.warmups, 1);
		else if (PQstatus(w->conn) != CONNECTION_OK)
		{
			atomic_fetch_add(&totals.lost, 1);
			PQfinish(w->conn);
			w->conn = NULL;
		}
		pause_us(random_below(&w->random, 20000));
	}
	PQfinish(w->conn);
	w->conn = NULL;
	if (w->redis != NULL)
		redisFree(w->redis);
	w->redis = NULL;
	return NULL;
}
