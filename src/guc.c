/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Every setting of rtcache, and the check hooks.
 *
 * Whom a setting can harm decides who may change it.  What the relay and all
 * backends must agree on comes from the configuration file (SIGHUP).  What one
 * session could use against others needs SET privilege (SUSET): the breaker, the
 * leases and the values in Redis are shared.  The rest is free.
 *
 * Model: the GUC machinery of each process sets the variables.  Check hooks run
 * in the postmaster, too, and must not raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#include "base/key.h"
#include "compat.h"
#include "guc.h"
#include "op.h"
#include "redis/url.h"

/* Their defaults are in the table; before RtcDefineSettings() they are zero. */
int			rtc_batch_delay;
int			rtc_batch_size;
int			rtc_breaker_cooldown;
int			rtc_breaker_threshold;
int			rtc_command_timeout;
int			rtc_commit_wait;
int			rtc_commit_wait_timeout;
int			rtc_connect_timeout;
int			rtc_default_ttl;
bool		rtc_enabled;
int			rtc_fill_wait;
int			rtc_inbox_delay;
int			rtc_inbox_keep;
int			rtc_inbox_max;
char	   *rtc_key_prefix;
bool		rtc_l1_save;
int			rtc_l1_size;
int			rtc_lease_ttl;
int			rtc_max_value_size;
int			rtc_max_wal_lag;
char	   *rtc_publish;
char	   *rtc_redis_password_file;
char	   *rtc_redis_url;
bool		rtc_refresh_after_write;
double		rtc_refresh_ahead;
double		rtc_refresh_load;
int			rtc_refresh_statement_timeout;
int			rtc_refresh_workers;
int			rtc_stamp_buckets;
double		rtc_ttl_jitter;
int			rtc_wal_keep;
int			rtc_xact_buffer;

static const struct config_enum_entry commit_wait_options[] = {
	{"off", RTC_COMMIT_WAIT_OFF, false},
	{"applied", RTC_COMMIT_WAIT_APPLIED, false},
	{NULL, 0, false}
};

static bool check_key_prefix(char **newval, void **extra, GucSource source);
static bool check_password_file(char **newval, void **extra,
								GucSource source);
static bool check_redis_url(char **newval, void **extra, GucSource source);

typedef struct Setting
{
	const char *name;
	const char *what;			/* one sentence: "Sets ..." */
	const char *more;			/* another one, or NULL */
	GucContext	context;
	int			flags;			/* its unit, and who may see it */

	/* These are set by the macros below. */
	enum config_type type;
	void	   *variable;
	int			boot;			/* default value, but of strings */
	int			min;
	int			max;
	double		boot_real;
	double		min_real;
	double		max_real;
	const struct config_enum_entry *options;
	const char *boot_text;
	GucStringCheckHook check;
} Setting;

#define INT(v, b, lo, hi) \
	.type = PGC_INT, .variable = (v), .boot = (b), .min = (lo), .max = (hi)
#define REAL(v, b, lo, hi) \
	.type = PGC_REAL, .variable = (v), .boot_real = (b), .min_real = (lo), \
	.max_real = (hi)
#define BOOL(v, b) \
	.type = PGC_BOOL, .variable = (v), .boot = (b)
#define ENUM(v, b, o) \
	.type = PGC_ENUM, .variable = (v), .boot = (b), .options = (o)
#define STRING(v, b, c) \
	.type = PGC_STRING, .variable = (v), .boot_text = (b), .check = (c)

static const Setting settings[] = {
	{"rtcache.batch_delay",
		"Sets how long the relay waits for more commits before it sends a batch.",
		"An idle relay, and one that somebody waits for, sends at once.",
	PGC_SIGHUP, GUC_UNIT_MS, INT(&rtc_batch_delay, 1, 0, 1000)},

	{"rtcache.batch_size",
		"Sets the maximum number of operations that the relay sends to Redis in one batch.",
		NULL,
	PGC_SIGHUP, 0, INT(&rtc_batch_size, 1000, 1, 100000)},

	{"rtcache.breaker_cooldown",
		"Sets how long Redis is left alone after too many failures in a row.",
		"The time doubles with every failed attempt, up to one minute.",
	PGC_SIGHUP, GUC_UNIT_MS, INT(&rtc_breaker_cooldown, 1000, 10, 60000)},

	{"rtcache.breaker_threshold",
		"Sets the number of failures in a row after which Redis is left alone.",
		NULL,
	PGC_SIGHUP, 0, INT(&rtc_breaker_threshold, 5, 1, 1000)},

	/* SUSET: a tiny timeout in one session would open everybody's breaker. */
	{"rtcache.command_timeout",
		"Sets the maximum time to wait for an answer from Redis.",
		NULL,
	PGC_SUSET, GUC_UNIT_MS, INT(&rtc_command_timeout, 200, 1, 60000)},

	{"rtcache.commit_wait",
		"Sets whether COMMIT waits until Redis has the change.",
		NULL,
	PGC_USERSET, 0, ENUM(&rtc_commit_wait, RTC_COMMIT_WAIT_OFF, commit_wait_options)},

	{"rtcache.commit_wait_timeout",
		"Sets the maximum time that COMMIT waits for Redis.",
		"Zero means that it waits as long as it takes.",
	PGC_USERSET, GUC_UNIT_MS, INT(&rtc_commit_wait_timeout, 1000, 0, INT_MAX)},

	{"rtcache.connect_timeout",
		"Sets the maximum time to wait for a connection to Redis.",
		NULL,
	PGC_SUSET, GUC_UNIT_MS, INT(&rtc_connect_timeout, 500, 1, 60000)},

	/* SUSET: rules use it, so whoever writes to a table would set it. */
	{"rtcache.default_ttl",
		"Sets the time to live of cached values for which none is given.",
		"Zero means that they do not expire.",
	PGC_SUSET, GUC_UNIT_S, INT(&rtc_default_ttl, 3600, 0, INT_MAX)},

	{"rtcache.enabled",
		"Enables the use of cached values by cache_get and cache_list.",
		"Rules and functions that write to the cache work regardless, because the cache serves others too.",
	PGC_USERSET, 0, BOOL(&rtc_enabled, true)},

	{"rtcache.fill_wait",
		"Sets how long a reader waits for another one that is computing the same value.",
		"Zero means that it does not wait and runs the query itself.",
	PGC_USERSET, GUC_UNIT_MS, INT(&rtc_fill_wait, 1000, 0, 600000)},

	{"rtcache.inbox_delay",
		"Sets how long entries of an inbox may collect before they are applied.",
		"The first one after a pause is applied at once.",
	PGC_SIGHUP, GUC_UNIT_MS, INT(&rtc_inbox_delay, 100, 0, 60000)},

	{"rtcache.inbox_keep",
		"Sets how long entries stay in an inbox after they were applied.",
		"A standby that is promoted, or a backup that is restored, finds what it lacks if it is not older than that.",
	PGC_SIGHUP, GUC_UNIT_S, INT(&rtc_inbox_keep, 60, 0, 30 * 86400)},

	{"rtcache.inbox_max",
		"Sets the number of entries in an inbox above which cache_health complains.",
		NULL,
	PGC_SIGHUP, 0, INT(&rtc_inbox_max, 1000000, 1, INT_MAX)},

	{"rtcache.key_prefix",
		"Sets the prefix of all keys in Redis.",
		"\"%d\" stands for the name of the database, \"%%\" for a percent sign.",
	PGC_SIGHUP, 0, STRING(&rtc_key_prefix, "%d:", check_key_prefix)},

	{"rtcache.l1_save",
		"Sets whether the questions that are asked most are saved, and asked again by background workers after a start.",
		NULL,
	PGC_SIGHUP, 0, BOOL(&rtc_l1_save, true)},

	{"rtcache.l1_size",
		"Sets the size of the cache in shared memory.",
		"Zero means that there is none.",
	PGC_POSTMASTER, GUC_UNIT_MB, INT(&rtc_l1_size, 64, 0, 256 * 1024)},

	/* SUSET: nobody else can fill a key while a lease on it lasts. */
	{"rtcache.lease_ttl",
		"Sets how long a reader may take to compute a value that is to be cached.",
		NULL,
	PGC_SUSET, GUC_UNIT_MS, INT(&rtc_lease_ttl, 10000, 100, 600000)},

	/* SUSET: it bounds what a session may put into Redis' memory. */
	{"rtcache.max_value_size",
		"Sets the size above which values are not cached.",
		NULL,
	PGC_SUSET, GUC_UNIT_KB, INT(&rtc_max_value_size, 1024, 1, 64 * 1024)},

	{"rtcache.max_wal_lag",
		"Sets the maximum amount of WAL that is kept for a Redis that is away.",
		"Beyond it the cache is cleared when Redis returns.",
	PGC_SIGHUP, GUC_UNIT_MB, INT(&rtc_max_wal_lag, 1024, 16, 16 * 1024 * 1024)},

	{"rtcache.publish",
		"Sets the Redis channel on which changed keys are published.",
		"Empty means that they are not.",
	PGC_SIGHUP, 0, STRING(&rtc_publish, "", NULL)},

	{"rtcache.redis_password_file",
		"Sets the file that holds the password for Redis.",
		"The path is absolute or relative to the data directory; only the server's user may have access to the file.",
	PGC_SIGHUP, GUC_SUPERUSER_ONLY, STRING(&rtc_redis_password_file, "", check_password_file)},

	{"rtcache.redis_url",
		"Sets the address of Redis.",
		"redis://[user@]host[:port][/db], rediss://... for TLS, or unix://[user@]/path[?db=n]; empty means that there is no Redis.",
	PGC_SIGHUP, GUC_SUPERUSER_ONLY, STRING(&rtc_redis_url, "", check_redis_url)},

	{"rtcache.refresh_after_write",
		"Sets whether an answer that was used, and that a write ends, is computed again by a background worker at once.",
		NULL,
	PGC_USERSET, 0, BOOL(&rtc_refresh_after_write, false)},

	{"rtcache.refresh_ahead",
		"Sets the fraction of an answer's time to live after which a hit has it computed again by a background worker.",
		"Zero means that answers are used until they expire.",
	PGC_USERSET, 0, REAL(&rtc_refresh_ahead, 0, 0, 1)},

	{"rtcache.refresh_load",
		"Sets the fraction of one processor that background workers may spend on computing answers again.",
		NULL,
	PGC_SIGHUP, 0, REAL(&rtc_refresh_load, 0.5, 0.01, 16)},

	{"rtcache.refresh_statement_timeout",
		"Sets the maximum time that a background worker may take to compute an answer.",
		NULL,
	PGC_SIGHUP, GUC_UNIT_MS, INT(&rtc_refresh_statement_timeout, 10000, 1, INT_MAX)},

	{"rtcache.refresh_workers",
		"Sets the maximum number of background workers that compute answers before they are asked for.",
		"Zero means that there are none.",
	PGC_SIGHUP, 0, INT(&rtc_refresh_workers, 1, 0, RTC_MAX_REFRESH_WORKERS)},

	{"rtcache.stamp_buckets",
		"Sets the number of dependency buckets in shared memory.",
		"It is rounded up to a power of two.",
	PGC_POSTMASTER, 0, INT(&rtc_stamp_buckets, 262144, 1024, 16777216)},

	/* SUSET: as default_ttl */
	{"rtcache.ttl_jitter",
		"Sets the fraction by which times to live are shortened at random, at most.",
		NULL,
	PGC_SUSET, 0, REAL(&rtc_ttl_jitter, 0, 0, 0.5)},

	{"rtcache.wal_keep",
		"Sets the amount of applied WAL that is kept for a Redis that loses data.",
		NULL,
	PGC_SIGHUP, GUC_UNIT_MB, INT(&rtc_wal_keep, 64, 0, 1024 * 1024)},

	{"rtcache.xact_buffer",
		"Sets the memory for cache operations of a transaction, above which they are written to WAL early.",
		NULL,
	PGC_USERSET, GUC_UNIT_KB, INT(&rtc_xact_buffer, 16 * 1024, 64, 512 * 1024)},
};

void
RtcDefineSettings(void)
{
	for (int i = 0; i < lengthof(settings); i++)
	{
		const Setting *s = &settings[i];

		/* such a one cannot be defined once the server is up */
		if (s->context == PGC_POSTMASTER &&
			!process_shared_preload_libraries_in_progress)
			continue;
		if (s->type == PGC_INT)
			DefineCustomIntVariable(s->name, s->what, s->more, s->variable,
									s->boot, s->min, s->max, s->context,
									s->flags, NULL, NULL, NULL);
		else if (s->type == PGC_REAL)
			DefineCustomRealVariable(s->name, s->what, s->more, s->variable,
									 s->boot_real, s->min_real, s->max_real,
									 s->context, s->flags, NULL, NULL, NULL);
		else if (s->type == PGC_BOOL)
			DefineCustomBoolVariable(s->name, s->what, s->more, s->variable,
									 s->boot != 0, s->context, s->flags,
									 NULL, NULL, NULL);
		else if (s->type == PGC_ENUM)
			DefineCustomEnumVariable(s->name, s->what, s->more, s->variable,
									 s->boot, s->options, s->context,
									 s->flags, NULL, NULL, NULL);
		else
			DefineCustomStringVariable(s->name, s->what, s->more, s->variable,
									   s->boot_text, s->context, s->flags,
									   s->check, NULL, NULL);
	}
	MarkGUCPrefixReserved(RTC_NAME);
}

static bool
check_key_prefix(char **newval, void **extra, GucSource source)
{
	const char *detail;

	if (rtc_prefix_check(*newval, &detail))
		return true;
	GUC_check_errdetail("%s", _(detail));
	return false;
}

static bool
check_password_file(char **newval, void **extra, GucSource source)
{
	if (strlen(*newval) < MAXPGPATH)
		return true;
	GUC_check_errdetail("The file name is too long.");
	return false;
}

/*
 * The parser refuses a password in the URL.  The detail does not repeat the URL,
 * which may hold one.
 */
static bool
check_redis_url(char **newval, void **extra, GucSource source)
{
	RtcRedisUrl url;
	RtcUrlError error;

	if ((*newval)[0] == '\0')
		return true;
	error = rtc_redis_url_parse(*newval, &url);
	if (error != RTC_URL_OK)
	{
		GUC_check_errdetail("%s", _(rtc_redis_url_detail(error)));
		if (error == RTC_URL_PASSWORD)
			GUC_check_errhint("Put the password into a file and set \"%s\" to its name.",
							  "rtcache.redis_password_file");
		return false;
	}
#ifndef RTC_HAVE_TLS
	if (url.tls)
	{
		GUC_check_errdetail("\"rediss://\" needs a build of rtcache with TLS support.");
		return false;
	}
#endif
	return true;
}
