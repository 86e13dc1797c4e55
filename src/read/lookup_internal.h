/*-------------------------------------------------------------------------
 *
 * lookup_internal.h
 *		One call of cache_get() or cache_list(), between lookup.c and fetch.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_LOOKUP_INTERNAL_H
#define RTC_LOOKUP_INTERNAL_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "dep/dep.h"
#include "dep/stamps.h"
#include "l1/l1.h"
#include "query/query.h"
#include "read/lookup_trust.h"
#include "read/redis_lookup.h"

typedef struct RtcLookup
{
	RtcL1Question question;		/* with the key, as the user gave it */
	RtcStampRead stamps;
	RtcTrust	trust;			/* valid once Redis is trusted */
	RtcWanted	wanted;			/* likewise */
	char		fingerprint[RTC_MAX_FINGERPRINT];	/* likewise */
	RtcQuery   *query;
	bool		one_row;		/* cache_get; else cache_list */
	bool		use_l1;			/* it can be read and filled */
	bool		in_vain;		/* nobody will find our answer */
	bool		stored;			/* in Redis */
	bool		tagged;			/* dep[] are the caller's tags */
	bool		owned;			/* a rule stores this very answer under the
								 * key */
	StringInfo	text;			/* gets the text of an answer that is
								 * computed; NULL = not wanted */
	int64		ttl_ms;			/* 0 = does not expire */
	char		token[RTC_TOKEN_LEN];	/* of the lease */
	int64		leased_at_ms;	/* rtc_clock_ms() before it was asked for */
	int			lease_ms;		/* how long it lasts */

	/*
	 * What the answer depends on besides its key and its database.  All have
	 * stamps; in Redis they are tag sets, unless the key is owned.
	 */
	int			ndeps;
	RtcDep		dep[RTC_MAX_NAMED_DEPS];
} RtcLookup;

StaticAssertDecl(RTC_MAX_NAMED_DEPS + 2 <= RTC_MAX_READ_DEPS,
				 "each dependency must have a stamp");

/* Gets the answer from Redis or from the query, and stores it. */
extern Jsonb *rtc_lookup_fetch(RtcLookup *l);

/* Runs the query. */
extern Jsonb *rtc_lookup_run(RtcLookup *l);

#endif							/* RTC_LOOKUP_INTERNAL_H */
