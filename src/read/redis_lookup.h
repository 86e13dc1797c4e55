/*-------------------------------------------------------------------------
 *
 * redis_lookup.h
 *		The commands and scripts that rtcache sends.  See redis_lookup.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REDIS_LOOKUP_H
#define RTC_REDIS_LOOKUP_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "dep/dep.h"
#include "redis/names.h"
#include "redis/reply.h"

/* Random lease token, as text, NUL included. */
#define RTC_TOKEN_LEN 33

/* What a backend's lookup found in Redis. */
typedef enum RtcGetResult
{
	RTC_GET_HIT,				/* value is there */
	RTC_GET_MISS,				/* no value, and no lease asked for */
	RTC_GET_OTHER,				/* a value that answers another question; only
								 * rtc_cmd_get() tells */
	RTC_GET_LEASED,				/* no value; the caller now holds the lease */
	RTC_GET_BUSY,				/* no value; another reader holds the lease */
	RTC_GET_CORRUPT,			/* the key holds something that is no string */
	RTC_GET_FAILED				/* Redis could not be asked; counted, breaker
								 * told */
} RtcGetResult;

/* Longest text that tells one question from another, with its final blank. */
#define RTC_MAX_FINGERPRINT 128

/* What a lookup looks for; names are those in Redis, with the prefix. */
typedef struct RtcWanted
{
	const char *key;			/* with a final NUL */
	size_t		keylen;
	size_t		prefixlen;		/* the first bytes of the key */
	const char *fingerprint;	/* the companion must begin with it, up to and
								 * with the first blank; NULL = any will do */
	size_t		fingerprintlen;
	bool		owned;			/* a row without a companion will do, too */
	int64		stale_ms;		/* a value that lasts no longer is no hit; 0 =
								 * any is one, PG_INT64_MAX = none is */
	XLogRecPtr	lsn;			/* the position must not be behind this, */
	char		epoch[RTC_EPOCH_LEN];	/* and of this epoch */
	char	   *lease;
	char	   *companion;
	int			ntags;
	char	  **tag;			/* the tag sets of what the value depends on */
} RtcWanted;

/*
 * A value as found in Redis; value and companion are palloc'd,
 * NUL-terminated.
 */
typedef struct RtcValue
{
	char	   *value;
	size_t		len;
	char	   *companion;		/* NULL = none, or a lease did not tell */
	size_t		companionlen;
	int64		ttl_ms;			/* remaining; -1 = does not expire */
} RtcValue;

/* Makes one of the replies of Redis; a companion that is no string is none. */
extern void rtc_value_take(RtcValue *value, const RtcReply *text,
						   const RtcReply *companion, int64 ttl_ms);

/*
 * Names a key of which the first prefixlen bytes are the prefix, and the tag
 * sets of what its value depends on.  "key" must live as long.
 */
extern void rtc_cmd_want(RtcWanted *wanted, const char *key, size_t keylen,
						 size_t prefixlen, const RtcDep *tags, int ntags,
						 XLogRecPtr lsn, uint64 epoch);

/*
 * These use this process's one connection, which is opened and verified on
 * first use (redis_backend.c).  The breaker is asked first and told the outcome.
 * A problem of Redis is never an ERROR: the result is RTC_GET_FAILED or false,
 * RTC_STAT_ERRORS counts it, and at most one WARNING is given when the breaker
 * opens.  Query cancel and termination do raise.
 *
 * Keys given here have their prefix and a final NUL.
 */

/* Can Redis be used now?  Connects if need be. */
extern bool rtc_cmd_ready(void);

/*
 * A value is a hit if it is what is wanted and, of tag sets, its key is still
 * a member of all.
 */
extern RtcGetResult rtc_cmd_get(const RtcWanted *wanted, RtcValue *value);

/*
 * Unless there is a hit by now, enters the key in its tag sets and then gives
 * us the lease, in this order.  ttl_ms: of the value to come.
 */
extern RtcGetResult rtc_cmd_lease(const RtcWanted *wanted,
								  char token[RTC_TOKEN_LEN], int lease_ttl_ms,
								  int64 ttl_ms, RtcValue *value);

/* Stores if the lease is still ours: 1 stored, 0 refused, -1 failed. */
extern int	rtc_cmd_fill(const RtcWanted *wanted, const char *token,
						 const char *value, size_t vallen,
						 const char *companion, size_t companionlen,
						 int64 ttl_ms);

/*
 * Gives a lease back that will not be used; best effort.  Uses the connection that
 * is open, if there is one, and does not wait for an answer.  Neither raises nor
 * allocates palloc'd memory: it may be called while an error is handled.
 */
extern void rtc_cmd_unlease(const RtcWanted *wanted, const char *token);

/* Deletes the key if it still holds this value (NULL: whatever is no string). */
extern bool rtc_cmd_drop(const char *key, size_t keylen, const char *value,
						 size_t vallen);

/* Remaining time: >= 0 ms, -1 no expiry, -2 no such key, -3 failed. */
extern int64 rtc_cmd_pttl(const char *key);

#endif							/* RTC_REDIS_LOOKUP_H */
