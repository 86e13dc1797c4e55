/*-------------------------------------------------------------------------
 *
 * breaker.c
 *		Circuit breaker on the way to Redis.
 *
 * A Redis that does not answer costs every lookup its timeout.  After so many
 * failures in a row (rtcache.breaker_threshold), of whichever processes, the
 * breaker opens: for a while (rtcache.breaker_cooldown) nobody tries.  Then
 * one process, the prober, may send its request; if it goes well the breaker
 * closes, else it stays open for twice as long, up to a minute.  The times are
 * spread by 20 % so that servers sharing a Redis do not come back at once.
 *
 * Model: called by any process with shared memory; atomics only, no locks, no
 * memory, no errors.  What needs care is that exactly one process becomes the
 * prober: whoever swaps retry_at from a moment that has passed to the moment
 * when its own claim lapses.  A prober that dies, or whose query is cancelled,
 * reports nothing; its claim lapses and the next one takes over.  Reports by
 * anybody but the prober are ignored while the breaker is not closed: they
 * tell of requests that began before it opened.
 *
 * The fields are not changed together.  A process that is overtaken between
 * two of its writes can make the breaker stay open for one more cooldown at
 * worst; retry_at never lies further ahead than RTC_BREAKER_MAX_COOLDOWN.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "base/clock.h"
#include "guc.h"
#include "redis/breaker.h"

/* Longest time between two attempts, in ms. */
#define RTC_BREAKER_MAX_COOLDOWN	60000

/* A prober is given the timeouts it works with, and this much more, in ms. */
#define RTC_BREAKER_PROBE_SLACK		1000

typedef struct RtcBreaker
{
	pg_atomic_uint32 state;		/* RtcBreakerState */
	pg_atomic_uint32 failures;	/* in a row, while closed */
	pg_atomic_uint32 trips;		/* openings in a row: exponent of the cooldown */
	pg_atomic_uint64 retry_at;	/* monotonic ms: open: when to probe;
								 * half-open: when the probe is given up on */
} RtcBreaker;

static RtcBreaker *breaker = NULL;

/* retry_at of this process's latest claim; 0 = it never was the prober. */
static uint64 my_claim = 0;

static bool am_prober(void);
static uint64 next_cooldown(void);

static void
init(void)
{
	pg_atomic_init_u32(&breaker->state, RTC_BREAKER_CLOSED);
	pg_atomic_init_u32(&breaker->failures, 0);
	pg_atomic_init_u32(&breaker->trips, 0);
	pg_atomic_init_u64(&breaker->retry_at, 0);
}

const RtcSharedRoom rtc_breaker_room = {
	.name = "rtcache_breaker",
	.place = &breaker,
	.size = sizeof(RtcBreaker),
	.init = init
};

/*
 * May this process talk to Redis now?  The prober may until its claim lapses,
 * since a lookup takes several requests.
 */
bool
rtc_breaker_allow(void)
{
	uint64		now;
	uint64		retry_at;
	uint64		claim;

	if (!rtc_preloaded)
		return false;

	if (pg_atomic_read_u32(&breaker->state) == RTC_BREAKER_CLOSED)
		return true;
	pg_read_barrier();

	now = rtc_clock_ms();
	retry_at = pg_atomic_read_u64(&breaker->retry_at);
	if (now < retry_at)
		return am_prober();

	claim = now + rtc_connect_timeout + rtc_command_timeout +
		RTC_BREAKER_PROBE_SLACK;
	if (!pg_atomic_compare_exchange_u64(&breaker->retry_at, &retry_at, claim))
		return false;

	my_claim = claim;
	pg_atomic_write_u32(&breaker->state, RTC_BREAKER_HALF_OPEN);
	return true;
}

/*
 * A request went well.
 */
void
rtc_breaker_success(void)
{
	if (!rtc_preloaded)
		return;

	if (pg_atomic_read_u32(&breaker->state) == RTC_BREAKER_CLOSED)
	{
		/* Mostly just a read, so that the cache line stays shared. */
		if (pg_atomic_read_u32(&breaker->failures) != 0)
			pg_atomic_write_u32(&breaker->failures, 0);
	}
	else if (am_prober())
	{
		my_claim = 0;
		pg_atomic_write_u32(&breaker->failures, 0);
		pg_atomic_write_u32(&breaker->trips, 0);
		pg_write_barrier();
		pg_atomic_write_u32(&breaker->state, RTC_BREAKER_CLOSED);
	}
}

/*
 * A request failed.  True if this failure opened the closed breaker.
 */
bool
rtc_breaker_failure(void)
{
	uint32		closed = RTC_BREAKER_CLOSED;
	uint64		retry_at;

	if (!rtc_preloaded)
		return false;

	if (pg_atomic_read_u32(&breaker->state) == RTC_BREAKER_CLOSED)
	{
		if (pg_atomic_add_fetch_u32(&breaker->failures, 1) <
			(uint32) rtc_breaker_threshold)
			return false;

		/* Many may get here at once; one opens it, and counts the trip. */
		retry_at = pg_atomic_read_u64(&breaker->retry_at);
		if (!pg_atomic_compare_exchange_u32(&breaker->state, &closed,
											RTC_BREAKER_OPEN))
			return false;

		/* If somebody could claim the probe in between, let it be. */
		pg_atomic_compare_exchange_u64(&breaker->retry_at, &retry_at,
									   rtc_clock_ms() + next_cooldown());
		return true;
	}

	if (am_prober())
	{
		uint64		claim = my_claim;

		my_claim = 0;
		retry_at = rtc_clock_ms() + next_cooldown();
		if (pg_atomic_compare_exchange_u64(&breaker->retry_at, &claim,
										   retry_at))
			pg_atomic_write_u32(&breaker->state, RTC_BREAKER_OPEN);
	}
	return false;
}

RtcBreakerState
rtc_breaker_state(void)
{
	if (!rtc_preloaded)
		return RTC_BREAKER_OPEN;
	return (RtcBreakerState) pg_atomic_read_u32(&breaker->state);
}

const char *
rtc_breaker_state_name(RtcBreakerState state)
{
	static const char *const names[] = {"closed", "open", "half-open"};

	return names[state];
}

/*
 * Does the claim of this process hold?
 */
static bool
am_prober(void)
{
	return my_claim != 0 &&
		pg_atomic_read_u64(&breaker->retry_at) == my_claim;
}

/*
 * How long the breaker stays open this time, in ms; counts the trip.
 */
static uint64
next_cooldown(void)
{
	uint32		trips = pg_atomic_fetch_add_u32(&breaker->trips, 1);
	double		ms = rtc_breaker_cooldown;

	for (uint32 i = 0; i < trips && ms < RTC_BREAKER_MAX_COOLDOWN; i++)
		ms *= 2;
	ms *= 0.8 + 0.4 * pg_prng_double(&pg_global_prng_state);

	return (uint64) Min(Max(ms, 1), RTC_BREAKER_MAX_COOLDOWN);
}
