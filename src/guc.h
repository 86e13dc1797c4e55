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

/* At most so many workers, whatever rtcache.refresh_workers says. */
#define RTC_MAX_REFRESH_WORKERS 16

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
extern int	rtc_inbox_delay;	/* ms */
extern int	rtc_inbox_keep;		/* s */
extern int	rtc_inbox_max;		/* entries */
extern char *rtc_key_prefix;	/* template: %d = database name, %% = % */
extern bool rtc_l1_save;
extern int	rtc_l1_size;		/* MB, 0 = off */
extern int	rtc_lease_ttl;		/* ms */
extern int	rtc_max_value_size; /* kB */
extern int	rtc_max_wal_lag;	/* MB */
extern char *rtc_publish;		/* channel, "" = none */
extern char *rtc_redis_password_file;
extern char *rtc_redis_url;
extern bool rtc_refresh_after_write;
extern double rtc_refresh_ahead;	/* fraction of a time to live, 0 = off */
extern double rtc_refresh_load; /* fraction of one processor */
extern int	rtc_refresh_statement_timeout;	/* ms */
extern int	rtc_refresh_workers;	/* 0 = none */
extern int	rtc_stamp_buckets;	/* rounded up to a power of two */
extern double rtc_ttl_jitter;	/* fraction of a time to live, 0 = off */
extern int	rtc_wal_keep;		/* MB */
extern int	rtc_xact_buffer;	/* kB */

/* Defines all settings; called once, from _PG_init. */
extern void RtcDefineSettings(void);

/* Is a Redis configured, as this process sees the settings now? */
#define RtcRedisConfigured() (rtc_redis_url != NULL && rtc_redis_url[0] != '\0')

/* rtcache.max_value_size in bytes. */
#define RtcMaxValueBytes() ((size_t) rtc_max_value_size * 1024)

#endif							/* RTC_GUC_H */
