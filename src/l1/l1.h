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

#include "storage/lwlock.h"
#include "utils/jsonb.h"

#include "base/shared.h"
#include "dep/stamps.h"

/* LWLocks: one of each partition, and that of the free blocks. */
#define RTC_L1_PARTITIONS	128
#define RTC_L1_LOCKS		(RTC_L1_PARTITIONS + 1)

/* What is asked: the same question has the same answer, at the same time. */
typedef struct RtcL1Question
{
	uint64		hash;			/* of database and key: rtc_l1_hash() */
	const char *key;
	uint32		keylen;
	const RtcQueryId *id;
	const char *args;			/* the query's arguments, as bytes */
	uint32		argslen;
	bool		one_row;
	const char *privileges;		/* what the query needs: companion.h */
} RtcL1Question;

/* Is there an L1 at all?  (The gate and the stamps are the caller's.) */
extern bool rtc_l1_exists(void);

/* The hash of a key of the current database. */
extern uint64 rtc_l1_hash(const char *key, uint32 keylen);

/* A hash of the whole question. */
extern uint64 rtc_l1_question_hash(const RtcL1Question *question);

/*
 * Looks an answer up that was stored with exactly these versions.  A hit sets
 * *answer, in the current memory context (NULL = no row), and if ttl_ms is not
 * NULL what is left of its time to live (-1 = does not expire).
 */
extern bool rtc_l1_get(const RtcL1Question *question,
					   const RtcStampRead *stamps, Jsonb **answer,
					   int64 *ttl_ms);

/*
 * Looks for whatever answer is there under a key (only hash, key and keylen of
 * the question count), if nothing that it depends on is known to have been
 * written since.  Otherwise as rtc_l1_get().  *privileges: what the answer
 * was stored with.
 */
extern bool rtc_l1_peek(const RtcL1Question *question, char **privileges,
						Jsonb **answer, int64 *ttl_ms);

/*
 * Stores an answer that was computed from a snapshot taken after the stamps.
 * ttl_ms: -1 or 0 = does not expire.  False = it was not stored.  Raises
 * nothing, for want of memory least of all.
 */
extern bool rtc_l1_store(const RtcL1Question *question,
						 const RtcStampRead *stamps, const Jsonb *answer,
						 int64 ttl_ms);

extern const RtcSharedRoom rtc_l1_room;

#endif							/* RTC_L1_H */
