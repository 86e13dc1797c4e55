/*-------------------------------------------------------------------------
 *
 * guc.h
 *		Settings of rtcache.  See guc.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_GUC_H
#define RTC_GUC_H

#include "postgres.h"

/* Defaults and limits, in the units of the variables below. */
#define RTC_BATCH_DELAY_DEFAULT			1
#define RTC_BATCH_DELAY_MIN				0
#define RTC_BATCH_DELAY_MAX				1000

#define RTC_BATCH_SIZE_DEFAULT			1000
#define RTC_BATCH_SIZE_MIN				1
#define RTC_BATCH_SIZE_MAX				100000

#define RTC_BREAKER_COOLDOWN_DEFAULT	1000
#define RTC_BREAKER_COOLDOWN_MIN		10
#define RTC_BREAKER_COOLDOWN_MAX		60000

#define RTC_BREAKER_THRESHOLD_DEFAULT	5
#define RTC_BREAKER_THRESHOLD_MIN		1
#define RTC_BREAKER_THRESHOLD_MAX		1000

#define RTC_COMMAND_TIMEOUT_DEFAULT		200
#define RTC_COMMAND_TIMEOUT_MIN			1
#define RTC_COMMAND_TIMEOUT_MAX			60000

#define RTC_COMMIT_WAIT_TIMEOUT_DEFAULT	1000
#define RTC_COMMIT_WAIT_TIMEOUT_MIN		0
#define RTC_COMMIT_WAIT_TIMEOUT_MAX		INT_MAX

#define RTC_CONNECT_TIMEOUT_DEFAULT		500
#define RTC_CONNECT_TIMEOUT_MIN			1
#define RTC_CONNECT_TIMEOUT_MAX			60000

#define RTC_DEFAULT_TTL_DEFAULT			3600
#define RTC_DEFAULT_TTL_MIN				0
#define RTC_DEFAULT_TTL_MAX				INT_MAX

#define RTC_FILL_WAIT_DEFAULT			1000
#define RTC_FILL_WAIT_MIN				0
#define RTC_FILL_WAIT_MAX				600000

#define RTC_L1_SIZE_DEFAULT				64
#define RTC_L1_SIZE_MIN					0
#define RTC_L1_SIZE_MAX					(256 * 1024)

#define RTC_LEASE_TTL_DEFAULT			10000
#define RTC_LEASE_TTL_MIN				100
#define RTC_LEASE_TTL_MAX				600000

#define RTC_MAX_VALUE_SIZE_DEFAULT		1024
#define RTC_MAX_VALUE_SIZE_MIN			1
#define RTC_MAX_VALUE_SIZE_MAX			(64 * 1024)

#define RTC_MAX_WAL_LAG_DEFAULT			1024
#define RTC_MAX_WAL_LAG_MIN				16
#define RTC_MAX_WAL_LAG_MAX				(16 * 1024 * 1024)

#define RTC_STAMP_BUCKETS_DEFAULT		262144
#define RTC_STAMP_BUCKETS_MIN			1024
#define RTC_STAMP_BUCKETS_MAX			16777216

#define RTC_WAL_KEEP_DEFAULT			64
#define RTC_WAL_KEEP_MIN				0
#define RTC_WAL_KEEP_MAX				(1024 * 1024)

#define RTC_XACT_BUFFER_DEFAULT			(16 * 1024)
#define RTC_XACT_BUFFER_MIN				64
#define RTC_XACT_BUFFER_MAX				(512 * 1024)

/* rtcache.commit_wait */
typedef enum RtcCommitWait
{
	RTC_COMMIT_WAIT_OFF,		/* COMMIT does not wait */
	RTC_COMMIT_WAIT_APPLIED		/* until Redis has the change */
} RtcCommitWait;

extern int	rtc_batch_delay;	/* ms */
extern int	rtc_batch_size;		/* ops */
extern int	rtc_breaker_cooldown;	/* ms */
extern int	rtc_breaker_threshold;	/* failures in a row */
extern int	rtc_command_timeout;	/* ms */
extern int	rtc_commit_wait;	/* RtcCommitWait */
extern int	rtc_commit_wait_timeout;	/* ms, 0 = as long as it takes */
extern int	rtc_connect_timeout;	/* ms */
extern int	rtc_default_ttl;	/* s, 0 = does not expire */
extern bool rtc_enabled;
extern int	rtc_fill_wait;		/* ms, 0 = do not wait */
extern char *rtc_key_prefix;	/* template: %d = database name, %% = % */
extern int	rtc_l1_size;		/* MB, 0 = off */
extern int	rtc_lease_ttl;		/* ms */
extern int	rtc_max_value_size; /* kB */
extern int	rtc_max_wal_lag;	/* MB */
extern char *rtc_publish;		/* channel, "" = none */
extern char *rtc_redis_password_file;
extern char *rtc_redis_url;
extern int	rtc_stamp_buckets;	/* rounded up to a power of two by shmem.c */
extern int	rtc_wal_keep;		/* MB */
extern int	rtc_xact_buffer;	/* kB */

/* Defines all settings; called once, from _PG_init. */
extern void RtcDefineSettings(void);

/* Is a Redis configured, as this process sees the settings now? */
#define RtcRedisConfigured() (rtc_redis_url != NULL && rtc_redis_url[0] != '\0')

/* rtcache.max_value_size in bytes. */
#define RtcMaxValueBytes() ((size_t) rtc_max_value_size * 1024)

#endif							/* RTC_GUC_H */
