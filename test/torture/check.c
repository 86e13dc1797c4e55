/*-------------------------------------------------------------------------
 *
 * check.c
 *		Is there a wrong read in the history of a round?
 *
 * The committed writes of a cell, in the order of their versions, are the
 * states it went through.  Of each we know when its COMMIT was sent, which is
 * the earliest moment at which anybody may see it; and a moment at which it
 * was visible for sure: when COMMIT was confirmed, or a reader of SQL had it.
 * A read of version x from s to e in SQL is wrong if
 *
 *	- no committed write has this version and token (rolled back),
 *	- COMMIT of x was sent after e (not yet committed),
 *	- a later version was visible for sure before s (stale),
 *	- Redis had shown a later version to somebody before s.
 *
 * The last knows no excuse.  An older Redis in the place of this one shows what
 * was visible long ago, and what a crash can undo must not have been there.
 *
 * A read that finds no row may stand for any version without one, so it is
 * wrong if there is none between these bounds; and of what one reader sees, one
 * after the other, the earliest possible is taken as a bound for its next.
 * What a commit without waiting for the disk wrote may be seen until a crash
 * undoes it; then it is as if it had never been.  It must never be in Redis.
 *
 * For Redis only what commit_wait or cache_wait() confirmed counts as visible,
 * and nothing does while Redis is known to have lost writes.
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

Cell		cells[CELLS + 2];

static int64_t *load_done(PGconn *conn, size_t *n);
static void resolve(Worker *workers, int n, const int64_t *done, size_t ndone);
static void collect(Worker *workers, int n, int64_t rest);
static bool was_lost(const Cell *c, const Read *read);
static void note_proof(Cell *c, const Read *read);
static void check_cell(int cell);
static size_t find_absent(const Cell *c, size_t from, int64_t before);
static void check_sql(int cell, const Read *read, size_t *bound);
static void check_redis(int cell, const Read *read);

/* ---------------- what the database says ---------------- */

/*
 * Notes where a round begins.
 */
void
check_start(PGconn *conn)
{
	State		at[CELLS];

	if (!pg_run(conn, "TRUNCATE done"))
		die("could not begin a round: %s", PQerrorMessage(conn));
	check_load(conn, at);
	for (int i = 0; i < CELLS; i++)
	{
		cells[i].state = grow(cells[i].state, &cells[i].max, 0, sizeof(State));
		cells[i].state[0] = at[i];
		cells[i].n = 1;
		cells[i].nread = 0;
		cells[i].nlost = 0;
	}
	cells[SUM].nread = cells[TOKEN].nread = 0;
	check_behind_start(conn);
}

static int
compare_int64(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

/* All tokens that were committed, in order; to be freed. */
static int64_t *
load_done(PGconn *conn, size_t *n)
{
	PGresult   *result = PQexec(conn, "SELECT tok FROM done");
	int64_t    *done;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		die("could not read what was done: %s", PQresultErrorMessage(result));
	*n = PQntuples(result);
	done = calloc(*n + 1, sizeof(int64_t));
	if (done == NULL)
		die("out of memory");
	for (size_t i = 0; i < *n; i++)
		done[i] = strtoll(PQgetvalue(result, (int) i, 0), NULL, 10);
	PQclear(result);
	qsort(done, *n, sizeof(int64_t), compare_int64);
	return done;
}

/*
 * What became of every attempt?
 */
static void
resolve(Worker *workers, int n, const int64_t *done, size_t ndone)
{
	for (int i = 0; i < n; i++)
		for (size_t j = 0; j < workers[i].history.nattempt; j++)
		{
			Attempt    *a = &workers[i].history.attempt[j];

			a->committed = bsearch(&a->token, done, ndone, sizeof(int64_t),
								   compare_int64) != NULL;
			/* one that does not wait for the disk is only confirmed by Redis */
			if (a->acked != NEVER && !a->committed &&
				(!a->async || a->applied != NEVER))
				wrong_report(WRONG_LOST, a->acked,
							 "the commit of token %" PRId64 " was confirmed",
							 a->token);
		}
}

/* ---------------- the history ---------------- */

static int
compare_states(const void *a, const void *b)
{
	return compare_int64(&((const State *) a)->version,
						 &((const State *) b)->version);
}

/* By reader, then by time. */
static int
compare_reads(const void *a, const void *b)
{
	const Read *x = *(const Read *const *) a;
	const Read *y = *(const Read *const *) b;

	if (x->who != y->who)
		return x->who < y->who ? -1 : 1;
	return compare_int64(&x->start, &y->start);
}

/*
 * Puts states and reads where they belong.
 */
static void
collect(Worker *workers, int n, int64_t rest)
{
	for (int i = 0; i < n; i++)
	{
		History    *h = &workers[i].history;

		for (size_t j = 0; j < h->nwrite; j++)
		{
			Write	   *w = &h->write[j];
			Attempt    *a = &h->attempt[w->attempt];
			Cell	   *c = &cells[w->cell];
			State		s = {.version = w->version,.token = a->token,
				.absent = w->absent,.sent = a->sent,
				.proof = {a->acked < rest ? a->acked : rest,
				a->applied < rest ? a->applied : rest, NEVER},
			.write = w};

			/* those of an attempt are side by side */
			while (s.write > h->write && s.write[-1].attempt == w->attempt)
				s.write--;
			while (s.write + s.nwrite < h->write + h->nwrite &&
				   s.write[s.nwrite].attempt == w->attempt)
				s.nwrite++;
			if (!a->committed && a->async && a->sent != NEVER)
			{
				c->lost = grow(c->lost, &c->maxlost, c->nlost, sizeof(State));
				c->lost[c->nlost++] = s;
			}
			if (!a->committed)
				continue;
			c->state = grow(c->state, &c->max, c->n, sizeof(State));
			c->state[c->n++] = s;
		}
		for (size_t j = 0; j < h->nread; j++)
		{
			Cell	   *c = &cells[h->read[j].cell];

			c->read = grow(c->read, &c->maxread, c->nread, sizeof(Read *));
			c->read[c->nread++] = &h->read[j];
		}
	}
	for (int i = 0; i < CELLS + 2; i++)
	{
		Cell	   *c = &cells[i];

		if (i < CELLS)
			qsort(c->state + 1, c->n - 1, sizeof(State), compare_states);
		for (size_t j = 1; i < CELLS && j < c->n; j++)
			if (c->state[j].version != c->state[j - 1].version + 1)
				die("cell %d: version %" PRId64 " follows %" PRId64, i,
					c->state[j].version, c->state[j - 1].version);
		qsort(c->read, c->nread, sizeof(Read *), compare_reads);
	}
}

/*
 * Checks what was done since check_start(); everything had come to rest, with
 * what was committed visible and in Redis, at the time rest.
 */
void
check_round(PGconn *conn, Worker *workers, int n, int64_t rest)
{
	size_t		ndone;
	int64_t    *done = load_done(conn, &ndone);

	resolve(workers, n, done, ndone);
	free(done);
	collect(workers, n, rest);
	for (int i = 0; i < CELLS; i++)
		check_cell(i);
	check_groups(workers, n);
	check_sum();
	check_tokens();
}

/*
 * Is it what a transaction wrote that did not wait for the disk, and was
 * undone by a crash later on?  Until then it was visible, though not in Redis.
 */
static bool
was_lost(const Cell *c, const Read *r)
{
	for (size_t i = 0; i < c->nlost; i++)
	{
		const State *s = &c->lost[i];

		if ((r->version == ABSENT ? s->absent :
			 !s->absent && s->version == r->version && s->token == r->token) &&
			s->sent <= r->end && r->start < fault_crash_end(s->sent))
			return true;
	}
	return false;
}

State *
check_find(Cell *c, int64_t version, int64_t token)
{
	int64_t		i = version - c->state[0].version;

	if (i < 0 || i >= (int64_t) c->n || c->state[i].token != token ||
		c->state[i].absent)
		return NULL;
	return &c->state[i];
}

/*
 * What one reader of SQL has seen, others see as well; and what Redis showed,
 * whatever became of that Redis, was visible in SQL.
 */
static void
note_proof(Cell *c, const Read *r)
{
	bool		sql = r->kind == READ_CACHE || r->kind == READ_TABLE;
	State	   *s = r->version == ABSENT ? NULL :
		check_find(c, r->version, r->token);
	int64_t    *proof;

	if (s == NULL)
		return;
	proof = &s->proof[sql ? PROOF_VISIBLE : PROOF_SHOWN];
	if (r->end < *proof)
		*proof = r->end;
}

static void
check_cell(int cell)
{
	Cell	   *c = &cells[cell];
	int64_t		since[PROOFS];
	size_t		bound = 0;
	int			who = -1;

	for (size_t i = 0; i < c->nread; i++)
		note_proof(c, c->read[i]);
	for (int p = 0; p < PROOFS; p++)
		since[p] = NEVER;
	for (size_t i = c->n; i-- > 0;)
		for (int p = 0; p < PROOFS; p++)
		{
			State	   *s = &c->state[i];

			if (s->proof[p] < since[p])
				since[p] = s->proof[p];
			s->since[p] = since[p];
		}
	for (size_t i = 0; i < c->nread; i++)
	{
		Read	   *r = c->read[i];

		if (r->who != who)
		{
			who = r->who;
			bound = 0;
		}
		if (r->kind == READ_CACHE || r->kind == READ_TABLE)
			check_sql(cell, r, &bound);
		else
			check_redis(cell, r);
	}
}

/*
 * The newest state that had come for sure before a moment.
 */
size_t
check_newest(const Cell *c, int64_t before, Proof proof)
{
	size_t		low = 0;
	size_t		high = c->n;

	/* since[] never falls */
	while (high - low > 1)
	{
		size_t		mid = (low + high) / 2;

		if (c->state[mid].since[proof] < before)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/*
 * The first state without a row from one on, sent before a moment; n = none.
 */
static size_t
find_absent(const Cell *c, size_t i, int64_t before)
{
	while (i < c->n && c->state[i].sent <= before && !c->state[i].absent)
		i++;
	return i < c->n && c->state[i].sent <= before ? i : c->n;
}

static void
check_sql(int cell, const Read *r, size_t *bound)
{
	Cell	   *c = &cells[cell];
	size_t		least = check_newest(c, r->start, PROOF_VISIBLE);
	size_t		shown = check_newest(c, r->start, PROOF_SHOWN);
	State	   *s;
	const char *how = r->kind == READ_CACHE ? "cache" : "table";

	if (r->version == ABSENT)
	{
		size_t		from = least > *bound ? least : *bound;
		size_t		i = find_absent(c, shown > from ? shown : from, r->end);
		bool		by_shown = find_absent(c, from, r->end) < c->n;

		if (i < c->n)
			*bound = i;
		else if (!was_lost(c, r))
		{
			wrong_report(by_shown ? WRONG_SHOWN : WRONG_ABSENT, r->end,
						 "cell %d: %s has no row, but v%" PRId64
						 " was %s before and there was no time without a row",
						 cell, how, c->state[by_shown ? shown : least].version,
						 by_shown ? "shown by Redis" : "confirmed");
			check_show(cell, r);
		}
		return;
	}

	if (r->version < c->state[0].version)
	{
		wrong_report(WRONG_STALE, r->end, "cell %d: %s shows v%" PRId64
					 ", which is from before this round", cell, how, r->version);
		check_show(cell, r);
		return;
	}
	s = check_find(c, r->version, r->token);
	if (s == NULL && was_lost(c, r))
		return;
	if (s == NULL || s->sent > r->end)
	{
		wrong_report(WRONG_UNCOMMITTED, r->end, "cell %d: %s shows v%" PRId64
					 " token %" PRId64 ", which %s", cell, how, r->version,
					 r->token, s == NULL ? "was never committed" :
					 "was committed later");
		check_show(cell, r);
		return;
	}
	if ((size_t) (s - c->state) < least)
	{
		wrong_report(WRONG_STALE, r->end, "cell %d: %s shows v%" PRId64
					 ", but v%" PRId64 " was confirmed %.3f ms before",
					 cell, how, r->version, c->state[least].version,
					 (double) (r->start - c->state[least].since[PROOF_VISIBLE]) / 1e6);
		check_show(cell, r);
	}
	else if ((size_t) (s - c->state) < shown)
	{
		wrong_report(WRONG_SHOWN, r->end, "cell %d: %s shows v%" PRId64
					 ", but Redis showed v%" PRId64 " %.3f ms before",
					 cell, how, r->version, c->state[shown].version,
					 (double) (r->start - c->state[shown].since[PROOF_SHOWN]) / 1e6);
		check_show(cell, r);
	}
	else if ((size_t) (s - c->state) < *bound)
	{
		wrong_report(WRONG_BACKWARD, r->end, "cell %d: %s shows v%" PRId64
					 ", but the same reader has seen v%" PRId64, cell, how,
					 r->version, c->state[*bound].version);
		check_show(cell, r);
	}
	else
		*bound = s - c->state;
}

static void
check_redis(int cell, const Read *r)
{
	Cell	   *c = &cells[cell];
	size_t		least = r->kind == READ_REDIS ?
		check_newest(c, r->start, PROOF_APPLIED) : 0;
	State	   *s;

	if (r->version == ABSENT)
	{
		if (find_absent(c, least, r->end) == c->n && r->kind == READ_REDIS)
		{
			wrong_report(WRONG_REDIS, r->end, "cell %d: Redis says that there is no row, but v%"
						 PRId64 " was confirmed to be there", cell,
						 c->state[least].version);
			check_show(cell, r);
		}
		return;
	}
	if (r->version < c->state[0].version)
	{
		if (r->kind == READ_REDIS)
		{
			wrong_report(WRONG_REDIS, r->end, "cell %d: Redis has v%" PRId64
						 ", which is from before this round", cell, r->version);
			check_show(cell, r);
		}
		return;
	}
	s = check_find(c, r->version, r->token);
	if (s == NULL || s->sent > r->end)
		wrong_report(WRONG_REDIS_UNCOMMITTED, r->end, "cell %d: Redis has v%"
					 PRId64 " token %" PRId64 ", which %s", cell, r->version,
					 r->token, s == NULL ? "was never committed" :
					 "was committed later");
	else if ((size_t) (s - c->state) < least)
		wrong_report(WRONG_REDIS, r->end, "cell %d: Redis has v%" PRId64
					 ", but v%" PRId64 " was confirmed to be there %.3f ms before",
					 cell, r->version, c->state[least].version,
					 (double) (r->start - c->state[least].since[PROOF_APPLIED]) / 1e6);
	else
		return;
	check_show(cell, r);
}

/*
 * Prints the states around a wrong read, and what its reader read before.
 */
void
check_show(int cell, const Read *read)
{
	Cell	   *c = &cells[cell];
	size_t		from = check_newest(c, read->start, PROOF_VISIBLE);
	int			shown = 0;

	if (!options.verbose)
		return;
	for (size_t i = 0; i < c->nread && shown < 4; i++)
		if (c->read[i]->who == read->who && c->read[i]->end <= read->end &&
			c->read[i]->end > read->end - 20000000)
		{
			printf("  %10.3f .. %10.3f ms: reader %d got v%" PRId64 " token %"
				   PRId64 " (kind %d)\n",
				   (double) (c->read[i]->start - read->start) / 1e6,
				   (double) (c->read[i]->end - read->start) / 1e6,
				   read->who, c->read[i]->version, c->read[i]->token,
				   c->read[i]->kind);
			shown += c->read[i] != read;
		}
	for (size_t i = from > 3 ? from - 3 : 0; i < c->n && i < from + 4; i++)
	{
		State	   *s = &c->state[i];
		int64_t		time[] = {s->sent, s->proof[PROOF_VISIBLE],
		s->proof[PROOF_APPLIED], s->proof[PROOF_SHOWN]};

		printf("  v%" PRId64 " token %" PRId64
			   "%s: sent, visible, in Redis, shown there:",
			   s->version, s->token, s->absent ? " (absent)" : "");
		for (size_t j = 0; j < sizeof(time) / sizeof(time[0]); j++)
			if (time[j] == NEVER)
				printf(" never");
			else
				printf(" %.3f", (double) (time[j] - read->start) / 1e6);
		puts(" ms");
	}
}
