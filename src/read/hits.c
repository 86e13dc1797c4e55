/*-------------------------------------------------------------------------
 *
 * hits.c
 *		What a hit brings about: the answer may have to be computed again.
 *
 * Refresh-ahead: a hit on an answer of whose time to live more than the fraction
 * rtcache.refresh_ahead is over hands the question to a worker, once per answer.
 * The answer itself is used as it is.  What rtcache.ttl_jitter may have taken from
 * the time to live is not counted, so that an answer is never due as soon as it
 * is stored.
 *
 * "Once per answer" is a small table of the questions that were handed in, each
 * until its answer expires; a worker that has computed a new answer takes it out
 * earlier.  So a question that fails is not asked again with every hit.  The
 * table has WAYS places for each question, and the one that expires first is
 * given to another question: then one may be handed in twice.  That costs work and
 * never an answer.
 *
 * Refresh after a write: an answer that is hit is watched (dep/watched.c), so that a
 * worker computes it again when a write has ended it.
 *
 * Put-back: Redis may have lost an answer that L1 still has (redis/trust.c counts
 * what may have taken keys out of it).  A hit on one that was stored before the last
 * loss hands the question to a worker, not more often than every PUT_BACK_MS.  That
 * looks whether Redis has it, and if not goes the way of every lookup that misses:
 * lease, query, fill.  So the hit costs one comparison, and no round trip.  With a
 * new answer in L1, the loss is made up for.
 *
 * Model: any backend, inside a transaction.  Atomics, no locks but that of work.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"

#include "base/clock.h"
#include "base/work.h"
#include "dep/watched.h"
#include "read/hits.h"
#include "read/kept_question.h"
#include "redis/trust.h"
#include "stats.h"

/* Places in the table, and how many of them a question may have. */
#define PLACES			4096
#define WAYS			4

/* A question that is too long to be kept is counted once in a while (ms). */
#define COUNT_MS		60000

/* So often an answer is put back that cannot be, or that nobody has time for (ms). */
#define PUT_BACK_MS		5000

/* Moments in the table have this many milliseconds to a unit. */
#define UNIT_MS			16

/*
 * A question that was handed in: the upper half of its hash, and until when, in
 * units; 0 = none.
 */
typedef struct RtcHandedIn
{
	pg_atomic_uint64 question[PLACES];
} RtcHandedIn;

static RtcHandedIn *shared = NULL;

static void
init(void)
{
	for (int i = 0; i < PLACES; i++)
		pg_atomic_init_u64(&shared->question[i], 0);
}

const RtcSharedRoom rtc_hits_room = {
	.name = "rtcache_hits",
	.place = &shared,
	.size = sizeof(RtcHandedIn),
	.init = init
};

#define upper_half(hash) ((hash) & UINT64CONST(0xFFFFFFFF00000000))
#define places_of(hash) \
	(&shared->question[(hash) % (PLACES / WAYS) * WAYS])

/* Is the moment "a" before "b"?  Both wrap around. */
#define is_before(a, b) ((int32) ((uint32) (a) - (uint32) (b)) < 0)

/*
 * Notes that a question is handed in, for so long.  False = it was before.
 */
static bool
hand_in(uint64 hash, int64 left_ms)
{
	pg_atomic_uint64 *place = places_of(hash);
	uint32		now = (uint32) (rtc_clock_ms() / UNIT_MS);
	uint32		units = Min(left_ms / UNIT_MS, PG_INT32_MAX / 2) + 1;
	pg_atomic_uint64 *first = &place[0];
	uint64		old = 0;

	for (int i = 0; i < WAYS; i++)
	{
		uint64		found = pg_atomic_read_u64(&place[i]);

		if (found != 0 && upper_half(found) == upper_half(hash) &&
			is_before(now, found))
			return false;
		if (i == 0 || is_before(found, old))
		{
			first = &place[i];
			old = found;
		}
	}
	/* who loses this race leaves it to the winner, if it is the same question */
	return pg_atomic_compare_exchange_u64(first, &old,
										  upper_half(hash) | (now + units));
}

/* By what a question is found that is to be put back. */
#define put_back_hash(hash) ((hash) ^ UINT64CONST(0x5A5A5A5A5A5A5A5A))

/* Takes a question out of the table. */
static void
forget(uint64 hash)
{
	pg_atomic_uint64 *place = places_of(hash);

	for (int i = 0; i < WAYS; i++)
	{
		uint64		found = pg_atomic_read_u64(&place[i]);

		if (found != 0 && upper_half(found) == upper_half(hash))
			(void) pg_atomic_compare_exchange_u64(&place[i], &found, 0);
	}
}

void
rtc_hits_forget(const RtcQuestion *question)
{
	uint64		hash = rtc_l1_question_hash(&question->l1);

	forget(question->put_back ? put_back_hash(hash) : hash);
}

/* Hands a question in, if its answer is due. */
static void
refresh_ahead(const RtcQuestion *question, const RtcLookupNames *names,
			  int64 left_ms)
{
	int64		stale_ms = (int64) ((1 - rtc_refresh_ahead) *
									(1 - rtc_ttl_jitter) * question->ttl_ms);
	RtcWork		work;

	if (left_ms < 0 || question->ttl_ms <= 0 || left_ms >= stale_ms ||
		!rtc_work_is_on() ||
		!hand_in(rtc_l1_question_hash(&question->l1), left_ms))
		return;
	if (!rtc_question_keep(&work, question, names, stale_ms, false))
		work.len = RTC_WORK_MAX_BYTES + 1;	/* is dropped and counted */
	work.priority = RTC_WORK_PRIORITY_ASK;
	(void) rtc_work_put(&work);
}

/* Has the question asked again when a write ends its answer. */
static void
watch(const RtcQuestion *question, const RtcLookupNames *names)
{
	uint64		hash = rtc_l1_question_hash(&question->l1);
	RtcWork		work;

	if (!rtc_work_is_on() || rtc_watched_hit(hash, &names->stamps))
		return;
	if (rtc_question_keep(&work, question, names, 0, false))
		rtc_watched_add(&work, &names->stamps);
	else if (hand_in(~hash, COUNT_MS))
		rtc_stat_inc(RTC_STAT_WORK_DROPPED);
}

void
rtc_hit(const RtcQuestion *question, const RtcLookupNames *names,
		int64 left_ms)
{
	if (rtc_refresh_ahead > 0)
		refresh_ahead(question, names, left_ms);
	if (rtc_refresh_after_write)
		watch(question, names);
}

void
rtc_hit_lost(const RtcQuestion *question, const RtcLookupNames *names)
{
	uint64		generation;
	RtcWork		work;

	/* what others wait for comes first, and comes through */
	if (!rtc_work_has_room() || !rtc_redis_is_open(&generation) ||
		!hand_in(put_back_hash(rtc_l1_question_hash(&question->l1)),
				 PUT_BACK_MS))
		return;
	if (!rtc_question_keep(&work, question, names, 0, true))
		return;
	work.priority = RTC_WORK_PRIORITY_PUT_BACK;
	(void) rtc_work_put(&work);
}
