/*-------------------------------------------------------------------------
 *
 * shared.h
 *		What rooms with shared memory have in common.
 *
 * A room that shares something owns a struct, static in its file, and
 * describes it by an RtcSharedRoom; shmem.c has the list of these.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SHARED_H
#define RTC_SHARED_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

typedef struct RtcSharedRoom
{
	const char *name;			/* of its memory and of its locks, in the
								 * server's views */
	void	   *place;			/* address of the pointer to its memory */
	Size		size;			/* bytes, zero before init; 0 = computed */
	Size		(*compute_size) (void); /* bytes, not zero before init; may be
										 * 0: the room is not used */
	LWLockPadded **locks;		/* pointer to its LWLocks; NULL = it has none */
	int			nlocks;
	void		(*init) (void); /* runs once, when place and locks are set,
								 * before anybody else sees them; or NULL */
} RtcSharedRoom;

/*
 * Is there shared memory, that is: was the library preloaded?  Where it was
 * not, no room's pointer may be followed.
 */
extern bool rtc_preloaded;

/* Raises 55000 with the shared_preload_libraries hint when not preloaded. */
extern void rtc_require_preload(void);

/* Moves a shared LSN, forwards only. */
static inline void
rtc_raise_lsn(pg_atomic_uint64 *lsn, XLogRecPtr to)
{
	uint64		last = pg_atomic_read_u64(lsn);

	while (last < to && !pg_atomic_compare_exchange_u64(lsn, &last, to))
		;
}

#endif							/* RTC_SHARED_H */
