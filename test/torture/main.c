/*-------------------------------------------------------------------------
 *
 * main.c
 *		The torture checker: options, rounds, report.
 *
 *		torture [--seed=N] [--seconds=N] [--round=N] [--writers=N]
 *				[--readers=N] [--getters=N] [--warmers=N] [--behinders=N]
 *				[--faults=LIST] [--gap=MS]
 *				[--async=PERCENT] [--prepared=PERCENT] [--l1=on|off|both] [--redis=on|off|both]
 *				[--refresh=on|off] [--stop] [--verbose]
 *
 * It runs on private servers that test/torture/run has started.  Exit status:
 * 0 = no wrong read; 1 = wrong reads, or something else that must not be; 2 =
 * it could not run; 3 = too little happened to mean anything.
 *
 * MODEL: the main thread; workers run in rounds, which are checked in between
 * (see torture.h).
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

#define MAX_WORKERS 64

Options		options = {
	.seconds = 30, .round = 10, .writers = 3, .readers = 4, .getters = 1,
	.warmers = 1, .behinders = 2, .refresh = true,
	.gap_ms = 500, .async = 20, .prepared = 10, .l1 = 'b', .redis = 'b'
};
atomic_bool round_over;
bool		without_redis;

static Worker worker[MAX_WORKERS + 1];	/* one for when all have gone */
static int	nworkers;
static Worker fault_worker;
static int64_t worked;			/* ns, in the rounds before this one */
static int64_t round_start;		/* of this round, had there been no breaks */
static int64_t first_wrong = NEVER; /* ns of work until then */

static void parse_options(int argc, char **argv);
static void usage(void);
static void set_caches(PGconn **conn, int round);
static void run_round(int64_t seconds);
static void settle(PGconn *conn);
static bool report(void);

static void
usage(void)
{
	char		names[256];

	fault_names(names, sizeof(names));
	die("see the head of test/torture/main.c for the options\n"
		"faults: all, none, or some of %s", names);
}

static void
parse_options(int argc, char **argv)
{
	const char *faults = "all";
	const struct
	{
		const char *name;
		int		   *value;
	}			number[] = {
		{"--seconds", &options.seconds},
		{"--round", &options.round},
		{"--writers", &options.writers},
		{"--readers", &options.readers},
		{"--getters", &options.getters},
		{"--warmers", &options.warmers},
		{"--behinders", &options.behinders},
		{"--gap", &options.gap_ms},
		{"--async", &options.async},
		{"--prepared", &options.prepared}
	};

	options.seed = (uint64_t) now_ns() % 1000000;
	for (int i = 1; i < argc; i++)
	{
		char	   *value = strchr(argv[i], '=');
		size_t		len = value ? (size_t) (value++ - argv[i]) : strlen(argv[i]);
		bool		known = false;

		for (size_t j = 0; j < sizeof(number) / sizeof(number[0]); j++)
			if (value && strlen(number[j].name) == len &&
				strncmp(argv[i], number[j].name, len) == 0)
			{
				char	   *end;

				*number[j].value = (int) strtol(value, &end, 10);
				if (*value == '\0' || *end != '\0' || *number[j].value < 0)
					usage();
				known = true;
			}
		if (known)
			continue;
		if (strcmp(argv[i], "--verbose") == 0)
			options.verbose = true;
		else if (strcmp(argv[i], "--stop") == 0)
			options.stop = true;
		else if (value && strncmp(argv[i], "--seed=", 7) == 0)
			options.seed = strtoull(value, NULL, 10);
		else if (value && strncmp(argv[i], "--faults=", 9) == 0)
			faults = value;
		else if (strcmp(argv[i], "--refresh=on") == 0)
			options.refresh = true;
		else if (strcmp(argv[i], "--refresh=off") == 0)
			options.refresh = false;
		else if (strcmp(argv[i], "--l1=on") == 0)
			options.l1 = 'y';
		else if (strcmp(argv[i], "--l1=off") == 0)
			options.l1 = 'n';
		else if (strcmp(argv[i], "--l1=both") == 0)
			options.l1 = 'b';
		else if (strcmp(argv[i], "--redis=on") == 0)
			options.redis = 'y';
		else if (strcmp(argv[i], "--redis=off") == 0)
			options.redis = 'n';
		else if (strcmp(argv[i], "--redis=both") == 0)
			options.redis = 'b';
		else
			usage();
	}
	if (!fault_parse(faults, &options.faults) || options.round == 0 ||
		options.gap_ms == 0 || options.seconds == 0 ||
		options.writers + options.readers + options.getters +
		options.warmers + options.behinders > MAX_WORKERS ||
		(options.l1 == 'n' && options.redis == 'n'))
		usage();
	options.control = getenv("TORTURE_CONTROL");
	options.dir = getenv("TMPDIR");
	options.socket = getenv("REDIS_SOCKET");
	options.data = getenv("PGDATA");
	if (!options.control || !options.dir || !options.socket || !options.data)
		die("run this by test/torture/run");
}

/*
 * Chooses the caches of a round: both, Redis alone, L1 alone.  L1 has a size at
 * start only, and hides Redis.
 */
static void
set_caches(PGconn **conn, int round)
{
	int			turns = options.redis == 'b' && options.l1 == 'b' ? 3 : 2;
	int			turn = round % turns;
	bool		l1 = options.l1 == 'b' ? turn != 1 : options.l1 == 'y';
	bool		redis = options.redis == 'b' ? turn != turns - 1 : options.redis == 'y';
	bool		good;

	if (without_redis || !redis)
		loss_begin();
	without_redis = !redis;
	good = pg_run(*conn, l1 ? "ALTER SYSTEM SET rtcache.l1_size = '2MB'" :
				  "ALTER SYSTEM SET rtcache.l1_size = 0") &&
		pg_run(*conn, redis ? "ALTER SYSTEM RESET rtcache.redis_url" :
			   "ALTER SYSTEM SET rtcache.redis_url = ''");
	PQfinish(*conn);
	*conn = NULL;
	if (!good || !server_restart_postgres() || !fault_heal(conn))
		die("PostgreSQL does not work after a restart");
}

static void
run_round(int64_t seconds)
{
	pthread_t	thread[MAX_WORKERS];
	pthread_t	faults;
	pthread_t	watch;
	int64_t		start = now_ns();

	round_start = start - worked;
	atomic_store(&round_over, false);
	for (int i = 0; i < nworkers; i++)
	{
		void	   *(*run) (void *) = i < options.writers ? writer_main :
			i < options.writers + options.readers ? reader_main :
			i < options.writers + options.readers + options.getters ? getter_main :
			i < nworkers - options.behinders ? warmer_main : behind_main;

		history_reset(&worker[i].history);
		if (pthread_create(&thread[i], NULL, run, &worker[i]) != 0)
			die("could not start a thread");
	}
	if (pthread_create(&faults, NULL, fault_main, &fault_worker) != 0 ||
		pthread_create(&watch, NULL, watch_main, NULL) != 0)
		die("could not start a thread");

	while (now_ns() < start + seconds * 1000000000)
		pause_us(10000);
	atomic_store(&round_over, true);
	pthread_join(faults, NULL);
	for (int i = 0; i < nworkers; i++)
		pthread_join(thread[i], NULL);
	pthread_join(watch, NULL);

	worked += now_ns() - start;
}

/*
 * Ends what prepared transactions were left behind.
 */
static void
settle(PGconn *conn)
{
	PGresult   *result = PQexec(conn, "SELECT gid, substr(gid, 9) FROM pg_prepared_xacts");

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		die("could not see prepared transactions: %s", PQerrorMessage(conn));
	for (int i = 0; i < PQntuples(result); i++)
	{
		int64_t		token = strtoll(PQgetvalue(result, i, 1), NULL, 10);
		bool		commit = chance(&fault_worker.random, 50);
		char		query[128];

		for (int j = 0; j < options.writers; j++)
			for (size_t k = 0; k < worker[j].history.nattempt; k++)
			{
				Attempt    *a = &worker[j].history.attempt[k];

				if (a->token == token && commit && a->sent == NEVER)
					a->sent = now_ns();
			}
		snprintf(query, sizeof(query), "%s PREPARED '%s'",
				 commit ? "COMMIT" : "ROLLBACK", PQgetvalue(result, i, 0));
		if (!pg_run(conn, query))
			die("could not end a prepared transaction: %s",
				PQerrorMessage(conn));
	}
	PQclear(result);
}

/*
 * Prints what happened; true = it was good, and enough.
 */
static bool
report(void)
{
	char		text[1024];
	long long	reads = atomic_load(&totals.cache_reads);
	double		seconds = (double) worked / 1e9;
	bool		enough = true;

	printf("%.0f s of work, seed %" PRIu64 ": %lld commits, %lld rollbacks, %lld without an answer, "
		   "%lld prepared, %lld confirmed to be in Redis\n", seconds,
		   options.seed, atomic_load(&totals.commits),
		   atomic_load(&totals.rollbacks), atomic_load(&totals.maybes),
		   atomic_load(&totals.prepared), atomic_load(&totals.applied));
	printf("reads: %lld of the cache (%.0f/s), %lld of tables, %lld in transactions, "
		   "%lld GETs (%lld without a value, %lld while Redis lacked writes)\n",
		   reads, (double) reads / seconds, atomic_load(&totals.table_reads),
		   atomic_load(&totals.own_reads), atomic_load(&totals.gets),
		   atomic_load(&totals.gets_nil), atomic_load(&totals.gets_loss));
	watch_report(text, sizeof(text));
	printf("counters: %s\n", text);
	fault_report(text, sizeof(text));
	printf("written behind: %lld entries (%lld may be lost), %lld that cannot be applied\n",
		   atomic_load(&totals.entries), atomic_load(&totals.maybe_entries),
		   atomic_load(&totals.bad_entries));
	printf("faults: %lld (%s), %lld connections lost\n",
		   atomic_load(&totals.faults), text, atomic_load(&totals.lost));
	for (int i = 0; i < WRONG_COUNT; i++)
		if (wrong_count(i) > 0)
			printf("wrong, %s: %lld\n", wrong_names[i], wrong_count(i));
	if (first_wrong != NEVER)
		printf("first wrong read after %.1f s\n", (double) first_wrong / 1e9);
	printf("wrong reads: %lld\n", wrong_total());

	/* a cache that does nothing is always right */
	if (watch_hits() * 10 < reads || reads < options.seconds * 50)
	{
		printf("too few hits to mean anything\n");
		enough = false;
	}
	if ((options.refresh && options.readers > 0 && watch_refreshes() == 0) ||
		(options.warmers > 0 && options.redis != 'n' && watch_warmed() == 0))
	{
		printf("too few refreshes or warm-ups to mean anything\n");
		enough = false;
	}
	if (options.faults != 0 &&
		atomic_load(&totals.faults) < (options.seconds + 9) / 10)
	{
		printf("too few faults to mean anything\n");
		enough = false;
	}
	if (atomic_load(&totals.commits) < options.seconds * 5 ||
		(options.redis != 'n' && atomic_load(&totals.applied) == 0))
	{
		printf("too few commits to mean anything\n");
		enough = false;
	}
	return enough;
}

int
main(int argc, char **argv)
{
	PGconn	   *conn = NULL;
	bool		enough;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	parse_options(argc, argv);
	nworkers = options.writers + options.readers + options.getters +
		options.warmers + options.behinders;
	for (int i = 0; i <= nworkers; i++)
	{
		worker[i].id = i;
		worker[i].random = random_seed(options.seed, i);
	}
	fault_worker.random = random_seed(options.seed, MAX_WORKERS);

	conn = pg_connect("torture");
	if (conn == NULL)
		die("there is no PostgreSQL");
	make_schema(conn);

	for (int round = 0; worked < (int64_t) options.seconds * 1000000000; round++)
	{
		int64_t		left = options.seconds - worked / 1000000000;
		int64_t		rest;

		if (left < 1)
			break;
		if (options.l1 == 'b' || options.redis == 'b' || round == 0)
			set_caches(&conn, round);
		check_start(conn);
		run_round(left < options.round * 3 / 2 ? left : options.round);

		/* To rest: nothing unfinished, everything in Redis. */
		if (!fault_heal(&conn))
		{
			wrong_report(WRONG_FINAL, now_ns(), "the servers do not recover");
			break;
		}
		settle(conn);
		{
			char	   *value = pg_value(conn, "SELECT cache_wait(timeout => '60s')");

			if (value == NULL || strcmp(value, "t") != 0)
				wrong_report(WRONG_FINAL, now_ns(), "Redis does not catch up");
			free(value);
		}
		if (!without_redis && !behind_settle(conn, worker, nworkers))
			wrong_report(WRONG_FINAL, now_ns(), "entries are not applied");
		rest = now_ns();
		read_everything(&worker[nworkers]);
		check_round(conn, worker, nworkers + 1, rest);
		check_rest(conn);
		check_behind(conn, worker, nworkers);
		if (wrong_first() != NEVER && first_wrong == NEVER)
			first_wrong = wrong_first() - round_start;
		if (options.stop && wrong_total() > 0)
			break;
	}
	PQfinish(conn);
	enough = report();
	return wrong_total() > 0 ? 1 : enough ? 0 : 3;
}
