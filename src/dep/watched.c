/*-------------------------------------------------------------------------
 *
 * watched.c
 *		What is to be done when something is written.
 *
 * An answer that was hit may be watched: the buckets that it depends on, with the
 * versions of them, and the work that computes it again.  Each bucket counts those
 * who watch it (stamps.c).  A writer that moves such a bucket tells the workers, or the
 * relay if there are none (rtc_work_stir()); for all others the watching is one load
 * in a cache line that they have.  Whoever is woken looks for answers whose
 * versions are no longer those, and puts their work into the queue (base/work.c).
 * So each answer is computed again once, and is watched again when it has been hit.
 *
 * Nothing is missed.  Who watches raises the count and then looks at the versions;
 * a writer moves the version and then looks at the count.  One of them sees the
 * other.
 *
 * The table is small.  An answer has a place in one of WAYS, and if these are taken
 * it has to be hit more often than one of them, whose hits count less each time.
 *
 * Model: any backend, the relay and the workers.  One LWLock, under which places
 * are filled and emptied.  Hits are counted without it; a hit that goes to a place
 * which somebody fills at this moment is counted for the wrong answer.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/atomics.h"

#include "dep/watched.h"

/* Answers that can be watched, and places that one of them may take. */
#define PLACES			512
#define WAYS			4

/* What the first hit counts; so many hits of others make an answer give way. */
#define FIRST_HITS		4

typedef struct Watched
{
	pg_atomic_uint64 hash;		/* of the work; 0 = free.  Written under the
								 * lock. */
	pg_atomic_uint64 answer;	/* which answer, by its versions; likewise */
	pg_atomic_uint32 hits;
	/* under the lock */
	RtcStampRead stamps;
	RtcWork		work;
} Watched;

typedef struct RtcWatchedTable
{
	Watched		place[PLACES];
} RtcWatchedTable;

static RtcWatchedTable *shared = NULL;
static LWLockPadded *locks;

#define table_lock (&locks->lock)

static void
init(void)
{
	for (int i = 0; i < PLACES; i++)
	{
		pg_atomic_init_u64(&shared->place[i].hash, 0);
		pg_atomic_init_u64(&shared->place[i].answer, 0);
		pg_atomic_init_u32(&shared->place[i].hits, 0);
	}
}

const RtcSharedRoom rtc_watched_room = {
	.name = "rtcache_watched",
	.place = &shared,
	.size = sizeof(RtcWatchedTable),
	.locks = &locks,
	.nlocks = 1,
	.init = init
};

/* Where the answer to a question may be. */
#define places_of(hash) (&shared->place[(hash) % (PLACES / WAYS) * WAYS])

/* Tells an answer from others to the same question. */
static uint64
answer_of(const RtcStampRead *stamps)
{
	return hash_bytes_extended((const unsigned char *) stamps->version,
							   stamps->n * sizeof(uint64), stamps->n);
}

/* Empties a place.  Under the lock. */
static void
empty(Watched *w)
{
	if (pg_atomic_read_u64(&w->hash) == 0)
		return;
	for (int i = 0; i < w->stamps.n; i++)
		rtc_stamp_watch(w->stamps.bucket[i], -1);
	pg_atomic_write_u64(&w->hash, 0);
}

bool
rtc_watched_hit(uint64 hash, const RtcStampRead *stamps)
{
	Watched    *place = places_of(Max(hash, 1));

	for (int i = 0; i < WAYS; i++)
		if (pg_atomic_read_u64(&place[i].hash) == Max(hash, 1))
		{
			if (pg_atomic_read_u64(&place[i].answer) != answer_of(stamps))
				return false;
			pg_atomic_fetch_add_u32(&place[i].hits, 1);
			return true;
		}
	return false;
}

/*
 * Finds the place for an answer.  NULL = others are worth more.  Without the lock
 * a guess.
 */
static Watched *
find_place(uint64 hash)
{
	Watched    *place = places_of(hash);
	Watched    *least = NULL;
	uint32		least_hits = 0;

	for (int i = 0; i < WAYS; i++)
		if (pg_atomic_read_u64(&place[i].hash) == hash)
			return &place[i];
	for (int i = 0; i < WAYS; i++)
	{
		uint32		hits = pg_atomic_read_u32(&place[i].hits);

		if (pg_atomic_read_u64(&place[i].hash) == 0)
			return &place[i];
		if (least == NULL || hits < least_hits)
		{
			least = &place[i];
			least_hits = hits;
		}
	}
	if (least_hits <= 1)
		return least;
	(void) pg_atomic_compare_exchange_u32(&least->hits, &least_hits,
										  least_hits / 2);
	return NULL;
}

void
rtc_watched_add(const RtcWork *work, const RtcStampRead *stamps)
{
	uint64		hash = Max(work->hash, 1);
	Watched    *w;

	if (find_place(hash) == NULL)
		return;
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	w = find_place(hash);
	if (w != NULL)
	{
		empty(w);
		w->stamps.n = stamps->n;
		memcpy(w->stamps.bucket, stamps->bucket, stamps->n * sizeof(uint32));
		memcpy(w->stamps.version, stamps->version, stamps->n * sizeof(uint64));
		memcpy(&w->work, work, offsetof(RtcWork, data) + work->len);
		pg_atomic_write_u64(&w->answer, answer_of(stamps));
		pg_atomic_write_u32(&w->hits, FIRST_HITS);
		pg_atomic_write_u64(&w->hash, hash);
		for (int i = 0; i < stamps->n; i++)
			rtc_stamp_watch(stamps->bucket[i], 1);
	}
	LWLockRelease(table_lock);

	/* a writer that came before us has not seen that we watch */
	if (w != NULL && !rtc_stamp_read_valid(stamps))
		rtc_work_stir();
}

void
rtc_watched_forget(Oid dboid)
{
	if (!rtc_preloaded)
		return;
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < PLACES; i++)
		if (shared->place[i].work.dboid == dboid)
			empty(&shared->place[i]);
	LWLockRelease(table_lock);
}

/* Has a write ended the answer? */
static bool
has_ended(const Watched *w)
{
	for (int i = 0; i < w->stamps.n; i++)
		if (rtc_stamp_version(w->stamps.bucket[i]) != w->stamps.version[i])
			return true;
	return false;
}

/* Takes the work of an answer that has ended out of its place. */
static bool
take(Watched *w, RtcWork *work)
{
	bool		found;

	if (pg_atomic_read_u64(&w->hash) == 0)
		return false;
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	found = pg_atomic_read_u64(&w->hash) != 0 && has_ended(w);
	if (found)
	{
		memcpy(work, &w->work, offsetof(RtcWork, data) + w->work.len);
		work->priority = RTC_WORK_PRIORITY_ASK + pg_atomic_read_u32(&w->hits);
		empty(w);
	}
	LWLockRelease(table_lock);
	return found;
}

void
rtc_watched_gather(void)
{
	RtcWork		work;

	if (!rtc_work_stirred())
		return;
	for (int i = 0; i < PLACES; i++)
		if (take(&shared->place[i], &work))
			(void) rtc_work_put(&work);
}
