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
 * *answer, in the current memory context; NULL = the query returned no row; and,
 * if that is not NULL, *ttl_ms: its remaining time to live, -1 = it does not
 * expire.
 */
extern bool rtc_l1_get(const RtcL1Question *question,
					   const RtcStampRead *stamps, Jsonb **answer,
					   int64 *ttl_ms);

/*
 * Looks for any answer under a key (hash: rtc_dep_key()), if nothing that it
 * depends on is known to have been written since.  *answer as above; *privileges:
 * what it was stored with; *ttl_ms as above.
 */
extern bool rtc_l1_peek(RtcDep hash, const char *key, uint32 keylen,
						char **privileges, Jsonb **answer, int64 *ttl_ms);

/*
 * Stores an answer that was computed from a snapshot taken after the stamps.
 * ttl_ms: -1 or 0 = does not expire.  False = there was no room.  Raises nothing.
 */
extern bool rtc_l1_store(const RtcL1Question *question,
						 const RtcStampRead *stamps, const Jsonb *answer,
						 int64 ttl_ms);

#endif							/* RTC_L1_H */
