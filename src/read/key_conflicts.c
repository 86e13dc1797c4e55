/*-------------------------------------------------------------------------
 *
 * key_conflicts.c
 *		Keys under which more than one question is asked.
 *
 * Redis has one value under a key, and L1 has some answers.  If there are more
 * questions than that, each answer that is stored takes the place of another one,
 * and whoever asks finds the wrong one.  It is a mistake of the application, and
 * nobody sees it but in a bad hit ratio.  So it is counted, and the keys are noted
 * by which it happens most.
 *
 * There is room for MAX_KEYS.  A key that is new and finds no room takes the place
 * of the one with the fewest conflicts, and takes its number over, as in "space
 * saving" (Metwally et al., "Efficient Computation of Frequent and Top-k Elements in
 * Data Streams", ICDT 2005): so a key with more conflicts than that is never lost.
 *
 * After a change of what a query means, its answers under the former meaning are in
 * Redis: once for each key that is a conflict, too.
 *
 * Model: any backend.  One LWLock; a conflict is on the way of those who compute
 * an answer, never on that of a hit.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lwlock.h"

#include "base/clock.h"
#include "dep/dep.h"
#include "read/key_conflicts.h"
#include "stats.h"

#define MAX_KEYS		128

/* Bytes of a key that are kept. */
#define MAX_SHOWN		100

/* A conflict is of interest for so long (ms). */
#define RECENT_MS		(60 * 60 * 1000)

/* Under the lock. */
typedef struct ConflictKey
{
	RtcDep		hash;			/* of database and key; 0 = free */
	Oid			dboid;
	uint64		n;				/* conflicts */
	int64		last_ms;		/* when the last one was; rtc_clock_ms() */
	uint32		len;			/* of what is kept of the key */
	char		key[MAX_SHOWN];
} ConflictKey;

static ConflictKey *shared = NULL;	/* MAX_KEYS of them */
static LWLockPadded *locks;

#define lock			(&locks[0].lock)

const RtcSharedRoom rtc_key_conflicts_room = {
	.name = "rtcache_key_conflicts",
	.place = &shared,
	.size = MAX_KEYS * sizeof(ConflictKey),
	.locks = &locks,
	.nlocks = 1
};

void
rtc_key_conflict(const char *key, uint32 keylen)
{
	RtcDep		hash = rtc_dep_key(key, keylen);
	ConflictKey *entry = &shared[0];

	rtc_stat_inc(RTC_STAT_KEY_CONFLICTS);
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_KEYS && entry->hash != hash; i++)
	{
		if (shared[i].hash == hash || shared[i].n < entry->n)
			entry = &shared[i];
	}
	if (entry->hash != hash)
	{
		entry->hash = hash;
		entry->dboid = MyDatabaseId;
		entry->len = Min(keylen, MAX_SHOWN);
		memcpy(entry->key, key, entry->len);
	}
	entry->n++;
	entry->last_ms = rtc_clock_ms();
	LWLockRelease(lock);
}

/* Worst first. */
static int
compare(const void *a, const void *b)
{
	const ConflictKey *x = a;
	const ConflictKey *y = b;

	return x->n > y->n ? -1 : x->n < y->n;
}

int
rtc_key_conflicts(RtcKeyConflict *conflicts, int max)
{
	ConflictKey *copy = palloc(MAX_KEYS * sizeof(ConflictKey));
	int64		since = rtc_clock_ms() - RECENT_MS;
	int			n = 0;

	LWLockAcquire(lock, LW_SHARED);
	memcpy(copy, shared, MAX_KEYS * sizeof(ConflictKey));
	LWLockRelease(lock);

	qsort(copy, MAX_KEYS, sizeof(ConflictKey), compare);
	for (int i = 0; i < MAX_KEYS && n < max; i++)
	{
		if (copy[i].n == 0 || copy[i].dboid != MyDatabaseId ||
			copy[i].last_ms < since)
			continue;
		conflicts[n].key = pnstrdup(copy[i].key,
									pg_mbcliplen(copy[i].key, copy[i].len,
												 MAX_SHOWN));
		conflicts[n++].n = copy[i].n;
	}
	pfree(copy);
	return n;
}

void
rtc_key_conflicts_reset(void)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	memset(shared, 0, MAX_KEYS * sizeof(ConflictKey));
	LWLockRelease(lock);
}
