/*-------------------------------------------------------------------------
 *
 * behind.c
 *		Those who write behind, in the torture checker.
 *
 * They append entries to the inbox: by the script, as readers of Redis do who want
 * to see their own write; by XADD; and in SQL.  Some add to columns of a row of
 * "tally", some set "seen", which only one thread does for each row, to ever higher
 * numbers.  Some entries cannot be applied.
 *
 * An entry without an answer may have been appended, or be so later on.  So whoever
 * has got none waits until Redis must have done what it ever will do.
 *
 * It is known for sure that an entry was applied when the database says that it
 * has got so far in the inbox, and Redis can have lost nothing since.
 *
 * MODEL: a thread for each, with connections of its own.  behind_settle() is called
 * by the main thread, when there are no others.
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

#define SCRIPT_FILE	"src/redis/lua/behind.lua"
#define POSITION	"SELECT id FROM rtcache_inbox_position WHERE prefix = 'postgres:'"

/* Digits of "bits", of which each is the count of an entry; next[] is free. */
#define DIGITS		400
static atomic_int next_digit[TALLIES];

static const char *
script(void)
{
	static _Thread_local char text[16384];
	FILE	   *f;
	size_t		n;

	if (text[0] != '\0')
		return text;
	f = fopen(SCRIPT_FILE, "r");
	if (f == NULL || (n = fread(text, 1, sizeof(text) - 1, f)) == 0)
		die("there is no %s", SCRIPT_FILE);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* False = it is no id of an entry. */
static bool
parse_id(const char *text, uint64_t id[2])
{
	return text != NULL && sscanf(text, "%" SCNu64 "-%" SCNu64, &id[0], &id[1]) == 2;
}

static bool
is_later(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
}

/* Forgets the digits of the round before. */
void
behind_start(void)
{
	for (int i = 0; i < TALLIES; i++)
		atomic_store(&next_digit[i], 0);
}

/* ---------------- what is known to be applied ---------------- */

/*
 * Notes which entries are applied, if the database is that far, and nothing was lost
 * since they were appended.  Of entries without an id we know that they came
 * before the next one.
 */
static void
note_sure(Worker *w, const uint64_t position[2], unsigned long loss, bool all)
{
	bool		behind = all;
	int64_t		now = now_ns();
	History    *h = &w->history;

	for (size_t i = h->nentry; i > w->first_unsure;)
	{
		Entry	   *e = &h->entry[--i];

		if (e->loss != loss)
			break;
		if (e->acked == NEVER)
			continue;
		if (e->id[0] != 0)
			behind = behind || !is_later(e->id, position);
		if (behind && e->sure == NEVER)
			e->sure = now;
	}
	while (w->first_unsure < h->nentry &&
		   (h->entry[w->first_unsure].sure != NEVER ||
			h->entry[w->first_unsure].acked == NEVER ||
			h->entry[w->first_unsure].loss != loss))
		w->first_unsure++;
}

static void
look_at_position(Worker *w)
{
	unsigned long loss = atomic_load(&inbox_loss);
	uint64_t	position[2];
	char	   *value;

	if ((loss & 1) != 0)
		return;
	value = pg_value(w->conn, POSITION);
	if (parse_id(value, position) && atomic_load(&inbox_loss) == loss)
		note_sure(w, position, loss, false);
	free(value);
}

/*
 * Waits until all entries are applied; false = they are not.
 */
bool
behind_settle(PGconn *conn, Worker *workers, int n)
{
	redisContext *redis = NULL;
	unsigned long loss = atomic_load(&inbox_loss);
	bool		settled = false;

	for (int i = 0; i < 60 * 20 && !settled; i++)
	{
		redisReply *reply = redis_ask(&redis, "XREVRANGE postgres:~inbox + - COUNT 1");
		char	   *value = pg_value(conn, POSITION);
		uint64_t	position[2] = {0, 0};
		uint64_t	last[2];

		(void) parse_id(value, position);
		if (reply != NULL && reply->type == REDIS_REPLY_ARRAY)
			settled = reply->elements == 0 ||
				(parse_id(reply->element[0]->element[0]->str, last) &&
				 !is_later(last, position));
		if (reply != NULL)
			freeReplyObject(reply);
		free(value);
		if (!settled)
			pause_us(50000);
	}
	if (redis != NULL)
		redisFree(redis);
	for (int i = 0; i < n; i++)
	{
		static const uint64_t none[2];
		History    *h = &workers[i].history;

		workers[i].first_unsure = 0;
		if (settled)
			note_sure(&workers[i], none, loss, true);
		for (size_t j = 0; j < h->nentry; j++)
			if (h->entry[j].sure == NEVER)
				atomic_fetch_add(&totals.maybe_entries, 1);
	}
	return settled && pg_run(conn, "SELECT cache_wait(timeout => '60s')");
}

/* ---------------- appending ---------------- */

/*
 * Waits until Redis has done all that it was ever asked for by a connection that
 * is closed: it may get to know a later one sooner.
 */
static void
wait_for_redis(Worker *w)
{
	for (int i = 0; i < 2 && !atomic_load(&round_over); i++)
	{
		redisReply *reply = redis_ask(&w->redis, "PING");

		if (reply == NULL)
			i = -1;
		else
			freeReplyObject(reply);
		pause_us(50000);
	}
}

/* Takes the id that XADD or the script has returned; false = it is an error. */
static bool
take_reply(Worker *w, Entry *e, const redisReply *reply, unsigned long redis)
{
	const redisReply *id = reply;

	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		id = reply->element[0];
	if (id->type != REDIS_REPLY_STRING || !parse_id(id->str, e->id))
	{
		if (options.verbose)
			fprintf(stderr, "behind: %s\n", id->str ? id->str : "no id");
		return false;
	}
	e->acked = now_ns();
	if (id != reply && reply->element[1]->type == REDIS_REPLY_STRING)
	{
		Row			row;
		bool		lost = (redis & 1) != 0 || redis != atomic_load(&redis_loss);

		if (parse_rows(reply->element[1]->str, &row, 1) == 1)
			record(w, lost ? READ_REDIS_LOSS : READ_REDIS, e->cell, &row, e->sent,
				   e->acked);
	}
	return true;
}

/* The function in SQL does not return the id. */
static bool
append_in_sql(Worker *w, Entry *e, const char *key, const char *object, bool set)
{
	char		query[1024];

	snprintf(query, sizeof(query), "SELECT cache_%s('%s', '%s')",
			 set ? "put" : "add", key, object);
	if (!pg_run(w->conn, query))
		return false;
	e->acked = now_ns();
	return true;
}

/* What an entry says: a JSON object. */
static bool
make_object(Worker *w, Entry *e, bool sql, char *object, size_t size)
{
	int			tally = e->cell - FIRST_TALLY;
	bool		set = chance(&w->random, 30);
	int			len;

	/* what may be done late must not be in a certain order */
	if (set && (sql || tally % options.behinders != w->id % options.behinders))
	{
		snprintf(object, size, "{\"note\": %d}", (int) random_below(&w->random, 1000));
		return true;
	}
	if (set)
	{
		e->seen = ++w->last_seen[tally];
		snprintf(object, size, "{\"seen\": %" PRId64 "}", e->seen);
		return true;
	}
	e->hits = 1 + random_below(&w->random, 9);
	len = snprintf(object, size, "{\"hits\": %d", e->hits);
	if (chance(&w->random, 50) && atomic_load(&next_digit[tally]) < DIGITS)
	{
		e->digit = atomic_fetch_add(&next_digit[tally], 1);
		len += snprintf(object + len, size - len, ", \"bits\": 1%0*d", e->digit, 0);
		if (e->digit == 0)
			object[--len] = '\0';
	}
	snprintf(object + len, size - len, "}");
	return false;
}

/* Appends what nobody can apply. */
static void
append_bad(Worker *w)
{
	static const char *const bad[][3] = {
		{"tally:%d", "add", "{\"nosuch\": 1}"},
		{"tally:%d", "add", "{\"hits\": \"x\"}"},
		{"tally:%d", "set", "{\"seen\": -1}"},
		{"tally:%d", "set", "{\"v\": 1}"},
		{"tally:%d", "set", "{\"hits\""},
		{"tally:1%d", "add", "{\"hits\": 1}"},
		{"nobody:%d", "set", "{\"hits\": 1}"},
		{"item:%d", "set", "{\"v\": 1}"}
	};
	const char *const *b = bad[random_below(&w->random, sizeof(bad) / sizeof(bad[0]))];
	char		key[32];
	redisReply *reply;

	snprintf(key, sizeof(key), "tally:%d",
			 FIRST_TALLY + (int) random_below(&w->random, TALLIES));
	if (strchr(b[0], '1') != NULL)
		snprintf(key, sizeof(key), "tally:%d", CELLS);
	else if (b[0][0] != 't')
		snprintf(key, sizeof(key), "%s:1", b[0][0] == 'n' ? "nobody" : "item");
	reply = redis_ask(&w->redis, "XADD postgres:~inbox * key %s %s %s", key, b[1], b[2]);
	if (reply != NULL)
	{
		atomic_fetch_add(&totals.bad_entries, 1);
		freeReplyObject(reply);
	}
	else
		wait_for_redis(w);
}

static void
append(Worker *w)
{
	Entry	   *e = history_entry(&w->history);
	unsigned long redis = atomic_load(&redis_loss);
	unsigned long loss = w->inbox_loss = atomic_load(&inbox_loss);
	uint32_t	how = random_below(&w->random, 100);
	bool		sql = how >= 85 && w->conn != NULL;
	redisReply *reply = NULL;
	bool		good = false;
	bool		set;
	char		key[32];
	char		object[DIGITS + 100];

	e->cell = FIRST_TALLY + (int) random_below(&w->random, TALLIES);
	cell_key(e->cell, key, sizeof(key));
	set = make_object(w, e, sql, object, sizeof(object));
	e->script = how < 55;
	e->sent = now_ns();
	if (sql)
		good = append_in_sql(w, e, key, object, set);
	else if (e->script)
		reply = redis_ask(&w->redis, "EVAL %s 2 postgres:%s postgres:~inbox %s %s",
						  script(), key, set ? "set" : "add", object);
	else
		reply = redis_ask(&w->redis, "XADD postgres:~inbox * key %s %s %s", key,
						  set ? "set" : "add", object);
	if (reply != NULL)
	{
		good = take_reply(w, e, reply, redis);
		freeReplyObject(reply);
	}
	e->loss = atomic_load(&inbox_loss) == loss ? loss : loss | 1;
	if (good)
		atomic_fetch_add(&totals.entries, 1);
	else if (!sql)
		wait_for_redis(w);
}

void *
behind_main(void *worker)
{
	Worker	   *w = worker;
	int64_t		next_look = 0;

	w->first_unsure = 0;
	while (!atomic_load(&round_over))
	{
		if (without_redis)
		{
			pause_us(100000);
			continue;
		}
		if (w->conn != NULL && PQstatus(w->conn) != CONNECTION_OK)
		{
			atomic_fetch_add(&totals.lost, 1);
			PQfinish(w->conn);
			w->conn = NULL;
		}
		if (w->conn == NULL && (w->conn = pg_connect("torture behind")) != NULL)
			(void) pg_run(w->conn, "SET statement_timeout = '2s'");
		if (w->conn != NULL && now_ns() >= next_look)
		{
			look_at_position(w);
			next_look = now_ns() + 100000000;
		}
		if (chance(&w->random, 4))
			append_bad(w);
		else
			append(w);
		pause_us(random_below(&w->random, 15000));
	}
	PQfinish(w->conn);
	w->conn = NULL;
	if (w->redis != NULL)
		redisFree(w->redis);
	w->redis = NULL;
	return NULL;
}
