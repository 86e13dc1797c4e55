/*-------------------------------------------------------------------------
 *
 * writer.c
 *		The writers of the torture checker.
 *
 * A transaction locks the versions of all cells that it will write, in their
 * order; moves them; writes the rows; and commits, rolls back, or prepares.
 * What is recorded as sent is the moment before COMMIT went out: nobody may
 * see the rows earlier.  An attempt without an answer to its COMMIT is left as
 * it is: the table "done" says later what became of it.
 *
 * MODEL: a thread for each writer, with a connection of its own.  After an
 * error of SQL the transaction is rolled back; after the loss of the connection
 * a new one is opened, and a prepared transaction that was left behind is
 * finished, at once or much later.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

#define MAX_CELLS	(ITEMS + 8)

/* A transaction that is being made. */
typedef struct Plan
{
	int			cell[MAX_CELLS];	/* in order */
	int64_t		version[MAX_CELLS];
	bool		absent[MAX_CELLS];	/* what it leaves */
	int			n;
	int64_t		token;
	bool		truncate;
	int			from,
				to;				/* a row is moved between these, or -1 */
} Plan;

static bool connect_writer(Worker *w);
static void take_notice(void *worker, const PGresult *result);
static bool run(Worker *w, const char *format,...)
			__attribute__((format(printf, 2, 3)));
static void add_cell(Plan *plan, int cell);
static void make_plan(Worker *w, Plan *plan);
static bool lock_cells(Worker *w, Plan *plan);
static bool write_cells(Worker *w, Plan *plan);
static bool write_cell(Worker *w, Plan *plan, int i, int64_t token);
static bool move_row(Worker *w, Plan *plan);
static bool refill(Worker *w, Plan *plan);
static bool detour(Worker *w, Plan *plan);
static void check_own(Worker *w, Plan *plan);
static void finish(Worker *w, Plan *plan);
static void finish_prepared(Worker *w, Plan *plan, Attempt *attempt);
static void note_applied(Worker *w, Plan *plan, Attempt *attempt,
						 unsigned long loss);
static void confirm_applied(Worker *w, Plan *plan, Attempt *attempt);
static void settle_orphan(Worker *w);

/*
 * Opens the connection; false = not now.
 */
static bool
connect_writer(Worker *w)
{
	w->conn = pg_connect("torture writer");
	if (w->conn == NULL)
		return false;
	PQsetNoticeReceiver(w->conn, take_notice, w);
	if (!pg_run(w->conn, "SET lock_timeout = '1s'") ||
		!pg_run(w->conn, "SET statement_timeout = '10s'"))
	{
		PQfinish(w->conn);
		w->conn = NULL;
		return false;
	}
	return true;
}

/* COMMIT that did not wait until Redis had it says so in a WARNING. */
static void
take_notice(void *worker, const PGresult *result)
{
	const char *severity = PQresultErrorField(result,
											  PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity != NULL && strcmp(severity, "WARNING") == 0)
		((Worker *) worker)->warned = true;
}

static bool
run(Worker *w, const char *format,...)
{
	char		query[1024];
	va_list		args;
	PGresult   *result;
	ExecStatusType status;

	va_start(args, format);
	vsnprintf(query, sizeof(query), format, args);
	va_end(args);
	result = PQexec(w->conn, query);
	status = PQresultStatus(result);
	w->changed += atoi(PQcmdTuples(result));
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		options.verbose && PQstatus(w->conn) == CONNECTION_OK)
		fprintf(stderr, "writer: %s: %s", query, PQresultErrorMessage(result));
	PQclear(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* Cells stay in order, and come once. */
static void
add_cell(Plan *plan, int cell)
{
	int			at = plan->n;

	for (int i = 0; i < plan->n; i++)
		if (plan->cell[i] == cell)
			return;
	if (plan->n == MAX_CELLS)
		return;
	while (at > 0 && plan->cell[at - 1] > cell)
	{
		plan->cell[at] = plan->cell[at - 1];
		plan->absent[at] = plan->absent[at - 1];
		at--;
	}
	plan->cell[at] = cell;
	plan->absent[at] = false;
	plan->n++;
}

static void
make_plan(Worker *w, Plan *plan)
{
	uint32_t	what = random_below(&w->random, 200);
	bool		truncate = random_below(&w->random, 800) == 0;

	memset(plan, 0, sizeof(*plan));
	plan->token = new_token();
	plan->from = plan->to = -1;
	if (truncate)
	{
		plan->truncate = true;
		for (int cell = 0; cell < ITEMS; cell++)
			add_cell(plan, cell);
		for (int i = 0; i < plan->n; i++)
			plan->absent[i] = chance(&w->random, 20);
		return;
	}
	if (what < 90)
		add_cell(plan, random_below(&w->random,
									chance(&w->random, 60) ? 8 : ITEMS));
	else if (what < 130)
	{
		int			n = 2 + random_below(&w->random, 4);
		int			group = random_below(&w->random, chance(&w->random, 60) ? 8 : GROUPS);

		/* anywhere, or what one list and one join show */
		if (chance(&w->random, 40))
			group = -1;
		for (int i = 0; i < n; i++)
			add_cell(plan, group < 0 ? random_below(&w->random, ITEMS) :
					 group + GROUPS * random_below(&w->random, ITEMS / GROUPS));
		if (chance(&w->random, 20))
			add_cell(plan, FIRST_TALLY + random_below(&w->random, TALLIES));
		if (chance(&w->random, 50))
			add_cell(plan, FIRST_PAIR + (group < 0 ? random_below(&w->random, PAIRS) :
										 (uint32_t) group % PAIRS));
	}
	else if (what < 160)
	{
		plan->from = FIRST_SLOT + random_below(&w->random, SLOTS);
		plan->to = FIRST_SLOT + random_below(&w->random, SLOTS);
		add_cell(plan, plan->from);
		add_cell(plan, plan->to);
	}
	else if (what < 180)
		add_cell(plan, FIRST_TALLY + random_below(&w->random, TALLIES));
	else
		add_cell(plan, FIRST_PAIR + random_below(&w->random, PAIRS));
	for (int i = 0; i < plan->n; i++)
		if (plan->cell[i] < FIRST_SLOT)
			plan->absent[i] = chance(&w->random, 12);
}

/*
 * Locks the versions of the cells and moves them.
 */
static bool
lock_cells(Worker *w, Plan *plan)
{
	char		list[MAX_CELLS * 4 + 1] = "";
	char		query[MAX_CELLS * 4 + 100];
	size_t		len = 0;
	PGresult   *result;
	bool		good;

	for (int i = 0; i < plan->n; i++)
		len += snprintf(list + len, sizeof(list) - len, "%s%d", i ? "," : "",
						plan->cell[i]);
	if (plan->n > 1)
	{
		snprintf(query, sizeof(query),
				 "SELECT FROM ver WHERE c IN (%s) ORDER BY c FOR UPDATE", list);
		if (!pg_run(w->conn, query))
			return false;
	}
	snprintf(query, sizeof(query),
			 "UPDATE ver SET v = v + 1 WHERE c IN (%s) RETURNING c, v", list);
	result = PQexec(w->conn, query);
	good = PQresultStatus(result) == PGRES_TUPLES_OK &&
		PQntuples(result) == plan->n;
	for (int i = 0; good && i < plan->n; i++)
	{
		int			cell = atoi(PQgetvalue(result, i, 0));

		for (int j = 0; j < plan->n; j++)
			if (plan->cell[j] == cell)
				plan->version[j] = strtoll(PQgetvalue(result, i, 1), NULL, 10);
	}
	PQclear(result);
	return good;
}

static bool
write_cell(Worker *w, Plan *plan, int i, int64_t token)
{
	int			cell = plan->cell[i];
	int64_t		version = plan->version[i];

	if (cell >= FIRST_PAIR)
		return run(w, "UPDATE pair SET v = %" PRId64 ", tok = %" PRId64
				   ", n = CASE side WHEN 0 THEN %d ELSE %d END WHERE c = %d",
				   version, token, (int) (token % 1000),
				   -(int) (token % 1000), cell);
	if (cell >= FIRST_TALLY)
		return run(w, "UPDATE tally SET v = %" PRId64 ", tok = %" PRId64
				   " WHERE c = %d", version, token, cell);
	if (cell >= FIRST_SLOT)
		return run(w, "UPDATE mover SET v = %" PRId64 ", tok = %" PRId64
				   " WHERE c = %d", version, token, cell);
	if (plan->absent[i])
		return run(w, "DELETE FROM item WHERE c = %d", cell);
	return run(w, "INSERT INTO item VALUES (%d, %d, %" PRId64 ", %" PRId64
			   ") ON CONFLICT (c) DO UPDATE SET v = excluded.v, tok = excluded.tok",
			   cell, cell % GROUPS, version, token);
}

/*
 * The row at one place goes to the other, if there is one here and none there;
 * two rows change places; or what there is gets its new version.
 */
static bool
move_row(Worker *w, Plan *plan)
{
	int			from = 0;
	int			to = 0;
	bool		have[2];
	PGresult   *result;
	char		query[128];

	for (int i = 0; i < plan->n; i++)
	{
		if (plan->cell[i] == plan->from)
			from = i;
		if (plan->cell[i] == plan->to)
			to = i;
	}
	snprintf(query, sizeof(query),
			 "SELECT EXISTS (SELECT FROM mover WHERE c = %d), EXISTS (SELECT FROM mover WHERE c = %d)",
			 plan->from, plan->to);
	result = PQexec(w->conn, query);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		PQclear(result);
		return false;
	}
	have[0] = *PQgetvalue(result, 0, 0) == 't';
	have[1] = *PQgetvalue(result, 0, 1) == 't';
	PQclear(result);

	if (from == to)
	{
		plan->absent[from] = !have[0];
		return write_cell(w, plan, from, plan->token);
	}
	if (have[0] && have[1] && chance(&w->random, 50))
		return write_cell(w, plan, from, plan->token) &&
			write_cell(w, plan, to, plan->token);
	plan->absent[from] = !have[1];
	plan->absent[to] = !have[0];
	return run(w, "UPDATE mover SET tok = %" PRId64
			   ", c = CASE c WHEN %d THEN %d ELSE %d END"
			   ", v = CASE c WHEN %d THEN %" PRId64 " ELSE %" PRId64 " END"
			   " WHERE c IN (%d, %d)", plan->token,
			   plan->from, plan->to, plan->from,
			   plan->from, plan->version[to], plan->version[from],
			   plan->from, plan->to);
}

/* Writes what is then rolled back to a savepoint. */
static bool
detour(Worker *w, Plan *plan)
{
	int			i = random_below(&w->random, plan->n);
	int			changed = w->changed;
	bool		good;

	good = run(w, "SAVEPOINT s") &&
		(plan->truncate ? run(w, "TRUNCATE item") :
		 write_cell(w, plan, i, new_token())) &&
		run(w, "ROLLBACK TO s");
	w->changed = changed;
	return good;
}

/* What is to be there after TRUNCATE; "ver" has the new versions. */
static bool
refill(Worker *w, Plan *plan)
{
	char		query[MAX_CELLS * 4 + 200];
	size_t		len;

	len = snprintf(query, sizeof(query),
				   "INSERT INTO item SELECT c, c %% %d, v, %" PRId64
				   " FROM ver WHERE c IN (-1", GROUPS, plan->token);
	for (int i = 0; i < plan->n; i++)
		if (!plan->absent[i])
			len += snprintf(query + len, sizeof(query) - len, ",%d",
							plan->cell[i]);
	snprintf(query + len, sizeof(query) - len, ")");
	return pg_run(w->conn, query);
}

static bool
write_cells(Worker *w, Plan *plan)
{
	bool		inside = chance(&w->random, 15);

	w->changed = plan->truncate;
	if (chance(&w->random, 15) && !detour(w, plan))
		return false;
	if (inside && !run(w, "SAVEPOINT t"))
		return false;
	if (plan->truncate)
	{
		if (!run(w, "TRUNCATE item") || !refill(w, plan))
			return false;
	}
	else if (plan->from >= 0)
	{
		if (!move_row(w, plan))
			return false;
	}
	else
		for (int i = 0; i < plan->n; i++)
			if (!write_cell(w, plan, i, plan->token))
				return false;
	if (inside && !run(w, "RELEASE t"))
		return false;
	return chance(&w->random, 85) || detour(w, plan);
}

/*
 * A transaction that has written must see what it wrote.
 */
static void
check_own(Worker *w, Plan *plan)
{
	int			i = random_below(&w->random, plan->n);
	int			cell = plan->cell[i];
	char		query[256];
	char		key[32];
	char	   *value;
	Row			row;
	bool		there;

	if (cell >= FIRST_PAIR)
		return;
	cell_key(cell, key, sizeof(key));
	snprintf(query, sizeof(query), "SELECT coalesce(cache_get('%s', '%s', '{%d}')::text, '')",
			 key, cell_query(cell), cell);
	value = pg_value(w->conn, query);
	if (value == NULL)
		return;
	atomic_fetch_add(&totals.own_reads, 1);
	there = parse_rows(value, &row, 1) > 0;
	if (there == plan->absent[i] ||
		(there && (row.tok != plan->token || row.v != plan->version[i])))
		wrong_report(WRONG_OWN, now_ns(), "cell %d: wrote v%" PRId64 " token %"
					 PRId64 "%s, read %s", cell, plan->version[i],
					 plan->token, plan->absent[i] ? " (absent)" : "", value);
	free(value);
}

/*
 * Waits until Redis has what was committed, and notes it if it does.
 */
static void
confirm_applied(Worker *w, Plan *plan, Attempt *attempt)
{
	unsigned long loss = atomic_load(&redis_loss);
	char	   *value = pg_value(w->conn, "SELECT cache_wait(timeout => '2s')");

	if (value != NULL && strcmp(value, "t") == 0)
		note_applied(w, plan, attempt, loss);
	free(value);
}

/*
 * Notes that Redis was confirmed to have it, and looks.  Without Redis such a
 * confirmation comes at once and says nothing.
 */
static void
note_applied(Worker *w, Plan *plan, Attempt *attempt, unsigned long loss)
{
	if ((loss & 1) != 0 || loss != atomic_load(&redis_loss))
		return;
	attempt->applied = now_ns();
	atomic_fetch_add(&totals.applied, 1);
	for (int i = 0; i < plan->n && i < 3; i++)
		get_cell(w, plan->cell[i]);
}

static void
finish_prepared(Worker *w, Plan *plan, Attempt *attempt)
{
	bool		commit = chance(&w->random, 70);
	bool		wait = w->changed > 0 && chance(&w->random, 40);
	unsigned long loss = atomic_load(&redis_loss);

	atomic_fetch_add(&totals.prepared, 1);
	w->orphan = plan->token;
	w->orphan_attempt = (uint32_t) (attempt - w->history.attempt);
	if (!run(w, "PREPARE TRANSACTION 'torture_%" PRId64 "'", plan->token))
	{
		/* an error leaves nothing behind, a lost connection may */
		if (PQstatus(w->conn) == CONNECTION_OK)
			w->orphan = 0;
		return;
	}
	if (chance(&w->random, 30))
		pause_us(random_below(&w->random, 20000));
	while (atomic_load(&hold_prepared))
		pause_us(1000);
	if (commit)
	{
		if (wait && !run(w, "SET rtcache.commit_wait = 'applied'"))
			return;
		w->warned = false;
		attempt->sent = now_ns();
		if (!run(w, "COMMIT PREPARED 'torture_%" PRId64 "'", plan->token))
			return;
		attempt->acked = now_ns();
		atomic_fetch_add(&totals.commits, 1);
		if (wait && !w->warned)
			note_applied(w, plan, attempt, loss);
		if (wait && !run(w, "RESET rtcache.commit_wait"))
			return;
	}
	else if (!run(w, "ROLLBACK PREPARED 'torture_%" PRId64 "'", plan->token))
		return;
	else
		atomic_fetch_add(&totals.rollbacks, 1);
	w->orphan = 0;
}

/*
 * Ends the transaction one way or another.  One that changed no row that is
 * cached has nothing to wait for, so commit_wait would confirm nothing.
 */
static void
finish(Worker *w, Plan *plan)
{
	History    *h = &w->history;
	uint32_t	number = history_attempt(h, plan->token);
	Attempt    *attempt = &h->attempt[number];
	bool		async = chance(&w->random, options.async);
	bool		wait = chance(&w->random, async ? 10 : 40);
	bool		by_setting = wait && w->changed > 0 && chance(&w->random, 70);
	unsigned long loss = atomic_load(&redis_loss);

	for (int i = 0; i < plan->n; i++)
	{
		Write		write = {number, plan->cell[i],
		plan->version[i], plan->absent[i]};

		history_write(h, &write);
	}
	if (chance(&w->random, 20))
		check_own(w, plan);
	if (chance(&w->random, 10))
	{
		if (run(w, "ROLLBACK"))
			atomic_fetch_add(&totals.rollbacks, 1);
		return;
	}
	if (!run(w, "INSERT INTO done VALUES (%" PRId64 ")", plan->token))
		return;
	w->changed--;				/* that one is not cached */
	if (chance(&w->random, options.prepared))
	{
		finish_prepared(w, plan, attempt);
		return;
	}
	/* else it waits for standbys, not just for the disk */
	if ((async || chance(&w->random, 50)) &&
		!run(w, "SET LOCAL synchronous_commit = '%s'", async ? "off" : "local"))
		return;
	attempt->async = async;
	if (by_setting && !run(w, "SET LOCAL rtcache.commit_wait = 'applied'"))
		return;

	w->warned = false;
	attempt->sent = now_ns();
	if (!run(w, "COMMIT"))
	{
		if (PQstatus(w->conn) != CONNECTION_OK)
			atomic_fetch_add(&totals.maybes, 1);
		return;
	}
	attempt->acked = now_ns();
	atomic_fetch_add(&totals.commits, 1);
	if (by_setting && !w->warned)
		note_applied(w, plan, attempt, loss);
	else if (wait && !by_setting)
		confirm_applied(w, plan, attempt);
}

/*
 * Ends a prepared transaction that a lost connection left behind, if there is
 * one.  Whether COMMIT PREPARED went out before or not, it may go out now.
 */
static void
settle_orphan(Worker *w)
{
	Attempt    *attempt = &w->history.attempt[w->orphan_attempt];
	char		query[128];
	char	   *value;

	snprintf(query, sizeof(query),
			 "SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'torture_%" PRId64 "'",
			 w->orphan);
	value = pg_value(w->conn, query);
	if (value == NULL)
		return;
	if (strcmp(value, "1") == 0)
	{
		if (attempt->sent != NEVER || chance(&w->random, 50))
		{
			if (attempt->sent == NEVER)
				attempt->sent = now_ns();
			if (run(w, "COMMIT PREPARED 'torture_%" PRId64 "'", w->orphan))
				attempt->acked = now_ns();
		}
		else
			(void) run(w, "ROLLBACK PREPARED 'torture_%" PRId64 "'", w->orphan);
	}
	free(value);
	if (PQstatus(w->conn) == CONNECTION_OK)
		w->orphan = 0;
}

void *
writer_main(void *worker)
{
	Worker	   *w = worker;
	Plan		plan;

	w->orphan = 0;
	while (!atomic_load(&round_over))
	{
		if (w->conn == NULL && !connect_writer(w))
		{
			pause_us(20000);
			continue;
		}
		if (w->orphan != 0)
		{
			if (chance(&w->random, 50))
				pause_us(random_below(&w->random, 300000));
			settle_orphan(w);
		}
		else
		{
			make_plan(w, &plan);
			if (run(w, "BEGIN") && lock_cells(w, &plan) &&
				write_cells(w, &plan))
				finish(w, &plan);
			if (PQstatus(w->conn) == CONNECTION_OK &&
				PQtransactionStatus(w->conn) != PQTRANS_IDLE)
				(void) run(w, "ROLLBACK");
		}
		if (PQstatus(w->conn) != CONNECTION_OK)
		{
			atomic_fetch_add(&totals.lost, 1);
			PQfinish(w->conn);
			w->conn = NULL;
		}
		else if (chance(&w->random, 2))
			(void) run(w, "SELECT cache_del('item:%d', 'items:%d')",
					   (int) random_below(&w->random, ITEMS),
					   (int) random_below(&w->random, GROUPS));
		else if (chance(&w->random, 2))
			(void) run(w, "SELECT cache_invalidate('group:%d')",
					   (int) random_below(&w->random, GROUPS));
		pause_us(random_below(&w->random, 3000));
	}
	PQfinish(w->conn);
	w->conn = NULL;
	if (w->redis != NULL)
		redisFree(w->redis);
	w->redis = NULL;
	return NULL;
}
