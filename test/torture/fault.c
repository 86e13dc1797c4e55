/*-------------------------------------------------------------------------
 *
 * fault.c
 *		What the torture checker does to the servers.
 *
 * All faults that are asked for come in turns, in a random order that is dealt
 * anew when it is used up.  After most of them we wait until everything works
 * again, or there would soon be nothing to break; after some the next one
 * comes at once.
 *
 * MODEL: one thread, which alone signals, ends and starts servers in a round.
 * Whatever it has stopped goes on before it leaves.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

#define NFAULTS		((int) (sizeof(fault) / sizeof(fault[0])))
#define RECOVERY_MS	8000		/* longest wait for everything to work */

static bool kill_backend(Worker *w);
static bool terminate(Worker *w);
static bool kill_relay(Worker *w);
static bool kill_postmaster(Worker *w);
static bool stop_relay(Worker *w);
static bool stop_redis(Worker *w);
static bool kill_redis(Worker *w);
static bool restart_redis(Worker *w);
static bool snapshot(Worker *w);
static bool stale_redis(Worker *w);
static bool reset(Worker *w);
static bool flush(Worker *w);
static bool pause_redis(Worker *w);
static bool linger(Worker *w);
static bool evict(Worker *w);
static bool lag(Worker *w);
static bool orphans(Worker *w);
static bool switch_off(Worker *w);

static struct
{
	const char *name;
	bool		(*act) (Worker *w); /* false = it could not be done now */
	bool		redis;			/* pointless without Redis */
	int			done;			/* how often it was */
}			fault[] = {
	{"backend", kill_backend, false, 0},
	{"terminate", terminate, false, 0},
	{"relay", kill_relay, false, 0},
	{"postmaster", kill_postmaster, false, 0},
	{"stop-relay", stop_relay, true, 0},
	{"stop-redis", stop_redis, true, 0},
	{"kill-redis", kill_redis, true, 0},
	{"restart-redis", restart_redis, true, 0},
	{"snapshot", snapshot, true, 0},
	{"stale-redis", stale_redis, true, 0},
	{"reset", reset, true, 0},
	{"flush", flush, true, 0},
	{"pause", pause_redis, true, 0},
	{"linger", linger, false, 0},
	{"evict", evict, true, 0},
	{"lag", lag, true, 0},
	{"orphans", orphans, false, 0},
	{"switch-off", switch_off, true, 0}
};

/* What is left of the faults of this turn. */
static bool turn[sizeof(fault) / sizeof(fault[0])];

static bool have_snapshot;

atomic_bool hold_prepared;

/*
 * When the servers that crashed were there again; NEVER = not yet.  Written by
 * the thread of faults, read by the main thread when that has ended.
 */
static int64_t crash_end[256];
static int	ncrashes;

static int	some_pid(Worker *w, const char *query);
static bool relay_signal(Worker *w, int signal, int *pid);
static bool replace_redis(bool with_snapshot, int away_ms);
static bool command(const char *text);
static bool deal(uint64_t *state, int *which);
static bool all_well(PGconn **conn);

/* ---------------- the faults ---------------- */

/* A number that a query gives; 0 = it gives none now. */
static int
some_pid(Worker *w, const char *query)
{
	char	   *value = w->conn ? pg_value(w->conn, query) : NULL;
	int			pid = value ? atoi(value) : 0;

	free(value);
	return pid;
}

static int
some_backend(Worker *w)
{
	char		query[512];

	snprintf(query, sizeof(query),
			 "SELECT pid FROM pg_stat_activity WHERE application_name IN ('torture writer', 'torture reader', 'torture warmer', 'torture behind')"
			 " OR backend_type IN ('rtcache refresh', 'rtcache inbox') ORDER BY md5(pid::text || '%u') LIMIT 1",
			 random_below(&w->random, 1000000));
	return some_pid(w, query);
}

/* Whatever was not flushed is lost now. */
static void
note_crash(void)
{
	if (ncrashes == (int) (sizeof(crash_end) / sizeof(crash_end[0])))
		memmove(crash_end, crash_end + 1, --ncrashes * sizeof(crash_end[0]));
	crash_end[ncrashes++] = NEVER;
}

/*
 * The end of the first crash that ended after this; NEVER = there was none.
 */
int64_t
fault_crash_end(int64_t after)
{
	for (int i = 0; i < ncrashes; i++)
		if (crash_end[i] != NEVER && crash_end[i] > after)
			return crash_end[i];
	return NEVER;
}

static bool
kill_backend(Worker *w)
{
	int			pid = some_backend(w);

	if (pid <= 1 || kill(pid, SIGKILL) != 0)
		return false;
	note_crash();
	return true;
}

static bool
terminate(Worker *w)
{
	int			pid = some_backend(w);

	return pid > 1 && kill(pid, SIGTERM) == 0;
}

static bool
relay_signal(Worker *w, int signal, int *pid)
{
	*pid = some_pid(w, "SELECT pid FROM rtcache_relay");
	return *pid > 1 && kill(*pid, signal) == 0;
}

static bool
kill_relay(Worker *w)
{
	int			pid;

	if (!relay_signal(w, SIGKILL, &pid))
		return false;
	note_crash();
	return true;
}

/* Ends the server; stopped: a process of it that could not leave, or 0 */
static bool
crash(Worker *w, int stopped)
{
	int			pid = server_pid_postgres();

	if (pid == 0 || kill(pid, SIGKILL) != 0)
		return false;
	note_crash();
	if (stopped != 0)
		(void) kill(stopped, SIGKILL);
	PQfinish(w->conn);
	w->conn = NULL;
	if (!server_start_postgres())
		die("PostgreSQL does not start again");
	return true;
}

static bool
kill_postmaster(Worker *w)
{
	return crash(w, 0);
}

static bool
stop_relay(Worker *w)
{
	int			pid;

	if (!relay_signal(w, SIGSTOP, &pid))
		return false;
	pause_us(50000 + random_below(&w->random, 700000));
	return kill(pid, SIGCONT) == 0;
}

static bool
stop_redis(Worker *w)
{
	int			pid = server_pid_redis();

	if (pid == 0 || kill(pid, SIGSTOP) != 0)
		return false;
	pause_us(50000 + random_below(&w->random, 900000));
	return kill(pid, SIGCONT) == 0;
}

/* Another Redis takes the place of this one. */
static bool
replace_redis(bool with_snapshot, int away_ms)
{
	int			pid = server_pid_redis();

	if (pid == 0)
		return false;
	loss_begin();
	atomic_fetch_add(&inbox_loss, 1);
	if (!server_kill_and_wait(pid, SIGKILL))
		die("Redis does not end");
	pause_us(away_ms * 1000);
	if (!server_put_snapshot(with_snapshot) || !server_start_redis())
		die("Redis does not start again");
	atomic_fetch_add(&inbox_loss, 1);
	return true;
}

static bool
kill_redis(Worker *w)
{
	return replace_redis(false, random_below(&w->random, 300));
}

/* The same Redis, which had written everything to its file. */
static bool
restart_redis(Worker *w)
{
	int			pid = server_pid_redis();

	if (pid == 0 || !server_append_redis(true))
		return false;
	pause_us(random_below(&w->random, 500000));
	if (!server_kill_and_wait(pid, SIGKILL))
		die("Redis does not end");
	if (!server_put_snapshot(false) || !server_start_redis())
		die("Redis does not start again");
	return server_append_redis(false);
}

static bool
snapshot(Worker *w)
{
	if (!have_snapshot)
		return false;
	return replace_redis(true, random_below(&w->random, 300));
}

/* The relay does not notice at once that Redis is an older one. */
static bool
stale_redis(Worker *w)
{
	int			pid;
	bool		done;

	if (!have_snapshot || !relay_signal(w, SIGSTOP, &pid))
		return false;
	done = replace_redis(true, 0);
	pause_us(500000 + random_below(&w->random, 1000000));
	return kill(pid, SIGCONT) == 0 && done;
}

static bool
command(const char *text)
{
	redisContext *redis = NULL;
	redisReply *reply = redis_ask(&redis, text);
	bool		good = reply != NULL && reply->type != REDIS_REPLY_ERROR;

	if (reply != NULL)
		freeReplyObject(reply);
	if (redis != NULL)
		redisFree(redis);
	return good;
}

static bool
reset(Worker *w)
{
	return command("CLIENT KILL TYPE normal SKIPME yes");
}

static bool
flush(Worker *w)
{
	bool		done;

	atomic_fetch_add(&inbox_loss, 1);
	done = command("FLUSHALL");
	atomic_fetch_add(&inbox_loss, 1);
	return done;
}

static bool
pause_redis(Worker *w)
{
	bool		done = command("CLIENT PAUSE 300 ALL");

	pause_us(300000);
	return done;
}

/*
 * Commits are flushed, but not visible: they wait for a standby that does not
 * exist, until we have mercy.
 */
static bool
linger(Worker *w)
{
	for (int i = 0; i < 8; i++)
	{
		bool		reset = false;

		if (!pg_run(w->conn, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'") ||
			!pg_run(w->conn, "SELECT pg_reload_conf()"))
			return false;
		pause_us(20000 + random_below(&w->random, 80000));
		for (int j = 0; j < 500 && !reset; j++)
		{
			reset = pg_run(w->conn, "ALTER SYSTEM RESET synchronous_standby_names") &&
				pg_run(w->conn, "SELECT pg_reload_conf()");
			if (!reset)
				(void) all_well(&w->conn);
		}
		if (!reset)
			die("commits cannot be let go");
		pause_us(random_below(&w->random, 20000));
	}
	return true;
}

/*
 * Redis evicts what it likes: tag sets, companions, leases, and values.  This
 * it may do whenever it has little memory.  Who writes behind must not let it evict
 * the inbox.
 */
static bool
evict(Worker *w)
{
	static const char *const what[] = {"postgres:~tag:*", "*~query", "*~lease", "postgres:*"};
	redisContext *redis = NULL;
	bool		good = false;

	for (int i = 0; i < 8; i++)
	{
		redisReply *keys = redis_ask(&redis, "KEYS %s",
									 what[chance(&w->random, 70) ? 0 : random_below(&w->random, 4)]);

		for (size_t j = 0; keys != NULL && keys->type == REDIS_REPLY_ARRAY &&
			 j < keys->elements; j++)
			if (chance(&w->random, 50) &&
				strstr(keys->element[j]->str, "~inbox") == NULL)
			{
				redisReply *reply = redis_ask(&redis, "DEL %b",
											  keys->element[j]->str,
											  keys->element[j]->len);

				good = good || reply != NULL;
				if (reply != NULL)
					freeReplyObject(reply);
			}
		if (keys != NULL)
			freeReplyObject(keys);
		pause_us(random_below(&w->random, 50000));
	}
	if (redis != NULL)
		redisFree(redis);
	return good;
}

/* A crash while Redis is behind, so that nobody remembers by how much. */
static bool
lag(Worker *w)
{
	int			pid;

	if (!relay_signal(w, SIGSTOP, &pid))
		return false;
	pause_us(300000 + random_below(&w->random, 700000));
	return crash(w, pid);
}

/*
 * A crash while transactions are prepared.  They come to their end when readers
 * have long been at work again, and nobody remembers what they wrote.
 */
static bool
orphans(Worker *w)
{
	bool		done;
	int			n = 10 + random_below(&w->random, 30);

	atomic_store(&hold_prepared, true);
	pause_us(50000 + random_below(&w->random, 300000));
	done = crash(w, 0);
	for (int i = 0; i < n; i++)
	{
		(void) all_well(&w->conn);
		pause_us(20000);
	}
	atomic_store(&hold_prepared, false);
	return done;
}

/* For a while there is no Redis, by configuration. */
static bool
switch_off(Worker *w)
{
	bool		back = false;

	loss_begin();
	if (!pg_run(w->conn, "ALTER SYSTEM SET rtcache.redis_url = ''") ||
		!pg_run(w->conn, "SELECT pg_reload_conf()"))
		return false;
	pause_us(100000 + random_below(&w->random, 700000));
	for (int i = 0; i < 500 && !back; i++)
	{
		back = pg_run(w->conn, "ALTER SYSTEM RESET rtcache.redis_url") &&
			pg_run(w->conn, "SELECT pg_reload_conf()");
		if (!back)
			(void) all_well(&w->conn);
	}
	if (!back)
		die("Redis cannot be switched on");
	return true;
}

/* ---------------- their order ---------------- */

/*
 * Reads a list of names with commas, "all" or "none".
 */
bool
fault_parse(const char *list, uint32_t *set)
{
	const char *p = list;

	*set = 0;
	if (strcmp(list, "none") == 0)
		return true;
	if (strcmp(list, "all") == 0)
	{
		*set = (UINT32_C(1) << NFAULTS) - 1;
		return true;
	}
	while (*p != '\0')
	{
		size_t		len = strcspn(p, ",");
		bool		found = false;

		for (int i = 0; i < NFAULTS; i++)
			if (strlen(fault[i].name) == len &&
				strncmp(fault[i].name, p, len) == 0)
			{
				*set |= UINT32_C(1) << i;
				found = true;
			}
		if (!found)
			return false;
		p += len;
		p += *p == ',';
	}
	return true;
}

void
fault_names(char *text, size_t size)
{
	size_t		len = 0;

	for (int i = 0; i < NFAULTS && len < size; i++)
		len += snprintf(text + len, size - len, "%s%s", i ? "," : "",
						fault[i].name);
}

/* How often each was done. */
void
fault_report(char *text, size_t size)
{
	size_t		len = 0;

	text[0] = '\0';
	for (int i = 0; i < NFAULTS && len < size; i++)
		if ((options.faults & (UINT32_C(1) << i)) != 0)
			len += snprintf(text + len, size - len, "%s%d %s",
							len > 0 ? ", " : "", fault[i].done,
							fault[i].name);
}

/* Is it asked for, and is there what it breaks? */
static bool
eligible(int which)
{
	return (options.faults & (UINT32_C(1) << which)) != 0 &&
		!(without_redis && fault[which].redis);
}

/* Takes the next fault of this turn. */
static bool
deal(uint64_t *state, int *which)
{
	for (int again = 0; again < 2; again++)
	{
		int			may[sizeof(turn) / sizeof(turn[0])];
		int			n = 0;

		for (int i = 0; i < NFAULTS; i++)
			if (turn[i] && eligible(i))
				may[n++] = i;
		if (n > 0)
		{
			*which = may[random_below(state, n)];
			turn[*which] = false;
			return true;
		}
		for (int i = 0; i < NFAULTS; i++)
			turn[i] = turn[i] || eligible(i);
	}
	return false;
}

/* Is the server there, the relay at work, and nothing missing in Redis? */
static bool
all_well(PGconn **conn)
{
	char	   *state;
	bool		well;

	if (*conn != NULL && PQstatus(*conn) != CONNECTION_OK)
	{
		PQfinish(*conn);
		*conn = NULL;
	}
	if (*conn == NULL)
	{
		if ((*conn = pg_connect("torture faults")) == NULL)
			return false;
		for (int i = 0; i < ncrashes; i++)
			if (crash_end[i] == NEVER)
				crash_end[i] = now_ns();
	}
	if (without_redis)
		return pg_run(*conn, "SELECT 1");
	state = pg_value(*conn, "SELECT state FROM rtcache_relay");
	well = state != NULL && strcmp(state, "streaming") == 0;
	free(state);
	loss_poll(*conn);
	return well && loss_over();
}

/*
 * Waits until everything works; false = it does not.
 */
bool
fault_heal(PGconn **conn)
{
	for (int i = 0; i < 60 * 50; i++)
	{
		if (all_well(conn))
			return true;
		pause_us(20000);
	}
	return false;
}

void *
fault_main(void *worker)
{
	Worker	   *w = worker;
	int64_t		next = now_ns() + 500000000;
	int64_t		patience = next;
	bool		saved = without_redis;
	int			which;

	ncrashes = 0;

	while (!atomic_load(&round_over))
	{
		bool		well = all_well(&w->conn);

		/* kept early, so that it is old when it is used */
		if (well && !without_redis && (!saved || random_below(&w->random, 250) == 0))
		{
			saved = server_save_snapshot();
			have_snapshot = have_snapshot || saved;
		}
		if (options.faults != 0 && now_ns() >= next &&
			(well || now_ns() >= patience) && deal(&w->random, &which))
		{
			if (options.verbose)
				fprintf(stderr, "fault: %s\n", fault[which].name);
			if (fault[which].act(w))
			{
				fault[which].done++;
				atomic_fetch_add(&totals.faults, 1);
			}
			next = now_ns() + (int64_t) random_below(&w->random, 2 * options.gap_ms) * 1000000;
			patience = next;
			if (chance(&w->random, 80))
				patience += (int64_t) RECOVERY_MS * 1000000;
		}
		pause_us(20000);
	}
	PQfinish(w->conn);
	w->conn = NULL;
	return NULL;
}
