/*-------------------------------------------------------------------------
 *
 * torture.h
 *		The torture checker: what its parts share.
 *
 * A *cell* is what one cache key is about: a row of "item", a place of "mover"
 * that a row may be moved to, a row of "tally", some columns of which are written
 * behind, a pair of rows of "pair".  Each cell has a row in
 * "ver", a table without rules, with a version that every write of the cell
 * moves under a row lock; so the versions of a cell are in the order of their
 * commits, absence included.  An *attempt* is one transaction; its token is
 * unique, stands in every row that it writes, and in the table "done" if and
 * only if it was committed.
 *
 * Most answers are one cell, or some: of cells that one answer shows, each is a
 * read, and together they are a group.
 *
 * MODEL: main.c runs rounds.  In a round writers, readers of SQL, readers of
 * Redis, one thread of faults and one that watches counters are threads; each
 * writes a history of its own, without locks.  Between two rounds only the main
 * thread runs: it brings the servers to rest, and checks.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

#define ITEMS		192			/* cells of "item", keys item:<cell> */
#define GROUPS		32			/* lists of them, keys items:<cell % GROUPS> */
#define SLOTS		12			/* places of "mover", keys slot:<cell> */
#define MOVERS		7			/* rows of "mover" */
#define TALLIES		8			/* rows of "tally", keys tally:<cell> */
#define PAIRS		8			/* cells of "pair", keys pair:<cell> */
#define FIRST_SLOT	ITEMS
#define FIRST_TALLY	(ITEMS + SLOTS)
#define FIRST_PAIR	(FIRST_TALLY + TALLIES)
#define CELLS		(FIRST_PAIR + PAIRS)
#define SUM			CELLS		/* what stands for the sum over all pairs */
#define TOKEN		(CELLS + 1) /* and for no row of a transaction */

#define NEVER		INT64_MAX	/* a time that has not come */
#define ABSENT		(-1)		/* the version of a row that is not there */

/* ---------------- settings: main.c ---------------- */

typedef struct Options
{
	uint64_t	seed;
	int			seconds;		/* of work, all rounds together */
	int			round;			/* seconds of one round */
	int			writers;
	int			readers;		/* who ask in SQL */
	int			getters;		/* who ask Redis */
	int			warmers;		/* who call cache_warm() */
	int			behinders;		/* who write behind */
	bool		refresh;		/* workers compute answers of readers again */
	uint32_t	faults;			/* bit set, by number of fault */
	int			gap_ms;			/* between two faults, on average */
	int			async;			/* percent of commits not waiting for the disk */
	int			prepared;		/* percent of transactions that are prepared */
	char		l1;				/* 'y', 'n', 'b'oth in turns */
	char		redis;			/* likewise */
	bool		verbose;
	bool		stop;			/* after the first round with a wrong read */
	const char *control;		/* program that starts servers */
	const char *dir;			/* of Redis and of the control program */
	const char *socket;			/* of Redis */
	const char *data;			/* of PostgreSQL */
} Options;

extern Options options;

/* Workers leave when this is set. */
extern atomic_bool round_over;

/* Who has prepared a transaction waits with its end as long as this is set. */
extern atomic_bool hold_prepared;

/* In this round the server has no rtcache.redis_url. */
extern bool without_redis;

/* ---------------- history ---------------- */

/* One transaction of a writer. */
typedef struct Attempt
{
	int64_t		token;
	int64_t		sent;			/* before COMMIT (PREPARED) was first sent */
	int64_t		acked;			/* when the commit had been confirmed */
	int64_t		applied;		/* when it was confirmed that Redis has it */
	bool		async;			/* a crash may undo it although it was seen */
	bool		committed;		/* known when the round is over */
} Attempt;

/* What it did to one cell. */
typedef struct Write
{
	uint32_t	attempt;		/* index in the history of its writer */
	int32_t		cell;
	int64_t		version;
	bool		absent;			/* the row is gone */
} Write;

typedef enum ReadKind
{
	READ_CACHE,					/* cache_get or cache_list */
	READ_TABLE,					/* a query */
	READ_REDIS,					/* GET */
	READ_REDIS_LOSS				/* GET while Redis is known to lack writes */
} ReadKind;

typedef struct Read
{
	int64_t		start;
	int64_t		end;
	int64_t		token;
	int64_t		version;		/* or ABSENT */
	int32_t		cell;
	uint16_t	who;
	uint16_t	kind;			/* ReadKind */
	uint32_t	group;			/* reads of one answer have the same; 0 = alone */
	int64_t		hits;			/* what is written behind, if it is a tally */
	int64_t		seen;
	unsigned long loss;			/* Redis: inbox_loss; odd = it has changed */
} Read;

/* An entry that was appended to the inbox, or may have been. */
typedef struct Entry
{
	int64_t		sent;
	int64_t		acked;			/* NEVER = there was no answer */
	int64_t		sure;			/* when it was known to be applied */
	uint64_t	id[2];			/* 0 = not known */
	unsigned long loss;			/* inbox_loss while it was appended; odd = it
								 * has changed */
	int64_t		seen;			/* the new value; 0 = not set */
	int32_t		cell;
	int32_t		hits;			/* what is added */
	int32_t		digit;			/* of "bits" that one is added to; -1 = none */
	bool		script;			/* by the script: Redis shows it at once */
} Entry;

/* What one worker did in this round.  Its own until it is joined. */
typedef struct History
{
	Read	   *read;
	size_t		nread,
				maxread;
	Write	   *write;
	size_t		nwrite,
				maxwrite;
	Attempt    *attempt;
	size_t		nattempt,
				maxattempt;
	Entry	   *entry;
	size_t		nentry,
				maxentry;
} History;

extern void history_reset(History *h);
extern void history_read(History *h, const Read *read);
extern void history_write(History *h, const Write *write);
extern uint32_t history_attempt(History *h, int64_t token);
extern Entry *history_entry(History *h);

/* Numbers of the whole run. */
typedef struct Totals
{
	atomic_llong commits;
	atomic_llong rollbacks;
	atomic_llong maybes;		/* no answer to COMMIT */
	atomic_llong prepared;
	atomic_llong applied;		/* commits confirmed to be in Redis */
	atomic_llong cache_reads;
	atomic_llong table_reads;
	atomic_llong gets;
	atomic_llong gets_nil;
	atomic_llong gets_loss;
	atomic_llong own_reads;		/* in a transaction that has written */
	atomic_llong warmups;		/* calls of cache_warm() */
	atomic_llong entries;		/* appended to the inbox */
	atomic_llong bad_entries;	/* that cannot be applied */
	atomic_llong maybe_entries; /* of which nobody knows, or that were lost */
	atomic_llong lost;			/* connections */
	atomic_llong faults;
} Totals;

extern Totals totals;

/* ---------------- workers ---------------- */

typedef struct Worker
{
	int			id;
	uint64_t	random;			/* state of its random numbers */
	PGconn	   *conn;
	redisContext *redis;
	bool		warned;			/* a WARNING came since this was reset */
	int			changed;		/* rows, by the transaction at hand */
	uint32_t	group;			/* of the answer that is being recorded */
	uint32_t	last_group;
	unsigned long inbox_loss;	/* before Redis was asked */
	size_t		first_unsure;	/* entry that is not known to be applied */
	int64_t		last_seen[TALLIES]; /* what it has set, of those it owns */
	History		history;

	/* a prepared transaction that was left behind; 0 = none */
	int64_t		orphan;
	uint32_t	orphan_attempt;
} Worker;

extern void *writer_main(void *worker);
extern void *reader_main(void *worker);
extern void *getter_main(void *worker);
extern void *warmer_main(void *worker);
extern void *behind_main(void *worker);
extern void behind_start(void);
extern bool behind_settle(PGconn *conn, Worker *workers, int n);
extern void read_everything(Worker *w);
extern void get_cell(Worker *w, int cell);

/* Gives a token that no other attempt has. */
extern int64_t new_token(void);
extern int64_t last_token(void);

/* A value as it is cached: numbers by name, of one object after the other. */
typedef struct Row
{
	int64_t		c;
	int64_t		v;
	int64_t		tok;
	int64_t		n;
	int64_t		pv;				/* v and tok of a pair that was joined */
	int64_t		pt;
	int64_t		hits;			/* of a tally */
	int64_t		seen;
} Row;

extern int	parse_rows(const char *text, Row *row, int max);
extern const char *cell_kind(int cell);
extern const char *cell_query(int cell);
extern void cell_key(int cell, char *key, size_t size);
extern void record(Worker *w, ReadKind kind, int cell, const Row *row,
				   int64_t start, int64_t end);
extern void make_schema(PGconn *conn);

#define cell_query_item "SELECT * FROM item WHERE c = $1"
#define cell_query_slot "SELECT * FROM mover WHERE c = $1"
#define cell_query_tally "SELECT * FROM tally WHERE c = $1"

/* It takes some milliseconds, so that leases are held and waited for. */
#define cell_query_pair "SELECT * FROM pair WHERE c = $1" \
	" AND (SELECT count(*) FROM generate_series(1, 30000)) > 0"

/* ---------------- checks: check.c, wrong.c ---------------- */

typedef enum Wrong
{
	WRONG_STALE,				/* older than what was confirmed before */
	WRONG_UNCOMMITTED,			/* rolled back, or not yet committed */
	WRONG_BACKWARD,				/* older than what the reader had seen */
	WRONG_SHOWN,				/* SQL: older than what Redis had shown */
	WRONG_ABSENT,				/* there was no moment without the row */
	WRONG_TORN,					/* half of a transaction */
	WRONG_QUESTION,				/* the answer to another question */
	WRONG_OWN,					/* not what the transaction has written */
	WRONG_SNAPSHOT,				/* not what REPEATABLE READ sees */
	WRONG_REDIS,				/* GET: older than what commit_wait confirmed */
	WRONG_REDIS_UNCOMMITTED,
	WRONG_FINAL,				/* at rest, cache and table differ */
	WRONG_LOST,					/* a confirmed commit is gone */
	WRONG_BEHIND,				/* what was written behind goes backwards */
	WRONG_ENTRY,				/* an entry is applied twice, or not at all */
	WRONG_COUNT
} Wrong;

extern const char *const wrong_names[];
extern void wrong_report(Wrong kind, int64_t at, const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern long long wrong_count(Wrong kind);
extern long long wrong_total(void);
extern int64_t wrong_first(void);	/* NEVER = none */
extern void check_start(PGconn *conn);
extern void check_round(PGconn *conn, Worker *workers, int n, int64_t rest);
extern void check_rest(PGconn *conn);
extern void check_behind_start(PGconn *conn);
extern void check_behind(PGconn *conn, const Worker *workers, int n);

/* ---------------- faults: fault.c, servers: server.c ---------------- */

extern bool fault_parse(const char *list, uint32_t *set);
extern void fault_names(char *text, size_t size);
extern void fault_report(char *text, size_t size);
extern void *fault_main(void *worker);
extern bool fault_heal(PGconn **conn);
extern int64_t fault_crash_end(int64_t after);

extern bool server_start_redis(void);
extern bool server_start_postgres(void);
extern bool server_restart_postgres(void);
extern int	server_pid_redis(void);
extern int	server_pid_postgres(void);
extern bool server_kill_and_wait(int pid, int signal);
extern bool server_save_snapshot(void);
extern bool server_put_snapshot(bool snapshot);
extern bool server_append_redis(bool append);

/*
 * While Redis is known to have lost writes, this is odd; it moves with each
 * loss and each repair.
 */
extern atomic_ulong redis_loss;
extern void loss_begin(void);
extern void loss_poll(PGconn *conn);
extern bool loss_over(void);

/*
 * Odd while Redis may lose entries of the inbox; it moves when that begins and
 * when it ends.
 */
extern atomic_ulong inbox_loss;

/* ---------------- counters of the server: watch.c ---------------- */

extern void *watch_main(void *unused);
extern void watch_report(char *text, size_t size);
extern long long watch_hits(void);
extern long long watch_refreshes(void);
extern long long watch_warmed(void);

/* ---------------- small things: util.c ---------------- */

extern int64_t now_ns(void);
extern void pause_us(int64_t us);
extern uint32_t random_below(uint64_t *state, uint32_t n);
extern bool chance(uint64_t *state, int percent);
extern uint64_t random_seed(uint64_t seed, int id);
extern void *grow(void *array, size_t *max, size_t used, size_t size);
extern void die(const char *format,...)
			__attribute__((noreturn, format(printf, 1, 2)));
extern PGconn *pg_connect(const char *name);
extern char *pg_value(PGconn *conn, const char *query);
extern bool pg_run(PGconn *conn, const char *query);
extern redisContext *redis_connect(void);
extern redisReply *redis_ask(redisContext **redis, const char *format,...);

#endif							/* TORTURE_H */
