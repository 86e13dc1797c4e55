/*-------------------------------------------------------------------------
 *
 * redis_many.h
 *		Leases and fills of many keys that rules store.  See redis_many.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REDIS_MANY_H
#define RTC_REDIS_MANY_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "read/redis_lookup.h"

typedef enum RtcManyState
{
	RTC_MANY_BUSY,				/* somebody else has the lease; or what is
								 * there is no text */
	RTC_MANY_THERE,				/* Redis has a row under the key, or what a
								 * user has stored there */
	RTC_MANY_LEASED				/* the lease is ours */
} RtcManyState;

typedef struct RtcManyKey
{
	const char *key;			/* with the prefix and a final NUL */
	size_t		keylen;			/* bytes, without the NUL */
	RtcManyState state;			/* what asking for the lease has given */
	const char *value;			/* to be stored; NULL = nothing is */
	size_t		vallen;			/* bytes */
	int64		ttl_ms;			/* of the value; 0 = it does not expire */
} RtcManyKey;

typedef struct RtcMany
{
	int			n;
	RtcManyKey *key;			/* n of them */
	XLogRecPtr	lsn;			/* the position must not be behind this, */
	char		epoch[RTC_EPOCH_LEN];	/* and of this epoch */
	char		token[RTC_TOKEN_LEN];	/* of the leases; set by the first
										 * call */
} RtcMany;

/*
 * Asks for the leases of all keys, in one round trip; sets their states.  False =
 * Redis could not be asked.  Raises for query cancel and termination, and if there
 * is no memory.
 */
extern bool rtc_many_lease(RtcMany *many, int lease_ms);

/*
 * Stores the values of all keys whose leases are ours, and gives the leases back,
 * also of those that have no value; in one round trip, unless it is very much.
 * *stored is the number of values.  False = Redis could not be asked for all of
 * them.  Raises as above.
 */
extern bool rtc_many_fill(const RtcMany *many, int64 *stored);

#endif							/* RTC_REDIS_MANY_H */
