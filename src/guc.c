/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Every setting of rtcache, and the check hooks.
 *
 * MODEL: variables are set by the GUC machinery of each process.  Who may
 * change a setting follows from whom it can harm: what the relay and all
 * backends must agree on comes from the configuration file (SIGHUP); what one
 * session could use against others, because the breaker, the leases and the
 * values in Redis are shared, needs SET privilege (SUSET); the rest is free.
 * Check hooks run in the postmaster as well and must not raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/key.h"
#include "compat.h"
#include "guc.h"
#include "op.h"
#include "redis/url.h"

int			rtc_batch_delay = RTC_BATCH_DELAY_DEFAULT;
int			rtc_batch_size = RTC_BATCH_SIZE_DEFAULT;
int			rtc_breaker_cooldown = RTC_BREAKER_COOLDOWN_DEFAULT;
int			rtc_breaker_threshold = RTC_BREAKER_THRESHOLD_DEFAULT;
int			rtc_command_timeout = RTC_COMMAND_TIMEOUT_DEFAULT;
int			rtc_commit_wait = RTC_COMMIT_WAIT_OFF;
int			rtc_commit_wait_timeout = RTC_COMMIT_WAIT_TIMEOUT_DEFAULT;
int			rtc_connect_timeout = RTC_CONNECT_TIMEOUT_DEFAULT;
int			rtc_default_ttl = RTC_DEFAULT_TTL_DEFAULT;
bool		rtc_enabled = true;
int			rtc_fill_wait = RTC_FILL_WAIT_DEFAULT;
char	   *rtc_key_prefix = NULL;
int			rtc_l1_size = RTC_L1_SIZE_DEFAULT;
int			rtc_lease_ttl = RTC_LEASE_TTL_DEFAULT;
int			rtc_max_value_size = RTC_MAX_VALUE_SIZE_DEFAULT;
int			rtc_max_wal_lag = RTC_MAX_WAL_LAG_DEFAULT;
char	   *rtc_publish = NULL;
char	   *rtc_redis_password_file = NULL;
char	   *rtc_redis_url = NULL;
int			rtc_stamp_buckets = RTC_STAMP_BUCKETS_DEFAULT;
int			rtc_wal_keep = RTC_WAL_KEEP_DEFAULT;
int			rtc_xact_buffer = RTC_XACT_BUFFER_DEFAULT;

static const struct config_enum_entry commit_wait_options[] = {
	{"off", RTC_COMMIT_WAIT_OFF, false},
	{"applied", RTC_COMMIT_WAIT_APPLIED, false},
	{NULL, 0, false}
};

static bool check_key_prefix(char **newval, void **extra, GucSource source);
static bool check_password_file(char **newval, void **extra,
								GucSource source);
static bool check_redis_url(char **newval, void **extra, GucSource source);

void
RtcDefineSettings(void)
{
	DefineCustomIntVariable("rtcache.batch_delay",	/* name */
							"Sets how long the relay waits for more commits before it sends a batch.",	/* short description */
							"An idle relay, and one that somebody waits for, sends at once.",	/* long description */
							&rtc_batch_delay,	/* variable */
							RTC_BATCH_DELAY_DEFAULT,	/* default value */
							RTC_BATCH_DELAY_MIN,	/* min value */
							RTC_BATCH_DELAY_MAX,	/* max value */
							PGC_SIGHUP, /* context */
							GUC_UNIT_MS,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomIntVariable("rtcache.batch_size",	/* name */
							"Sets the maximum number of operations that the relay sends to Redis in one batch.",	/* short description */
							NULL,	/* long description */
							&rtc_batch_size,	/* variable */
							RTC_BATCH_SIZE_DEFAULT, /* default value */
							RTC_BATCH_SIZE_MIN, /* min value */
							RTC_BATCH_SIZE_MAX, /* max value */
							PGC_SIGHUP, /* context */
							0,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomIntVariable("rtcache.breaker_cooldown", /* name */
							"Sets how long Redis is left alone after too many failures in a row.",	/* short description */
							"The time doubles with every failed attempt, up to one minute.",	/* long description */
							&rtc_breaker_cooldown,	/* variable */
							RTC_BREAKER_COOLDOWN_DEFAULT,	/* default value */
							RTC_BREAKER_COOLDOWN_MIN,	/* min value */
							RTC_BREAKER_COOLDOWN_MAX,	/* max value */
							PGC_SIGHUP, /* context */
							GUC_UNIT_MS,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomIntVariable("rtcache.breaker_threshold",	/* name */
							"Sets the number of failures in a row after which Redis is left alone.",	/* short description */
							NULL,	/* long description */
							&rtc_breaker_threshold, /* variable */
							RTC_BREAKER_THRESHOLD_DEFAULT,	/* default value */
							RTC_BREAKER_THRESHOLD_MIN,	/* min value */
							RTC_BREAKER_THRESHOLD_MAX,	/* max value */
							PGC_SIGHUP, /* context */
							0,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	/* SUSET: a tiny timeout in one session would open everybody's breaker. */
	DefineCustomIntVariable("rtcache.command_timeout",	/* name */
							"Sets the maximum time to wait for an answer from Redis.",	/* short description */
							NULL,	/* long description */
							&rtc_command_timeout,	/* variable */
							RTC_COMMAND_TIMEOUT_DEFAULT,	/* default value */
							RTC_COMMAND_TIMEOUT_MIN,	/* min value */
							RTC_COMMAND_TIMEOUT_MAX,	/* max value */
							PGC_SUSET,	/* context */
							GUC_UNIT_MS,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomEnumVariable("rtcache.commit_wait", /* name */
							 "Sets whether COMMIT waits until Redis has the change.",	/* short description */
							 NULL,	/* long description */
							 &rtc_commit_wait,	/* variable */
							 RTC_COMMIT_WAIT_OFF,	/* default value */
							 commit_wait_options,	/* options */
							 PGC_USERSET,	/* context */
							 0, /* flags */
							 NULL,	/* check hook */
							 NULL,	/* assign hook */
							 NULL); /* show hook */

	DefineCustomIntVariable("rtcache.commit_wait_timeout",	/* name */
							"Sets the maximum time that COMMIT waits for Redis.",	/* short description */
							"Zero means that it waits as long as it takes.",	/* long description */
							&rtc_commit_wait_timeout,	/* variable */
							RTC_COMMIT_WAIT_TIMEOUT_DEFAULT,	/* default value */
							RTC_COMMIT_WAIT_TIMEOUT_MIN,	/* min value */
							RTC_COMMIT_WAIT_TIMEOUT_MAX,	/* max value */
							PGC_USERSET,	/* context */
							GUC_UNIT_MS,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomIntVariable("rtcache.connect_timeout",	/* name */
							"Sets the maximum time to wait for a connection to Redis.", /* short description */
							NULL,	/* long description */
							&rtc_connect_timeout,	/* variable */
							RTC_CONNECT_TIMEOUT_DEFAULT,	/* default value */
							RTC_CONNECT_TIMEOUT_MIN,	/* min value */
							RTC_CONNECT_TIMEOUT_MAX,	/* max value */
							PGC_SUSET,	/* context */
							GUC_UNIT_MS,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	/* SUSET: rules use it, so whoever writes to a table would set it. */
	DefineCustomIntVariable("rtcache.default_ttl",	/* name */
							"Sets the time to live of cached values for which none is given.",	/* short description */
							"Zero means that they do not expire.",	/* long description */
							&rtc_default_ttl,	/* variable */
							RTC_DEFAULT_TTL_DEFAULT,	/* default value */
							RTC_DEFAULT_TTL_MIN,	/* min value */
							RTC_DEFAULT_TTL_MAX,	/* max value */
							PGC_SUSET,	/* context */
							GUC_UNIT_S, /* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomBoolVariable("rtcache.enabled", /* name */
							 "Enables the use of cached values by cache_get and cache_list.",	/* short description */
							 "Rules and functions that write to the cache work regardless, because the cache serves others too.",	/* long description */
							 &rtc_enabled,	/* variable */
							 true,	/* default value */
							 PGC_USERSET,	/* context */
							 0, /* flags */
							 NULL,	/* check hook */
							 NULL,	/* assign hook */
							 NULL); /* show hook */

	DefineCustomIntVariable("rtcache.fill_wait",	/* name */
							"Sets how long a reader waits for another one that is computing the same value.",	/* short description */
							"Zero means that it does not wait and runs the query itself.",	/* long description */
							&rtc_fill_wait, /* variable */
							RTC_FILL_WAIT_DEFAULT,	/* default value */
							RTC_FILL_WAIT_MIN,	/* min value */
							RTC_FILL_WAIT_MAX,	/* max value */
							PGC_USERSET,	/* context */
							GUC_UNIT_MS,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomStringVariable("rtcache.key_prefix",	/* name */
							   "Sets the prefix of all keys in Redis.", /* short description */
							   "\"%d\" stands for the name of the database, \"%%\" for a percent sign.",	/* long description */
							   &rtc_key_prefix, /* variable */
							   "%d:",	/* default value */
							   PGC_SIGHUP,	/* context */
							   0,	/* flags */
							   check_key_prefix,	/* check hook */
							   NULL,	/* assign hook */
							   NULL);	/* show hook */

	/* A POSTMASTER setting cannot be defined once the server is up. */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("rtcache.l1_size",	/* name */
								"Sets the size of the cache in shared memory.", /* short description */
								"Zero means that there is none.",	/* long description */
								&rtc_l1_size,	/* variable */
								RTC_L1_SIZE_DEFAULT,	/* default value */
								RTC_L1_SIZE_MIN,	/* min value */
								RTC_L1_SIZE_MAX,	/* max value */
								PGC_POSTMASTER, /* context */
								GUC_UNIT_MB,	/* flags */
								NULL,	/* check hook */
								NULL,	/* assign hook */
								NULL);	/* show hook */

	/* SUSET: nobody else can fill a key while a lease on it lasts. */
	DefineCustomIntVariable("rtcache.lease_ttl",	/* name */
							"Sets how long a reader may take to compute a value that is to be cached.", /* short description */
							NULL,	/* long description */
							&rtc_lease_ttl, /* variable */
							RTC_LEASE_TTL_DEFAULT,	/* default value */
							RTC_LEASE_TTL_MIN,	/* min value */
							RTC_LEASE_TTL_MAX,	/* max value */
							PGC_SUSET,	/* context */
							GUC_UNIT_MS,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	/* SUSET: it bounds what a session may put into Redis' memory. */
	DefineCustomIntVariable("rtcache.max_value_size",	/* name */
							"Sets the size above which values are not cached.", /* short description */
							NULL,	/* long description */
							&rtc_max_value_size,	/* variable */
							RTC_MAX_VALUE_SIZE_DEFAULT, /* default value */
							RTC_MAX_VALUE_SIZE_MIN, /* min value */
							RTC_MAX_VALUE_SIZE_MAX, /* max value */
							PGC_SUSET,	/* context */
							GUC_UNIT_KB,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomIntVariable("rtcache.max_wal_lag",	/* name */
							"Sets the maximum amount of WAL that is kept for a Redis that is away.",	/* short description */
							"Beyond it the cache is cleared when Redis returns.",	/* long description */
							&rtc_max_wal_lag,	/* variable */
							RTC_MAX_WAL_LAG_DEFAULT,	/* default value */
							RTC_MAX_WAL_LAG_MIN,	/* min value */
							RTC_MAX_WAL_LAG_MAX,	/* max value */
							PGC_SIGHUP, /* context */
							GUC_UNIT_MB,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomStringVariable("rtcache.publish",	/* name */
							   "Sets the Redis channel on which changed keys are published.",	/* short description */
							   "Empty means that they are not.",	/* long description */
							   &rtc_publish,	/* variable */
							   "",	/* default value */
							   PGC_SIGHUP,	/* context */
							   0,	/* flags */
							   NULL,	/* check hook */
							   NULL,	/* assign hook */
							   NULL);	/* show hook */

	DefineCustomStringVariable("rtcache.redis_password_file",	/* name */
							   "Sets the file that holds the password for Redis.",	/* short description */
							   "The path is absolute or relative to the data directory; only the server's user may have access to the file.",	/* long description */
							   &rtc_redis_password_file,	/* variable */
							   "",	/* default value */
							   PGC_SIGHUP,	/* context */
							   GUC_SUPERUSER_ONLY,	/* flags */
							   check_password_file, /* check hook */
							   NULL,	/* assign hook */
							   NULL);	/* show hook */

	DefineCustomStringVariable("rtcache.redis_url", /* name */
							   "Sets the address of Redis.",	/* short description */
							   "redis://[user@]host[:port][/db], rediss://... for TLS, or unix://[user@]/path[?db=n]; empty means that there is no Redis.", /* long description */
							   &rtc_redis_url,	/* variable */
							   "",	/* default value */
							   PGC_SIGHUP,	/* context */
							   GUC_SUPERUSER_ONLY,	/* flags */
							   check_redis_url, /* check hook */
							   NULL,	/* assign hook */
							   NULL);	/* show hook */

	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("rtcache.stamp_buckets",	/* name */
								"Sets the number of dependency buckets in shared memory.",	/* short description */
								"It is rounded up to a power of two.",	/* long description */
								&rtc_stamp_buckets, /* variable */
								RTC_STAMP_BUCKETS_DEFAULT,	/* default value */
								RTC_STAMP_BUCKETS_MIN,	/* min value */
								RTC_STAMP_BUCKETS_MAX,	/* max value */
								PGC_POSTMASTER, /* context */
								0,	/* flags */
								NULL,	/* check hook */
								NULL,	/* assign hook */
								NULL);	/* show hook */

	DefineCustomIntVariable("rtcache.wal_keep", /* name */
							"Sets the amount of applied WAL that is kept for a Redis that loses data.", /* short description */
							NULL,	/* long description */
							&rtc_wal_keep,	/* variable */
							RTC_WAL_KEEP_DEFAULT,	/* default value */
							RTC_WAL_KEEP_MIN,	/* min value */
							RTC_WAL_KEEP_MAX,	/* max value */
							PGC_SIGHUP, /* context */
							GUC_UNIT_MB,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

	DefineCustomIntVariable("rtcache.xact_buffer",	/* name */
							"Sets the memory for cache operations of a transaction, above which they are written to WAL early.",	/* short description */
							NULL,	/* long description */
							&rtc_xact_buffer,	/* variable */
							RTC_XACT_BUFFER_DEFAULT,	/* default value */
							RTC_XACT_BUFFER_MIN,	/* min value */
							RTC_XACT_BUFFER_MAX,	/* max value */
							PGC_USERSET,	/* context */
							GUC_UNIT_KB,	/* flags */
							NULL,	/* check hook */
							NULL,	/* assign hook */
							NULL);	/* show hook */

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
 * A password in the URL is refused by the parser.  The URL is not repeated in
 * our detail: it may hold that password.
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
