/*-------------------------------------------------------------------------
 *
 * trust.c
 *		Is Redis to be believed?  What the relay and readers share of that.
 *
 * The relay writes, readers read; both ends of each of these are here:
 *
 *		generation	Odd = open: what Redis holds is as fresh as the stamps
 *					say; even = closed.  Each change adds one, so that a reader
 *					sees that it was closed in between.
 *		server		Moves when the relay has connected anew.
 *		epoch		Names the relay's connection in the position (position.c).
 *					Written while Redis is closed.
 *		stored_lsn	The position in Redis is known to have got here.
 *		asked_lsn	A lookup waits for stored_lsn to get here.
 *		floor_lsn	Where the relay has caught up last: commits before that
 *					may have no stamps.
 *		clears		Counts clears of keys that no commit asked for, or of all.
 *		losses		Counts what may have taken keys out of Redis: these, a new
 *					connection of the relay, an eviction.
 *		address		Where the Redis is that all this is about, under the lock.
 *
 * A reader asks rtc_redis_is_open() first and reads the rest behind it; if
 * the generation is the same at the end, all of it belonged together
 * (lookup_trust.c).  Nothing counts while the gate of stamps.c is closed.
 *
 * Model: atomics in shared memory; the lock is never held over I/O.  Raises
 * nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dep/stamps.h"
#include "redis/trust.h"

/* See above. */
typedef struct RtcRedisTrust
{
	pg_atomic_uint64 generation;
	pg_atomic_uint64 server;
	pg_atomic_uint64 epoch;
	pg_atomic_uint64 stored_lsn;
	pg_atomic_uint64 asked_lsn;
	pg_atomic_uint64 floor_lsn;
	pg_atomic_uint32 clears;

	/* each hit in L1 reads this one: it has a cache line of its own */
	char		pad_before[PG_CACHE_LINE_SIZE];
	pg_atomic_uint32 losses;
	char		pad_behind[PG_CACHE_LINE_SIZE];

	/* The lock protects the rest. */
	bool		connected;
	uint32		url_hash;		/* of the redis_url in use */
	char		address[RTC_ADDRESS_LEN];
} RtcRedisTrust;

static RtcRedisTrust *shared = NULL;
static LWLockPadded *lock = NULL;

static void
init(void)
{
	pg_atomic_init_u64(&shared->generation, 0);
	pg_atomic_init_u64(&shared->server, 0);
	pg_atomic_init_u64(&shared->epoch, 0);
	pg_atomic_init_u64(&shared->stored_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&shared->asked_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&shared->floor_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u32(&shared->clears, 1);
	pg_atomic_init_u32(&shared->losses, 1);
}

const RtcSharedRoom rtc_trust_room = {
	.name = "rtcache_trust",
	.place = &shared,
	.size = sizeof(RtcRedisTrust),
	.locks = &lock,
	.nlocks = 1,
	.init = init
};

/* ---------------- readers ---------------- */

bool
rtc_redis_is_open(uint64 *generation)
{
	*generation = pg_atomic_read_u64(&shared->generation);
	pg_read_barrier();
	return (*generation & 1) != 0 && rtc_gate_is_open();
}

uint64
rtc_redis_epoch(void)
{
	return pg_atomic_read_u64(&shared->epoch);
}

XLogRecPtr
rtc_redis_floor(void)
{
	return pg_atomic_read_u64(&shared->floor_lsn);
}

XLogRecPtr
rtc_redis_stored(void)
{
	return pg_atomic_read_u64(&shared->stored_lsn);
}

void
rtc_redis_ask_stored(XLogRecPtr lsn)
{
	rtc_raise_lsn(&shared->asked_lsn, lsn);
}

uint64
rtc_redis_server_generation(void)
{
	return pg_atomic_read_u64(&shared->server);
}

bool
rtc_redis_address(uint32 url_hash, char address[RTC_ADDRESS_LEN])
{
	bool		connected;

	LWLockAcquire(&lock->lock, LW_SHARED);
	connected = shared->connected && shared->url_hash == url_hash;
	strlcpy(address, shared->address, RTC_ADDRESS_LEN);
	LWLockRelease(&lock->lock);
	return connected;
}

uint32
rtc_redis_clears(void)
{
	return pg_atomic_read_u32(&shared->clears);
}

uint32
rtc_redis_losses(void)
{
	return pg_atomic_read_u32(&shared->losses);
}

/* ---------------- the relay ---------------- */

void
rtc_redis_note_loss(void)
{
	pg_atomic_fetch_add_u32(&shared->losses, 1);
}

/* 0 is for who has seen none. */
void
rtc_redis_note_clear(void)
{
	if (pg_atomic_add_fetch_u32(&shared->clears, 1) == 0)
		pg_atomic_write_u32(&shared->clears, 1);
	rtc_redis_note_loss();
}

void
rtc_redis_open(void)
{
	if ((pg_atomic_read_u64(&shared->generation) & 1) == 0)
		pg_atomic_fetch_add_u64(&shared->generation, 1);
}

void
rtc_redis_close(void)
{
	if ((pg_atomic_read_u64(&shared->generation) & 1) != 0)
		pg_atomic_fetch_add_u64(&shared->generation, 1);
}

void
rtc_redis_set_epoch(uint64 epoch)
{
	pg_atomic_write_u64(&shared->epoch, epoch);
}

void
rtc_redis_set_floor(XLogRecPtr lsn)
{
	pg_atomic_write_u64(&shared->floor_lsn, lsn);
}

bool
rtc_redis_set_stored(XLogRecPtr lsn)
{
	XLogRecPtr	before = pg_atomic_read_u64(&shared->stored_lsn);

	pg_atomic_write_u64(&shared->stored_lsn, lsn);
	/* who waits for it has said so, and then looked */
	pg_memory_barrier();
	return pg_atomic_read_u64(&shared->asked_lsn) > before;
}

XLogRecPtr
rtc_redis_asked(void)
{
	return pg_atomic_read_u64(&shared->asked_lsn);
}

void
rtc_redis_new_server(void)
{
	pg_atomic_fetch_add_u64(&shared->server, 1);
}

void
rtc_redis_connected(const char *address, uint32 url_hash)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->connected = true;
	shared->url_hash = url_hash;
	strlcpy(shared->address, address, sizeof(shared->address));
	LWLockRelease(&lock->lock);
	rtc_redis_new_server();
}

void
rtc_redis_lost(void)
{
	/* only the relay writes it, and it asks often */
	if (!shared->connected)
		return;
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	shared->connected = false;
	LWLockRelease(&lock->lock);
}
