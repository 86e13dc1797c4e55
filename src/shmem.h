/*-------------------------------------------------------------------------
 *
 * shmem.h
 *		The list of rooms with shared memory.  See shmem.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SHMEM_H
#define RTC_SHMEM_H

/* Installs the shared-memory hooks; from _PG_init while preloading. */
extern void rtc_shmem_init(void);

#endif							/* RTC_SHMEM_H */
