/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		The list of rooms with shared memory.
 *
 * Each room owns its struct, its size and its init; here they get their
 * memory and their locks, as ipci.c does for the server.
 *
 * Model: runs in the postmaster, at the start and again after each crash
 * restart, which begins with new memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "base/relay_latch.h"
#include "base/shared.h"
#include "base/work.h"
#include "compat.h"
#include "dep/interest.h"
#include "dep/stamps.h"
#include "dep/watched.h"
#include "l1/blocks.h"
#include "read/families.h"
#include "read/hits.h"
#include "read/hot.h"
#include "read/key_conflicts.h"
#include "read/single_flight.h"
#include "redis/breaker.h"
#include "redis/prefix_table.h"
#include "redis/trust.h"
#include "refresh/hot_file.h"
#include "refresh/load.h"
#include "refresh/warm_status.h"
#include "relay/inbox_watch.h"
#include "relay/lag.h"
#include "relay/status.h"
#include "shmem.h"
#include "stats.h"
#include "table_stats.h"
#include "wal/queue.h"
#include "wal/seal.h"
#include "write/commit_wait.h"

static const RtcSharedRoom *const rooms[] = {
	&rtc_relay_latch_room,
	&rtc_stats_room,
	&rtc_table_stats_room,
	&rtc_stamps_room,
	&rtc_interest_room,
	&rtc_watched_room,
	&rtc_seal_room,
	&rtc_queue_room,
	&rtc_commit_wait_room,
	&rtc_breaker_room,
	&rtc_prefix_room,
	&rtc_trust_room,
	&rtc_status_room,
	&rtc_lag_room,
	&rtc_inbox_room,
	&rtc_flight_room,
	&rtc_hits_room,
	&rtc_work_room,
	&rtc_load_room,
	&rtc_families_room,
	&rtc_key_conflicts_room,
	&rtc_l1_room,
	&rtc_hot_room,
	&rtc_hot_file_room,
	&rtc_warm_status_room
};

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static Size
size_of(const RtcSharedRoom *room)
{
	return room->size > 0 ? room->size : room->compute_size();
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	for (int i = 0; i < lengthof(rooms); i++)
	{
		if (size_of(rooms[i]) == 0)
			continue;
		RequestAddinShmemSpace(size_of(rooms[i]));
		if (rooms[i]->nlocks > 0)
			RequestNamedLWLockTranche(rooms[i]->name, rooms[i]->nlocks);
	}
}

static void
set_up(const RtcSharedRoom *room)
{
	bool		found;
	void	   *place = ShmemInitStruct(room->name, size_of(room), &found);

	*(void **) room->place = place;
	if (room->nlocks > 0)
		*room->locks = GetNamedLWLockTranche(room->name);
	if (found)
		return;
	memset(place, 0, room->size);
	if (room->init != NULL)
		room->init();
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < lengthof(rooms); i++)
		if (size_of(rooms[i]) > 0)
			set_up(rooms[i]);
	LWLockRelease(AddinShmemInitLock);
	rtc_preloaded = true;
}

void
rtc_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
