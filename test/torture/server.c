/*-------------------------------------------------------------------------
 *
 * server.c
 *		Starts and ends the private servers of the torture checker.
 *
 * Servers are started by a script (options.control), found by their pid files,
 * and ended by signals to these pids; never by port or by name.
 *
 * Redis may lose writes, when it is killed and started without them.  From
 * before that until its position has reached where WAL ended afterwards,
 * redis_loss is odd, and a GET may find what is old.
 *
 * MODEL: called by one thread at a time: that of faults in a round, the main
 * thread between rounds.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "torture.h"

atomic_ulong redis_loss;
atomic_ulong inbox_loss;

/* Redis is whole again when its position is here; 0 = not known yet. */
static uint64_t repaired_lsn;
static char *position_key;

static bool control(const char *what);
static int	read_pid(const char *directory, const char *file);
static bool copy_file(const char *from, const char *to);
static uint64_t parse_lsn(const char *text);

/*
 * Runs the script; its output goes to a log.
 */
static bool
control(const char *what)
{
	pid_t		pid = fork();
	int			status;

	if (pid < 0)
		die("could not fork: %s", strerror(errno));
	if (pid == 0)
	{
		execl(options.control, options.control, what, (char *) NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("could not wait: %s", strerror(errno));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What Redis begins with: its file of commands, or dump.rdb if there is one. */
bool
server_start_redis(void)
{
	bool		started = control("start-redis");

	return setenv("REDIS_APPEND", "no", 1) == 0 && started;
}

/* Those of a killed server may need a moment to leave. */
bool
server_start_postgres(void)
{
	for (int i = 0; i < 100; i++)
	{
		if (control("start-postgres"))
			return true;
		pause_us(100000);
	}
	return false;
}

bool
server_restart_postgres(void)
{
	return control("restart-postgres");
}

/* 0 = none */
static int
read_pid(const char *directory, const char *file)
{
	char		path[1024];
	FILE	   *f;
	int			pid = 0;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &pid) != 1 || pid <= 1)
		pid = 0;
	fclose(f);
	return pid;
}

int
server_pid_redis(void)
{
	return read_pid(options.dir, "redis.pid");
}

int
server_pid_postgres(void)
{
	return read_pid(options.data, "postmaster.pid");
}

/* False = it is still there after 10 s. */
bool
server_kill_and_wait(int pid, int signal)
{
	if (pid <= 1 || kill(pid, signal) != 0)
		return false;
	for (int i = 0; i < 2000; i++)
	{
		if (kill(pid, 0) != 0 && errno == ESRCH)
			return true;
		pause_us(5000);
	}
	return false;
}

static bool
copy_file(const char *from, const char *to)
{
	char		buffer[65536];
	FILE	   *in = fopen(from, "rb");
	FILE	   *out = in ? fopen(to, "wb") : NULL;
	size_t		n;
	bool		good = out != NULL;

	while (good && (n = fread(buffer, 1, sizeof(buffer), in)) > 0)
		good = fwrite(buffer, 1, n, out) == n;
	if (in != NULL)
		fclose(in);
	return (out == NULL || fclose(out) == 0) && good;
}

/*
 * Keeps what Redis holds now, for server_put_snapshot().
 */
bool
server_save_snapshot(void)
{
	redisContext *redis = NULL;
	redisReply *reply = redis_ask(&redis, "SAVE");
	bool		good = reply != NULL && reply->type == REDIS_REPLY_STATUS;
	char		dump[1024];
	char		snapshot[1024];

	if (reply != NULL)
		freeReplyObject(reply);
	if (redis != NULL)
		redisFree(redis);
	snprintf(dump, sizeof(dump), "%s/dump.rdb", options.dir);
	snprintf(snapshot, sizeof(snapshot), "%s/snapshot.rdb", options.dir);
	return good && rename(dump, snapshot) == 0;
}

/*
 * What the next Redis begins with: what was kept, or nothing.
 */
bool
server_put_snapshot(bool snapshot)
{
	char		dump[1024];
	char		from[1024];

	snprintf(dump, sizeof(dump), "%s/dump.rdb", options.dir);
	snprintf(from, sizeof(from), "%s/snapshot.rdb", options.dir);
	(void) unlink(dump);
	return !snapshot || copy_file(from, dump);
}

/*
 * Makes Redis write each command to a file before it answers, so that the next one
 * begins with all of them; or not any more.  False = it does not.
 */
bool
server_append_redis(bool append)
{
	redisContext *redis = NULL;
	char		command[1200];
	bool		good = false;

	if (append)
	{
		snprintf(command, sizeof(command), "rm -rf '%s'/append*", options.dir);
		if (system(command) != 0 || setenv("REDIS_APPEND", "yes", 1) != 0)
			return false;
	}
	for (int i = 0; i < 500 && !good; i++)
	{
		redisReply *reply = redis_ask(&redis, i == 0 ? "CONFIG SET appendfsync always" :
									  i > 1 ? "INFO persistence" : append ?
									  "CONFIG SET appendonly yes" : "CONFIG SET appendonly no");

		/* it begins with what there is, which is written by a child */
		good = i > 1 && reply != NULL && reply->type == REDIS_REPLY_STRING &&
			(!append ||
			 (strstr(reply->str, "aof_enabled:1") != NULL &&
			  strstr(reply->str, "aof_rewrite_in_progress:0") != NULL &&
			  strstr(reply->str, "aof_rewrite_scheduled:0") != NULL &&
			  strstr(reply->str, "aof_last_bgrewrite_status:ok") != NULL));
		if (reply == NULL)
			break;
		freeReplyObject(reply);
		if (i > 1 && !good)
			pause_us(20000);
	}
	if (redis != NULL)
		redisFree(redis);
	if (!good)
		(void) setenv("REDIS_APPEND", "no", 1);
	return good;
}

/* ---------------- lost writes ---------------- */

static uint64_t
parse_lsn(const char *text)
{
	unsigned	high;
	unsigned	low;

	if (text == NULL || sscanf(text, "%X/%X", &high, &low) != 2)
		return 0;
	return (uint64_t) high << 32 | low;
}

bool
loss_over(void)
{
	return (atomic_load(&redis_loss) & 1) == 0;
}

/* Call this before Redis can lose anything. */
void
loss_begin(void)
{
	if (loss_over())
		atomic_fetch_add(&redis_loss, 1);
	repaired_lsn = 0;
}

/*
 * Finds out whether a loss is repaired.  To be called now and then, not before
 * the Redis that has lost something answers.
 */
void
loss_poll(PGconn *conn)
{
	redisContext *redis = NULL;
	redisReply *reply;
	char	   *value;

	if (loss_over())
		return;
	if (position_key == NULL)
		position_key = pg_value(conn, "SELECT 'rtcache:position:' || system_identifier FROM pg_control_system()");
	if (repaired_lsn == 0)
	{
		value = pg_value(conn, "SELECT pg_current_wal_insert_lsn()");
		repaired_lsn = parse_lsn(value);
		free(value);
	}
	if (repaired_lsn == 0 || position_key == NULL)
		return;
	reply = redis_ask(&redis, "HGET %s lsn", position_key);
	if (reply != NULL && reply->type == REDIS_REPLY_STRING &&
		parse_lsn(reply->str) >= repaired_lsn)
		atomic_fetch_add(&redis_loss, 1);
	if (reply != NULL)
		freeReplyObject(reply);
	if (redis != NULL)
		redisFree(redis);
}
