/*-------------------------------------------------------------------------
 *
 * hot.c
 *		The questions that are asked most, for a warm start.
 *
 * L1 has answers, and not what it takes to compute them again.  So beside it is a
 * table of kept questions, with the number of their hits.  One hit of
 * RTC_HOT_SAMPLE is looked at, picked at random.  So what is asked often gets a
 * place soon, and a hit costs little more than a random number.
 *
 * The table has two parts: many places for short questions, few for long ones.  A
 * question has a place in one of WAYS.  If these are taken it has to be hit more
 * often than one of them, whose hits count less each time; so what was asked most
 * some time ago gives way to what is asked most now.
 *
 * After a start the table is filled with what was saved (refresh/hot_file.c).  These
 * questions are marked: workers ask them again, those with the most hits first.  One
 * that they could not ask, since its user may not any more, say, gives its place and
 * its hits to whoever asks the same next; if nobody does, it counts less each time
 * that it is saved.
 *
 * Model: any backend and the workers; the postmaster when it ends.  One LWLock, under
 * which places are filled.  Hits are counted without it; one that goes to a place
 * which somebody fills at this moment is counted for the wrong question.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"

#include "base/clock.h"
#include "read/hot.h"
#include "read/kept_question.h"

/* Places for short questions, bytes of these; places for the others. */
#define SHORT_PLACES	4096
#define SHORT_BYTES		512
#define LONG_PLACES		256
#define ALL_PLACES		(SHORT_PLACES + LONG_PLACES)

#define WAYS			4

/* What the first hit counts; so many hits of others make a question give way. */
#define FIRST_HITS		2

/* How often what is hit is saved (ms). */
#ifndef RTC_SAVE_MS
#define RTC_SAVE_MS		300000
#endif

typedef enum HotState
{
	ASKED,						/* since the start */
	TO_ASK,						/* before the start, and is to be asked again */
	TAKEN						/* likewise; a worker tries, or has in vain */
} HotState;

typedef struct Place
{
	pg_atomic_uint64 hash;		/* of the question; 0 = free.  Written under
								 * the lock */
	pg_atomic_uint32 hits;		/* that were counted */
	/* under the lock; hits look at "state" without */
	uint32		len;			/* of the data; 0 = not filled */
	Oid			dboid;
	HotState	state;
} Place;

typedef struct RtcHotTable
{
	int64		saved_ms;		/* for rtc_clock_is_due(), without a lock: at
								 * worst it is saved twice */
	pg_atomic_uint32 nleft;		/* places that are TO_ASK; written under the
								 * lock */
	Place		place[ALL_PLACES];
	char		short_data[SHORT_PLACES][SHORT_BYTES];
	char		long_data[LONG_PLACES][RTC_WORK_MAX_BYTES];
} RtcHotTable;

static RtcHotTable *shared = NULL;
static LWLockPadded *locks;

#define table_lock (&locks->lock)

static Size
compute_size(void)
{
	return rtc_l1_size > 0 ? sizeof(RtcHotTable) : 0;
}

static void
init(void)
{
	memset(shared->place, 0, sizeof(shared->place));
	shared->saved_ms = rtc_clock_ms();
	pg_atomic_init_u32(&shared->nleft, 0);
	for (int i = 0; i < ALL_PLACES; i++)
	{
		pg_atomic_init_u64(&shared->place[i].hash, 0);
		pg_atomic_init_u32(&shared->place[i].hits, 0);
	}
}

const RtcSharedRoom rtc_hot_room = {
	.name = "rtcache_hot",
	.place = &shared,
	.compute_size = compute_size,
	.locks = &locks,
	.nlocks = 1,
	.init = init
};

/* Where a question may be: first of WAYS places. */
#define first_short(hash) ((int) ((hash) % (SHORT_PLACES / WAYS)) * WAYS)
#define first_long(hash) \
	(SHORT_PLACES + (int) ((hash) % (LONG_PLACES / WAYS)) * WAYS)

static char *
data_of(int n)
{
	return n < SHORT_PLACES ? shared->short_data[n] :
		shared->long_data[n - SHORT_PLACES];
}

/* What a question of this database is found by. */
static uint64
hash_of(uint64 question, Oid dboid)
{
	return Max(question ^ ((uint64) dboid << 32), 1);
}

/* Finds a question in WAYS places; -1 = it is not there. */
static int
find(int first, uint64 hash)
{
	for (int i = first; i < first + WAYS; i++)
		if (pg_atomic_read_u64(&shared->place[i].hash) == hash)
			return i;
	return -1;
}

/*
 * Finds a place for a question that has so many hits; -1 = others are worth more,
 * and one of these is worth less from now on.
 */
static int
find_room(int first, uint32 hits)
{
	int			least = first;
	uint32		least_hits = PG_UINT32_MAX;

	for (int i = first; i < first + WAYS; i++)
	{
		uint32		n = pg_atomic_read_u32(&shared->place[i].hits);

		if (pg_atomic_read_u64(&shared->place[i].hash) == 0)
			return i;
		if (n < least_hits)
		{
			least = i;
			least_hits = n;
		}
	}
	if (least_hits < hits)
		return least;
	(void) pg_atomic_compare_exchange_u32(&shared->place[least].hits,
										  &least_hits, least_hits / 2);
	return -1;
}

/* Under the lock. */
static void
set_state(Place *p, HotState state)
{
	pg_atomic_write_u32(&shared->nleft, pg_atomic_read_u32(&shared->nleft) +
						(state == TO_ASK) - (p->state == TO_ASK));
	p->state = state;
}

/* Enters a question, if there is room and it is not there. */
static void
enter(const RtcWork *work, uint32 hits, HotState state)
{
	uint64		hash = hash_of(work->hash, work->dboid);
	int			first = work->len <= SHORT_BYTES ? first_short(hash) :
	first_long(hash);
	int			n;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	n = find(first, hash);
	if (n < 0)
		n = find_room(first, hits);
	else if (shared->place[n].state == TAKEN)
		hits += pg_atomic_read_u32(&shared->place[n].hits);
	else
		n = -1;
	if (n >= 0)
	{
		Place	   *p = &shared->place[n];

		/* who is killed here leaves an empty place */
		p->len = 0;
		pg_write_barrier();
		pg_atomic_write_u64(&p->hash, hash);
		pg_atomic_write_u32(&p->hits, hits);
		p->dboid = work->dboid;
		set_state(p, state);
		memcpy(data_of(n), work->data, work->len);
		pg_write_barrier();
		p->len = work->len;
	}
	LWLockRelease(table_lock);
}

/* Has a worker save the table. */
static void
have_saved(void)
{
	(void) rtc_work_put_bare(RTC_WORK_SAVE, MyDatabaseId, RTC_WORK_PRIORITY_WARM);
}

/* Finds a question whose hits are counted. */
static int
find_counted(int first, uint64 hash)
{
	int			n = find(first, hash);

	return n >= 0 && shared->place[n].state == TAKEN ? -1 : n;
}

void
rtc_hot_hit(const RtcQuestion *question, const RtcLookupNames *names)
{
	uint64		hash = hash_of(rtc_l1_question_hash(&question->l1),
							   MyDatabaseId);
	int			n = find_counted(first_short(hash), hash);
	RtcWork		work;

	if (n < 0)
		n = find_counted(first_long(hash), hash);
	if (n >= 0)
		pg_atomic_fetch_add_u32(&shared->place[n].hits, 1);
	else if (rtc_question_keep(&work, question, names, 0, false))
		enter(&work, FIRST_HITS, ASKED);
	if (rtc_clock_is_due(&shared->saved_ms, RTC_SAVE_MS))
		have_saved();
}

int
rtc_hot_max(void)
{
	return shared != NULL ? ALL_PLACES : 0;
}

/* Copies a question.  Under the lock. */
static void
copy(int n, RtcWork *work)
{
	Place	   *p = &shared->place[n];

	work->kind = RTC_WORK_ASK;
	work->dboid = p->dboid;
	work->hash = hash_of(pg_atomic_read_u64(&p->hash), p->dboid);
	work->len = p->len;
	memcpy(work->data, data_of(n), p->len);
}

bool
rtc_hot_get(int place, RtcWork *work, uint32 *hits)
{
	Place	   *p = &shared->place[place];
	bool		found;

	if (IsUnderPostmaster)
		LWLockAcquire(table_lock, LW_SHARED);
	found = p->len > 0 && pg_atomic_read_u64(&p->hash) != 0;
	if (found)
		copy(place, work);
	*hits = pg_atomic_read_u32(&p->hits) / (p->state == ASKED ? 1 : 2);
	if (IsUnderPostmaster)
		LWLockRelease(table_lock);
	return found && *hits > 0;
}

void
rtc_hot_enter(const RtcWork *work, uint32 hits)
{
	enter(work, hits, TO_ASK);
}

int
rtc_hot_take(RtcWork *work)
{
	int			n = 0;
	int			best = -1;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < ALL_PLACES; i++)
	{
		Place	   *p = &shared->place[i];

		if (p->state != TO_ASK || p->dboid != MyDatabaseId || p->len == 0)
			continue;
		n++;
		if (best < 0 || pg_atomic_read_u32(&p->hits) >
			pg_atomic_read_u32(&shared->place[best].hits))
			best = i;
	}
	if (best >= 0)
	{
		set_state(&shared->place[best], TAKEN);
		copy(best, work);
	}
	LWLockRelease(table_lock);
	return n;
}

void
rtc_hot_asked(const RtcWork *work)
{
	uint64		hash = hash_of(work->hash, work->dboid);
	int			n;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	n = find(work->len <= SHORT_BYTES ? first_short(hash) : first_long(hash),
			 hash);
	if (n >= 0 && shared->place[n].state == TAKEN)
		set_state(&shared->place[n], ASKED);
	LWLockRelease(table_lock);
}

bool
rtc_hot_is_left(void)
{
	bool		found = false;

	if (shared == NULL || pg_atomic_read_u32(&shared->nleft) == 0)
		return false;
	LWLockAcquire(table_lock, LW_SHARED);
	for (int i = 0; i < ALL_PLACES && !found; i++)
	{
		const Place *p = &shared->place[i];

		found = p->state == TO_ASK && p->dboid == MyDatabaseId && p->len > 0;
	}
	LWLockRelease(table_lock);
	return found;
}
