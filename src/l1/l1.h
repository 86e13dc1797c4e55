/*-------------------------------------------------------------------------
 *
 * l1.h
 *		The cache in shared memory.  See l1.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_L1_H
#define RTC_L1_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "dep/dep.h"
#include "dep/stamps.h"

/* What is asked: the same question has the same answer, at the same time. */
typedef struct RtcL1Question
{
	RtcDep		hash;			/* rtc_dep_key() of the key */
	const char *key;
	uint32		keylen;
	const RtcQueryId *id;
	const char *args;			/* the query's arguments, as bytes */
	uint32		argslen;
	bool		one_row;		/* asked by cache_get, not cache_list */
	const char *privileges;		/* what it takes to see the answer; no part of
								 * the question */
} RtcL1Question;

/* Is there an L1 at all?  The caller looks at the gate and the stamps. */
extern bool rtc_l1_exists(void);

/* A hash of the whole question. */
extern uint64 rtc_l1_question_hash(const RtcL1Question *question);

/*
 * Looks an answer up that was stored with exactly these versions.  A hit sets
 * *answer, in the current memory context; NULL = the query returned no row.  found:
 * what else there is to tell, of a hit or of a miss.
 */
typedef struct RtcL1Found
{
	/* of a hit */
	int64		ttl_ms;			/* remaining; -1 = it does not expire */
	uint32		computed_us;	/* microseconds that computing it has taken */
	uint32		losses;			/* as it was noted */

	/*
	 * Of a miss: what an answer that is there was stored with, if it has
	 * ended, nobody was told of that before, and the relay will not see it. n
	 * = 0: there is nothing to tell.
	 */
	RtcStampRead ended;
} RtcL1Found;

extern bool rtc_l1_get(const RtcL1Question *question,
					   const RtcStampRead *stamps, Jsonb **answer,
					   RtcL1Found *found);

/*
 * Looks for any answer under a key (hash: rtc_dep_key()), if nothing that it
 * depends on is known to have been written since.  *answer as above; *privileges:
 * what it was stored with; *ttl_ms as above.
 */
extern bool rtc_l1_peek(RtcDep hash, const char *key, uint32 keylen,
						char **privileges, Jsonb **answer, int64 *ttl_ms);

/* What is noted beside an answer. */
typedef struct RtcL1Note
{
	uint32		computed_us;	/* microseconds that computing it has taken */
	uint32		losses;			/* rtc_redis_losses() before Redis was asked
								 * for it: it is there, or cannot be, unless
								 * that has moved */
	bool		dropped;		/* the relay will delete it in Redis when it
								 * ends */
} RtcL1Note;

/* What has become of an answer that was to be stored. */
typedef enum RtcL1Stored
{
	RTC_L1_REFUSED,				/* there was no room */
	RTC_L1_STORED,
	RTC_L1_CONFLICT				/* stored; but the key has too many answers,
								 * and a good one had to go */
} RtcL1Stored;

/*
 * Stores an answer that was computed from a snapshot taken after the stamps.
 * ttl_ms: -1 or 0 = does not expire.  Raises nothing.
 */
extern RtcL1Stored rtc_l1_store(const RtcL1Question *question,
								const RtcStampRead *stamps,
								const Jsonb *answer, int64 ttl_ms,
								const RtcL1Note *note);

#endif							/* RTC_L1_H */
