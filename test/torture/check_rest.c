/*-------------------------------------------------------------------------
 *
 * check_rest.c
 *		What there is when nobody writes: in the tables, and in the cache.
 *
 * MODEL: by the main thread, between rounds.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/*
 * The state of every cell now, one each in at[].
 */
void
check_load(PGconn *conn, State *at)
{
	PGresult   *result = PQexec(conn,
								"SELECT ver.c, ver.v, coalesce(i.tok, m.tok, t.tok, p.tok) AS tok,"
								" coalesce(i.v, m.v, t.v, p.v) AS row_v"
								" FROM ver LEFT JOIN item AS i USING (c)"
								" LEFT JOIN mover AS m USING (c)"
								" LEFT JOIN tally AS t USING (c)"
								" LEFT JOIN pair AS p ON p.c = ver.c AND p.side = 0"
								" ORDER BY ver.c");

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != CELLS)
		die("could not read the tables: %s", PQresultErrorMessage(result));
	for (int i = 0; i < CELLS; i++)
	{
		State	   *s = &at[i];

		memset(s, 0, sizeof(*s));
		s->version = strtoll(PQgetvalue(result, i, 1), NULL, 10);
		s->absent = PQgetisnull(result, i, 2);
		if (!s->absent)
		{
			s->token = strtoll(PQgetvalue(result, i, 2), NULL, 10);
			if (strtoll(PQgetvalue(result, i, 3), NULL, 10) != s->version)
				die("cell %d: a row has version %s, but the last is %" PRId64,
					i, PQgetvalue(result, i, 3), s->version);
		}
	}
	PQclear(result);
}

/*
 * When nobody writes and Redis has everything: every key in Redis is absent or
 * is what the table says, and so is every answer, asked for twice.
 */
void
check_rest(PGconn *conn)
{
	State		at[CELLS];
	redisContext *redis = NULL;

	check_load(conn, at);
	for (int turn = 0; turn < 3; turn++)
	{
		if (turn != 1 && without_redis)
			continue;
		for (int cell = 0; cell < CELLS; cell++)
		{
			char		key[32];
			char		query[512];
			char	   *value = NULL;
			Row			row[2];
			int			n;

			cell_key(cell, key, sizeof(key));
			if (turn != 1)
			{
				redisReply *reply = redis_ask(&redis, "GET postgres:%s", key);

				if (reply != NULL && reply->type == REDIS_REPLY_STRING)
					value = strdup(reply->str);
				if (reply == NULL)
					die("could not ask Redis");
				freeReplyObject(reply);
				if (value == NULL)
					continue;
			}
			else
			{
				snprintf(query, sizeof(query),
						 "SELECT coalesce(%s('%s', '%s', '{%d}')::text, 'null')",
						 cell < FIRST_PAIR ? "cache_get" : "cache_list", key,
						 cell_query(cell), cell);
				value = pg_value(conn, query);
				if (value == NULL)
					die("could not read a key: %s", PQerrorMessage(conn));
			}
			n = parse_rows(value, row, 2);
			if (at[cell].absent ? n != 0 :
				n == 0 || row[0].v != at[cell].version ||
				row[0].tok != at[cell].token)
				wrong_report(WRONG_FINAL, now_ns(),
							 "%s, %s has %s, the table v%" PRId64 " token %"
							 PRId64 "%s", key, turn == 1 ? "SQL" : "Redis",
							 value, at[cell].version, at[cell].token,
							 at[cell].absent ? " (absent)" : "");
			free(value);
		}
	}
	if (redis != NULL)
		redisFree(redis);
}
