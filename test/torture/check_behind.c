/*-------------------------------------------------------------------------
 *
 * check_behind.c
 *		Is what was written behind applied once, and does it go backwards?
 *
 * When all has come to rest, "hits" of a row have grown by what all entries add
 * that were applied for sure, and by more only if others may have been applied.
 * "bits" is exacter: each of its digits counts one entry, and is 1 if that was
 * applied for sure, else 0 or 1.
 *
 * "hits" and "seen" never fall.  So whoever reads finds no less than anybody who had
 * his answer before, be it in SQL or in Redis; than what was applied for sure before,
 * in SQL; and than what the script had appended before, in Redis.  Nor does anybody
 * find more than has been sent.  When Redis loses what it has, its readers begin anew;
 * nothing excuses those of SQL.
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

/* A moment, and what was found by then, or was to be found from then on. */
typedef struct Moment
{
	int64_t		at;
	int64_t		hits;			/* least, or what is added */
	int64_t		seen;
	unsigned long loss;
	bool		adds;			/* hits are added to those of others */
} Moment;

/* A row as the database has it. */
typedef struct Tally
{
	int64_t		hits;
	int64_t		seen;
	char		bits[1024];
} Tally;

/* At the beginning of the round. */
static Tally begin[TALLIES];
static unsigned long begin_loss;

static Moment *moment;
static size_t nmoment;
static size_t maxmoment;

static void
load(PGconn *conn, Tally *at)
{
	PGresult   *result = PQexec(conn, "SELECT hits, seen, bits FROM tally ORDER BY c");

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != TALLIES)
		die("could not read what is written behind: %s", PQresultErrorMessage(result));
	for (int i = 0; i < TALLIES; i++)
	{
		at[i].hits = strtoll(PQgetvalue(result, i, 0), NULL, 10);
		at[i].seen = strtoll(PQgetvalue(result, i, 1), NULL, 10);
		snprintf(at[i].bits, sizeof(at[i].bits), "%s", PQgetvalue(result, i, 2));
	}
	PQclear(result);
}

void
check_behind_start(PGconn *conn)
{
	if (!pg_run(conn, "UPDATE tally SET bits = 0 WHERE bits <> 0"))
		die("could not begin a round: %s", PQerrorMessage(conn));
	load(conn, begin);
	begin_loss = atomic_load(&inbox_loss);
	behind_start();
}

/* ---------------- at the end ---------------- */

static void
check_end(int i, const Tally *end, const Worker *workers, int n)
{
	int64_t		sure = 0;
	int64_t		most = 0;
	int64_t		sure_seen = begin[i].seen;
	int64_t		most_seen = begin[i].seen;
	int			len = (int) strlen(end->bits);

	for (int w = 0; w < n; w++)
		for (size_t j = 0; j < workers[w].history.nentry; j++)
		{
			const Entry *e = &workers[w].history.entry[j];
			char		digit;

			if (e->cell != FIRST_TALLY + i)
				continue;
			most += e->hits;
			if (e->seen > most_seen)
				most_seen = e->seen;
			if (e->sure != NEVER)
			{
				sure += e->hits;
				if (e->seen > sure_seen)
					sure_seen = e->seen;
			}
			if (e->digit < 0)
				continue;
			digit = e->digit < len ? end->bits[len - 1 - e->digit] : '0';
			if (digit > '1' || (digit == '0' && e->sure != NEVER))
				wrong_report(WRONG_ENTRY, e->sent,
							 "tally %d: entry %" PRIu64 "-%" PRIu64
							 "%s was applied %c times", e->cell, e->id[0], e->id[1],
							 e->sure != NEVER ? "" : ", which may be lost,", digit);
		}
	if (end->hits < begin[i].hits + sure || end->hits > begin[i].hits + most)
		wrong_report(WRONG_ENTRY, now_ns(), "tally %d: %" PRId64
					 " hits were %" PRId64 ", and %" PRId64 " to %" PRId64 " were added",
					 FIRST_TALLY + i, end->hits, begin[i].hits, sure, most);
	if (end->seen < sure_seen || end->seen > most_seen)
		wrong_report(WRONG_ENTRY, now_ns(), "tally %d: %" PRId64 " was seen, not %" PRId64
					 " to %" PRId64, FIRST_TALLY + i, end->seen, sure_seen, most_seen);
}

/* What Redis has, when all entries have come round, is the row. */
static void
check_redis_end(int i, const Tally *end, redisContext **redis)
{
	redisReply *reply = redis_ask(redis, "GET postgres:tally:%d", FIRST_TALLY + i);
	char		bits[1100];
	Row			row;

	if (reply == NULL)
		die("could not ask Redis");
	snprintf(bits, sizeof(bits), "\"bits\":%s,", end->bits);
	if (reply->type == REDIS_REPLY_STRING && reply->str[0] == '{' &&
		(parse_rows(reply->str, &row, 1) != 1 || row.hits != end->hits ||
		 row.seen != end->seen ||
		 (strstr(reply->str, "\"bits\":") != NULL && strstr(reply->str, bits) == NULL)))
		wrong_report(WRONG_FINAL, now_ns(), "tally %d: Redis has %s, the table %" PRId64
					 " hits, %" PRId64 " seen, bits %s", FIRST_TALLY + i, reply->str,
					 end->hits, end->seen, end->bits);
	freeReplyObject(reply);
}

/* ---------------- never backwards ---------------- */

static void
add_moment(int64_t at, int64_t hits, int64_t seen, unsigned long loss, bool adds)
{
	if (at == NEVER)
		return;
	moment = grow(moment, &maxmoment, nmoment, sizeof(Moment));
	moment[nmoment++] = (Moment) {at, hits, seen, loss, adds};
}

static int
compare_moments(const void *a, const void *b)
{
	const Moment *x = a;
	const Moment *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static int
compare_starts(const void *a, const void *b)
{
	const Read *x = *(const Read *const *) a;
	const Read *y = *(const Read *const *) b;

	return (x->start > y->start) - (x->start < y->start);
}

/* What readers have to find, in SQL or in Redis, from which moment on. */
static void
collect_least(int cell, bool sql, const Worker *workers, int n)
{
	const Cell *c = &cells[cell];

	nmoment = 0;
	for (size_t j = 0; j < c->nread; j++)
	{
		const Read *r = c->read[j];

		if (r->version != ABSENT && sql == (r->kind == READ_CACHE || r->kind == READ_TABLE))
			add_moment(r->end, r->hits, r->seen, sql ? 0 : r->loss, false);
	}
	for (int w = 0; w < n; w++)
		for (size_t j = 0; j < workers[w].history.nentry; j++)
		{
			const Entry *e = &workers[w].history.entry[j];

			if (e->cell == cell && (sql || e->script))
				add_moment(sql ? e->sure : e->acked, e->hits, e->seen,
						   sql ? 0 : e->loss, true);
		}
	qsort(moment, nmoment, sizeof(Moment), compare_moments);
}

/* Sets the most that may be found before a moment. */
static void
find_most(int cell, int64_t before, const Worker *workers, int n,
		  int64_t *hits, int64_t *seen)
{
	*hits = begin[cell - FIRST_TALLY].hits;
	*seen = begin[cell - FIRST_TALLY].seen;
	for (int w = 0; w < n; w++)
		for (size_t j = 0; j < workers[w].history.nentry; j++)
		{
			const Entry *e = &workers[w].history.entry[j];

			if (e->sent >= before)
				break;
			if (e->cell != cell)
				continue;
			*hits += e->hits;
			if (e->seen > *seen)
				*seen = e->seen;
		}
}

static void
check_history(int cell, bool sql, const Worker *workers, int n)
{
	const Cell *c = &cells[cell];
	const Tally *at = &begin[cell - FIRST_TALLY];
	unsigned long loss = sql ? 0 : begin_loss;
	int64_t		added = at->hits;
	int64_t		hits = at->hits;
	int64_t		seen = at->seen;
	size_t		next = 0;

	collect_least(cell, sql, workers, n);
	for (size_t j = 0; j < c->nread; j++)
	{
		const Read *r = c->read[j];
		int64_t		most_hits;
		int64_t		most_seen;

		if (r->version == ABSENT || sql != (r->kind == READ_CACHE || r->kind == READ_TABLE))
			continue;
		for (; next < nmoment && moment[next].at < r->start; next++)
		{
			const Moment *m = &moment[next];

			if ((m->loss & 1) != 0)
				continue;
			if (m->loss != loss)
			{
				/* nothing is known of what was there before */
				loss = m->loss;
				added = hits = seen = INT64_MIN / 2;
			}
			if (m->adds)
				added += m->hits;
			else if (m->hits > hits)
				hits = m->hits;
			if (m->seen > seen)
				seen = m->seen;
		}
		if (added > hits)
			hits = added;
		if ((sql || r->loss == loss) && (r->hits < hits || r->seen < seen))
			wrong_report(WRONG_BEHIND, r->end, "tally %d: %s has %" PRId64 " hits, %" PRId64
						 " seen, but it was %" PRId64 " and %" PRId64 " before",
						 cell, sql ? "SQL" : "Redis", r->hits, r->seen, hits, seen);
		find_most(cell, r->end, workers, n, &most_hits, &most_seen);
		if (r->hits > most_hits || r->seen > most_seen)
			wrong_report(WRONG_BEHIND, r->end, "tally %d: %s has %" PRId64 " hits, %" PRId64
						 " seen, of at most %" PRId64 " and %" PRId64,
						 cell, sql ? "SQL" : "Redis", r->hits, r->seen, most_hits, most_seen);
	}
}

void
check_behind(PGconn *conn, const Worker *workers, int n)
{
	redisContext *redis = NULL;
	Tally		end[TALLIES];

	load(conn, end);
	for (int i = 0; i < TALLIES; i++)
	{
		Cell	   *c = &cells[FIRST_TALLY + i];

		check_end(i, &end[i], workers, n);
		if (!without_redis)
			check_redis_end(i, &end[i], &redis);
		qsort(c->read, c->nread, sizeof(Read *), compare_starts);
		check_history(FIRST_TALLY + i, true, workers, n);
		check_history(FIRST_TALLY + i, false, workers, n);
	}
	if (redis != NULL)
		redisFree(redis);
}
