/*-------------------------------------------------------------------------
 *
 * single_flight.c
 *		Single flight: of many who miss one key, one computes its answer.
 *
 * A question (a hash of key, query and arguments) belongs to one slot of a
 * fixed table.  Whoever puts it there computes; whoever finds it there waits
 * until it is gone and then looks for the value in L1.  It may not be there, or
 * be of no use to the one who waited: then the game starts over, up to the
 * time that rtcache.fill_wait allows.  None of this is needed for an answer to
 * be right: two questions with one hash, or a slot that is taken by another
 * one, cost time at most.
 *
 * The value never passes through here, so whoever waits judges it like any
 * other: by versions that it takes itself.
 *
 * Model: any backend, in a transaction.  Atomics and condition variables, no
 * locks.  A process that ends gives back what it holds; lookup.c catches the
 * errors of the query.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/condition_variable.h"
#include "storage/ipc.h"

#include "base/clock.h"
#include "base/inject.h"
#include "compat.h"
#include "read/single_flight.h"

/* Questions that can be in the air at the same time. */
#define RTC_FLIGHTS 1024

typedef struct RtcFlight
{
	pg_atomic_uint64 question;	/* being answered; 0 = nothing */
	pg_atomic_uint64 landings;
	pg_atomic_uint64 in_vain;	/* landings after which there was no value */
	ConditionVariable landed;	/* broadcast when question becomes 0 */
} RtcFlight;

static RtcFlight *shared = NULL;	/* RTC_FLIGHTS of them */

/* Lookups within queries of lookups: so deep, and deeper ones go alone. */
#define MAX_HELD 16

static uint64 held[MAX_HELD];	/* questions that this process computes */
static int	nheld = 0;

#define slot_of(question) (&shared[(question) % RTC_FLIGHTS])

static void
init(void)
{
	for (int i = 0; i < RTC_FLIGHTS; i++)
	{
		pg_atomic_init_u64(&shared[i].question, 0);
		pg_atomic_init_u64(&shared[i].landings, 0);
		pg_atomic_init_u64(&shared[i].in_vain, 0);
		ConditionVariableInit(&shared[i].landed);
	}
}

const RtcSharedRoom rtc_flight_room = {
	.name = "rtcache_flight",
	.place = &shared,
	.size = RTC_FLIGHTS * sizeof(RtcFlight),
	.init = init
};

/* before_shmem_exit callback. */
static void
land_all(int code, Datum arg)
{
	while (nheld > 0)
		rtc_flight_land(held[nheld - 1], false);
}

static bool
is_held(RtcFlight *slot)
{
	for (int i = 0; i < nheld; i++)
		if (slot_of(held[i]) == slot)
			return true;
	return false;
}

RtcFlightResult
rtc_flight_board(uint64 question, int64 wait_ms)
{
	static uint32 wait_event = 0;
	static bool registered = false;
	RtcFlight  *slot;
	uint64		found = 0;
	uint64		landings;
	uint64		in_vain;
	int64		deadline;

	question = Max(question, 1);
	slot = slot_of(question);
	if (nheld == MAX_HELD || is_held(slot))
		return RTC_FLIGHT_ALONE;	/* never wait for ourselves */
	if (!registered)
	{
		before_shmem_exit(land_all, (Datum) 0);
		registered = true;
	}
	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheFillWait");

	landings = pg_atomic_read_u64(&slot->landings);
	in_vain = pg_atomic_read_u64(&slot->in_vain);
	if (pg_atomic_compare_exchange_u64(&slot->question, &found, question))
	{
		held[nheld++] = question;
		RTC_INJECT("flight_claimed");
		return RTC_FLIGHT_OURS;
	}
	if (found != question || wait_ms <= 0)
		return RTC_FLIGHT_ALONE;

	deadline = rtc_deadline_in(wait_ms);
	ConditionVariablePrepareToSleep(&slot->landed);
	while (pg_atomic_read_u64(&slot->question) == question &&
		   pg_atomic_read_u64(&slot->landings) == landings)
	{
		int64		left = rtc_deadline_left(deadline);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(&slot->landed, left, wait_event);
	}
	ConditionVariableCancelSleep();

	if (rtc_deadline_left(deadline) == 0 ||
		pg_atomic_read_u64(&slot->in_vain) != in_vain)
		return RTC_FLIGHT_ALONE;
	return RTC_FLIGHT_LANDED;
}

void
rtc_flight_land(uint64 question, bool in_vain)
{
	RtcFlight  *slot;
	int			i;

	question = Max(question, 1);
	slot = slot_of(question);
	for (i = nheld - 1; i >= 0 && held[i] != question; i--)
		;
	if (i < 0)
		return;
	held[i] = held[--nheld];

	if (in_vain)
		pg_atomic_fetch_add_u64(&slot->in_vain, 1);
	pg_atomic_fetch_add_u64(&slot->landings, 1);
	pg_memory_barrier();
	pg_atomic_write_u64(&slot->question, 0);
	pg_memory_barrier();
	ConditionVariableBroadcast(&slot->landed);
}
