/*-------------------------------------------------------------------------
 *
 * reader.c
 *		The readers of the torture checker: cache_get and cache_list in SQL,
 *		and GET in Redis.
 *
 * A read is recorded with the time before it was sent and the time after its
 * answer had come; one without an answer is not recorded.  What a single
 * answer shows to be wrong is reported at once.
 *
 * MODEL: a thread for each reader, with a connection of its own.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

#define ITEMS_OF_GROUP "SELECT c, v, tok FROM item WHERE g = $1"

/* What is prepared; $1 is the key, $2 the argument, both text. */
typedef struct Statement
{
	const char *name;
	const char *function;		/* of the cache; or a query, that is all */
	const char *query;			/* to be cached */
	const char *tags;			/* NULL = what it depends on is inferred */
} Statement;

static const Statement statement[] = {
	{"item", "cache_get", cell_query_item, NULL},
	{"slot", "cache_get", cell_query_slot, NULL},
	{"tally", "cache_get", cell_query_tally, NULL},
	{"pair", "cache_list", cell_query_pair, NULL},

	/* a list that depends on its key, on rows, on a tag */
	{"items", "cache_list", ITEMS_OF_GROUP, "'{}'"},
	{"byrow", "cache_list", ITEMS_OF_GROUP, NULL},
	{"tagged", "cache_list", ITEMS_OF_GROUP, "ARRAY['group:' || $2]"},
	/* rows of two tables, and all rows of a third */
	{"join", "cache_list", "SELECT i.c, i.v, i.tok, p.v AS pv, p.tok AS pt FROM item AS i"
		" JOIN grp ON grp.g = i.g JOIN pair AS p ON p.c = grp.p AND p.side = 0"
	" WHERE grp.g = $1", NULL},
	/* all rows of a table */
	{"movers", "cache_list", "SELECT c, v, tok FROM mover WHERE v > $1", NULL},
	{"sum", "cache_get", "SELECT (sum(v) / 2)::bigint AS v, sum(n)::bigint AS n, count(*) AS c FROM pair WHERE v > $1", NULL},
	{"total", "cache_get", "SELECT sum(n)::bigint AS n, count(*) AS v FROM pair WHERE c > $1", "'{}'"},
	/* what a transaction that may be on its way has written */
	{"token", "cache_list", "SELECT c, v, tok FROM item WHERE tok = $1", NULL},
	/* another question under the same key */
	{"other", "cache_get", "SELECT c, v, tok, -1 AS n FROM item WHERE c = $1", NULL},

	{"table_item", "SELECT row_to_json(t) FROM item AS t WHERE c = $2::int AND $1::text IS NOT NULL", NULL, NULL},
	{"table_slot", "SELECT row_to_json(t) FROM mover AS t WHERE c = $2::int AND $1::text IS NOT NULL", NULL, NULL},
	{"table_tally", "SELECT row_to_json(t) FROM tally AS t WHERE c = $2::int AND $1::text IS NOT NULL", NULL, NULL}
};

/* Who has his answers computed again by workers. */
static const char *const refresh[4] = {
	"SET rtcache.refresh_after_write = on",
	"SET rtcache.refresh_ahead = 0.3; SET rtcache.default_ttl = '1s'",
	"SET rtcache.refresh_ahead = 0.6; SET rtcache.refresh_after_write = on; SET rtcache.default_ttl = '2s'",
	"SET rtcache.refresh_after_write = off"
};

#define NSTATEMENTS (sizeof(statement) / sizeof(statement[0]))

static bool connect_reader(Worker *w);
static PGresult *ask(Worker *w, const char *statement, const char *first,
					 int second);
static void read_one(Worker *w, const char *name, const char *key, int cell);
static void read_cell(Worker *w, int cell);
static void read_pair(Worker *w, int cell);
static void read_list(Worker *w, const char *name, int group);
static void read_token(Worker *w);
static void read_movers(Worker *w);
static void read_sum(Worker *w);
static void read_total(Worker *w);
static void read_table(Worker *w, int cell);
static void read_repeatable(Worker *w, int cell);

/*
 * Opens the connection; false = not now.
 */
static bool
connect_reader(Worker *w)
{
	w->conn = pg_connect("torture reader");
	if (w->conn == NULL)
		return false;
	for (size_t i = 0; i < NSTATEMENTS; i++)
	{
		const Statement *s = &statement[i];
		char		query[1024];

		if (s->query == NULL)
			snprintf(query, sizeof(query), "%s", s->function);
		else
			snprintf(query, sizeof(query), "SELECT %s($1, '%s', ARRAY[$2]%s%s)",
					 s->function, s->query, s->tags ? ", tags => " : "",
					 s->tags ? s->tags : "");
		PQclear(PQprepare(w->conn, s->name, query, 0, NULL));
	}
	if (!pg_run(w->conn, "SET statement_timeout = '10s'") ||
		(options.refresh && !pg_run(w->conn, refresh[w->id % 4])))
	{
		PQfinish(w->conn);
		w->conn = NULL;
		return false;
	}
	return true;
}

/* Runs a prepared statement.  NULL = no answer. */
static PGresult *
ask(Worker *w, const char *statement, const char *first, int second)
{
	char		number[16];
	const char *values[] = {first, number};
	PGresult   *result;

	snprintf(number, sizeof(number), "%d", second);
	result = PQexecPrepared(w->conn, statement, 2, values, NULL, NULL, 0);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	if (options.verbose && PQstatus(w->conn) == CONNECTION_OK)
		fprintf(stderr, "reader: %s", PQresultErrorMessage(result));
	PQclear(result);
	return NULL;
}

/*
 * Records what an answer shows of a cell; row = NULL: there was none.
 */
void
record(Worker *w, ReadKind kind, int cell, const Row *row, int64_t start,
	   int64_t end)
{
	Read		read = {start, end, row ? row->tok : 0,
		row ? row->v : ABSENT, cell, (uint16_t) w->id, (uint16_t) kind, w->group,
		row ? row->hits : 0, row ? row->seen : 0,
	atomic_load(&inbox_loss) == w->inbox_loss ? w->inbox_loss : 1};

	if (row != NULL && row->c != cell)
		wrong_report(WRONG_QUESTION, end,
					 "cell %d: the answer is about cell %" PRId64, cell, row->c);
	history_read(&w->history, &read);
}

/* cache_get of an item or of a place */
static void
read_one(Worker *w, const char *name, const char *key, int cell)
{
	bool		other = strcmp(name, "other") == 0;
	Row			row;
	PGresult   *result;
	int64_t		start;
	int64_t		end;
	int			n = 0;

	start = now_ns();
	result = ask(w, name, key, cell);
	end = now_ns();
	if (result == NULL)
		return;
	atomic_fetch_add(&totals.cache_reads, 1);
	if (!PQgetisnull(result, 0, 0))
		n = parse_rows(PQgetvalue(result, 0, 0), &row, 1);
	if (n > 0 && row.n != (other ? -1 : 0))
		wrong_report(WRONG_QUESTION, end, "%s, asked for %s: %s", key, name,
					 PQgetvalue(result, 0, 0));
	record(w, READ_CACHE, cell, n > 0 ? &row : NULL, start, end);
	PQclear(result);
}

static void
read_cell(Worker *w, int cell)
{
	char		key[32];

	cell_key(cell, key, sizeof(key));
	read_one(w, cell_kind(cell), key, cell);
}

/* cache_list of two rows that are always written together */
static void
read_pair(Worker *w, int cell)
{
	char		key[32];
	Row			row[2];
	PGresult   *result;
	int64_t		start;
	int64_t		end;

	cell_key(cell, key, sizeof(key));
	start = now_ns();
	result = ask(w, "pair", key, cell);
	end = now_ns();
	if (result == NULL)
		return;
	atomic_fetch_add(&totals.cache_reads, 1);
	if (parse_rows(PQgetvalue(result, 0, 0), row, 2) != 2 ||
		row[0].v != row[1].v || row[0].tok != row[1].tok ||
		row[0].n + row[1].n != 0)
		wrong_report(WRONG_TORN, end, "cell %d: %s", cell,
					 PQgetvalue(result, 0, 0));
	else
		record(w, READ_CACHE, cell, &row[0], start, end);
	PQclear(result);
}

/* cache_list of a group of items: a read of each of them */
static void
read_list(Worker *w, const char *name, int group)
{
	char		key[32];
	Row			row[ITEMS];
	Row			pair;
	PGresult   *result;
	int64_t		start;
	int64_t		end;
	int			n;

	snprintf(key, sizeof(key), "%s:%d", name, group);
	start = now_ns();
	result = ask(w, name, key, group);
	end = now_ns();
	if (result == NULL)
		return;
	atomic_fetch_add(&totals.cache_reads, 1);
	n = parse_rows(PQgetvalue(result, 0, 0), row, ITEMS);
	PQclear(result);

	w->group = ++w->last_group;
	for (int cell = group; cell < ITEMS; cell += GROUPS)
	{
		const Row  *found = NULL;

		for (int i = 0; i < n; i++)
			if (row[i].c == cell)
				found = &row[i];
		record(w, READ_CACHE, cell, found, start, end);
	}
	if (n > 0 && row[0].pv != 0)
	{
		pair = row[0];
		pair.c = FIRST_PAIR + group % PAIRS;
		pair.v = row[0].pv;
		pair.tok = row[0].pt;
		record(w, READ_CACHE, (int) pair.c, &pair, start, end);
	}
	w->group = 0;
}

/*
 * The items that a transaction has written and nobody else since.  Nobody has
 * asked this before, as long as the transaction has not begun.
 */
static void
read_token(Worker *w)
{
	int64_t		token = last_token() - random_below(&w->random, chance(&w->random, 60) ? 6 : 40);
	char		key[32];
	Row			row[ITEMS];
	PGresult   *result;
	int64_t		start;
	int64_t		end;
	int			n;

	if (token <= 0)
		return;
	snprintf(key, sizeof(key), "token:%" PRId64, token);
	start = now_ns();
	result = ask(w, "token", key, (int) token);
	end = now_ns();
	if (result == NULL)
		return;
	atomic_fetch_add(&totals.cache_reads, 1);
	n = parse_rows(PQgetvalue(result, 0, 0), row, ITEMS);
	for (int i = 0; i < n && i < ITEMS; i++)
	{
		if (row[i].tok != token || row[i].c < 0 || row[i].c >= ITEMS)
			wrong_report(WRONG_QUESTION, end, "%s: %s", key,
						 PQgetvalue(result, 0, 0));
		else
			record(w, READ_CACHE, (int) row[i].c, &row[i], start, end);
	}
	if (n == 0)
	{
		row[0] = (Row) {.c = TOKEN,.v = ABSENT,.tok = token};
		record(w, READ_CACHE, TOKEN, &row[0], start, end);
	}
	PQclear(result);
}

/* All places at once: each of the rows is in one of them. */
static void
read_movers(Worker *w)
{
	Row			row[SLOTS];
	PGresult   *result;
	int64_t		start = now_ns();
	int64_t		end;
	int			n;

	result = ask(w, "movers", "movers", 0);
	end = now_ns();
	if (result == NULL)
		return;
	atomic_fetch_add(&totals.cache_reads, 1);
	n = parse_rows(PQgetvalue(result, 0, 0), row, SLOTS);
	if (n != MOVERS)
		wrong_report(WRONG_TORN, end, "movers: %s", PQgetvalue(result, 0, 0));
	PQclear(result);

	w->group = ++w->last_group;
	for (int cell = FIRST_SLOT; cell < FIRST_SLOT + SLOTS; cell++)
	{
		const Row  *found = NULL;

		for (int i = 0; i < n && i < SLOTS; i++)
			if (row[i].c == cell)
				found = &row[i];
		record(w, READ_CACHE, cell, found, start, end);
	}
	w->group = 0;
}

/* The sum of all versions, to be checked later; that of all n is 0. */
static void
read_sum(Worker *w)
{
	Row			row;
	PGresult   *result;
	int64_t		start = now_ns();
	int64_t		end;

	result = ask(w, "sum", "sum", 0);
	end = now_ns();
	if (result == NULL)
		return;
	atomic_fetch_add(&totals.cache_reads, 1);
	if (PQgetisnull(result, 0, 0) ||
		parse_rows(PQgetvalue(result, 0, 0), &row, 1) != 1 || row.n != 0 ||
		row.c != 2 * PAIRS)
		wrong_report(WRONG_TORN, end, "sum: %s", PQgetvalue(result, 0, 0));
	else
	{
		row.c = SUM;
		record(w, READ_CACHE, SUM, &row, start, end);
	}
	PQclear(result);
}

/* The sum over all pairs is 0 in every snapshot. */
static void
read_total(Worker *w)
{
	Row			row;
	PGresult   *result = ask(w, "total", "total", 0);

	if (result == NULL)
		return;
	atomic_fetch_add(&totals.cache_reads, 1);
	if (PQgetisnull(result, 0, 0) ||
		parse_rows(PQgetvalue(result, 0, 0), &row, 1) != 1 || row.n != 0 ||
		row.v != 2 * PAIRS)
		wrong_report(WRONG_TORN, now_ns(), "total: %s",
					 PQgetvalue(result, 0, 0));
	PQclear(result);
}

/* The table itself: what it shows is visible to all who come later. */
static void
read_table(Worker *w, int cell)
{
	char		name[16];
	Row			row;
	PGresult   *result;
	int64_t		start = now_ns();
	int64_t		end;
	int			n = 0;

	snprintf(name, sizeof(name), "table_%s", cell_kind(cell));
	result = ask(w, name, "", cell);
	end = now_ns();
	if (result == NULL)
		return;
	atomic_fetch_add(&totals.table_reads, 1);
	if (PQntuples(result) > 0)
		n = parse_rows(PQgetvalue(result, 0, 0), &row, 1);
	record(w, READ_TABLE, cell, n > 0 ? &row : NULL, start, end);
	PQclear(result);
}

/* In REPEATABLE READ the cache must show what the table shows. */
static void
read_repeatable(Worker *w, int cell)
{
	char		key[32];
	char		name[16];
	PGresult   *result[2] = {NULL, NULL};
	Row			row[2];
	int			n[2] = {0, 0};

	cell_key(cell, key, sizeof(key));
	snprintf(name, sizeof(name), "table_%s", cell_kind(cell));
	if (pg_run(w->conn, "BEGIN ISOLATION LEVEL REPEATABLE READ"))
	{
		result[0] = ask(w, name, "", cell);
		pause_us(random_below(&w->random, 4000));
		if (result[0] != NULL)
			result[1] = ask(w, cell_kind(cell), key, cell);
	}
	memset(row, 0, sizeof(row));
	for (int i = 0; i < 2; i++)
		if (result[i] != NULL && PQntuples(result[i]) > 0 &&
			!PQgetisnull(result[i], 0, 0))
			n[i] = parse_rows(PQgetvalue(result[i], 0, 0), &row[i], 1);
	if (result[1] != NULL)
	{
		atomic_fetch_add(&totals.own_reads, 1);
		if (n[0] != n[1] || row[0].tok != row[1].tok || row[0].v != row[1].v ||
			row[0].hits != row[1].hits || row[0].seen != row[1].seen)
			wrong_report(WRONG_SNAPSHOT, now_ns(),
						 "cell %d: table v%" PRId64 " token %" PRId64
						 ", cache v%" PRId64 " token %" PRId64, cell,
						 row[0].v, row[0].tok, row[1].v, row[1].tok);
	}
	PQclear(result[0]);
	PQclear(result[1]);
	(void) pg_run(w->conn, "ROLLBACK");
}

/*
 * Asks all questions once; for when nobody writes.
 */
void
read_everything(Worker *w)
{
	history_reset(&w->history);
	if (!connect_reader(w))
		die("there is no PostgreSQL");
	for (int turn = 0; turn < 2; turn++)
	{
		for (int group = 0; group < GROUPS; group++)
		{
			read_list(w, "items", group);
			read_list(w, "byrow", group);
			read_list(w, "tagged", group);
			read_list(w, "join", group);
		}
		for (int cell = FIRST_PAIR; cell < FIRST_PAIR + PAIRS; cell++)
			read_pair(w, cell);
		read_movers(w);
		read_sum(w);
		read_total(w);
	}
	PQfinish(w->conn);
	w->conn = NULL;
}

void *
reader_main(void *worker)
{
	static const char *const list[] = {"items", "byrow", "tagged", "join"};
	Worker	   *w = worker;

	while (!atomic_load(&round_over))
	{
		char		key[32];
		uint32_t	what;
		int			cell;
		int			group;

		if (w->conn == NULL && !connect_reader(w))
		{
			pause_us(20000);
			continue;
		}

		/* some are asked for more often than others */
		cell = random_below(&w->random, chance(&w->random, 50) ? 8 : ITEMS);
		group = random_below(&w->random, chance(&w->random, 50) ? 8 : GROUPS);
		what = random_below(&w->random, 100);
		cell_key(cell, key, sizeof(key));
		if (what < 32)
			read_cell(w, cell);
		else if (what < 39)
			read_token(w);
		else if (what < 40)
			read_one(w, "other", key, cell);
		else if (what < 41)
			read_one(w, "item", "any", cell);
		else if (what < 47)
			read_cell(w, FIRST_SLOT + random_below(&w->random, SLOTS));
		else if (what < 52)
			read_cell(w, FIRST_TALLY + random_below(&w->random, TALLIES));
		else if (what < 60)
			read_pair(w, FIRST_PAIR + random_below(&w->random, PAIRS));
		else if (what < 85)
			read_list(w, list[random_below(&w->random, 4)], group);
		else if (what < 88)
			read_movers(w);
		else if (what < 91)
			read_sum(w);
		else if (what < 93)
			read_total(w);
		else if (what < 98)
			read_table(w, random_below(&w->random, FIRST_PAIR));
		else
			read_repeatable(w, chance(&w->random, 70) ? cell :
							(int) random_below(&w->random, FIRST_PAIR));

		if (PQstatus(w->conn) != CONNECTION_OK)
		{
			atomic_fetch_add(&totals.lost, 1);
			PQfinish(w->conn);
			w->conn = NULL;
		}
		else if (chance(&w->random, 2))
			pause_us(random_below(&w->random, 5000));
	}
	PQfinish(w->conn);
	w->conn = NULL;
	return NULL;
}

/*
 * Asks Redis for a key that holds one cell.  A key that is not there says
 * nothing; the JSON null says that there is no row.
 */
void
get_cell(Worker *w, int cell)
{
	char		key[32];
	unsigned long loss = atomic_load(&redis_loss);
	int64_t		start;
	int64_t		end;
	redisReply *reply;
	Row			row[2];
	ReadKind	kind = READ_REDIS;

	cell_key(cell, key, sizeof(key));
	w->inbox_loss = atomic_load(&inbox_loss);
	start = now_ns();
	reply = redis_ask(&w->redis, "GET postgres:%s", key);
	end = now_ns();
	if (reply == NULL)
		return;
	atomic_fetch_add(&totals.gets, 1);
	if ((loss & 1) != 0 || loss != atomic_load(&redis_loss))
	{
		kind = READ_REDIS_LOSS;
		atomic_fetch_add(&totals.gets_loss, 1);
	}
	if (reply->type != REDIS_REPLY_STRING)
		atomic_fetch_add(&totals.gets_nil, 1);
	else if (strncmp(reply->str, "null", 4) == 0)
		record(w, kind, cell, NULL, start, end);
	else if (parse_rows(reply->str, row, 2) == (cell < FIRST_PAIR ? 1 : 2))
	{
		if (cell >= FIRST_PAIR &&
			(row[0].tok != row[1].tok || row[0].n + row[1].n != 0))
			wrong_report(WRONG_TORN, end, "Redis, cell %d: %s", cell,
						 reply->str);
		else
			record(w, kind, cell, &row[0], start, end);
	}
	else
		wrong_report(WRONG_REDIS_UNCOMMITTED, end, "Redis, cell %d: %s",
					 cell, reply->str);
	freeReplyObject(reply);
}

void *
getter_main(void *worker)
{
	Worker	   *w = worker;

	while (!atomic_load(&round_over))
	{
		get_cell(w, chance(&w->random, 20) ?
				 FIRST_TALLY + (int) random_below(&w->random, TALLIES) :
				 (int) random_below(&w->random, CELLS));
		pause_us(w->redis == NULL ? 20000 : random_below(&w->random, 400));
	}
	if (w->redis != NULL)
		redisFree(w->redis);
	w->redis = NULL;
	return NULL;
}
