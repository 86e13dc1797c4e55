/*-------------------------------------------------------------------------
 *
 * rtcache.c
 *		Keeps Redis coherent from inside the database.
 *
 * The words of this project, used in code, SQL and documentation:
 *
 *		rule		a trigger that maps a table's rows to cache keys
 *		op			one cache operation: SET key value ttl, DEL key,
 *					PATTERN glob, CLEAR
 *		op list		the ops of the current transaction
 *		WAL queue	the ops of committed transactions, carried by WAL
 *					records: the queue is the WAL
 *		relay		the background worker that reads the WAL queue and
 *					applies it to Redis
 *		position	timeline and LSN up to which Redis has everything; kept
 *					in Redis, written atomically with the ops
 *		epoch		one connection of the relay, named in the position
 *		dependency	what a cached answer was computed from
 *		stamp		a shared-memory counter per dependency bucket that every
 *					write moves; readers compare it
 *		lease		the token in Redis that a reader needs to store what it
 *					computed
 *		L2			Redis, seen as the second level behind shared memory
 *		lookup, fill, bypass
 *					the read path; storing a computed value; answering from
 *					the query without reading or storing
 *		breaker		closed, open or half-open state of the way to Redis
 *
 * Model: loaded by the postmaster (shared_preload_libraries), we get shared
 * memory and the relay.  Loaded by a backend alone, there is neither:
 * triggers still log their ops, lookups bypass, everything else refuses.
 * _PG_init never raises on account of that, so that LOAD and pg_upgrade work.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "compat.h"
#include "ddl/pg_upgrade.h"
#include "guc.h"
#include "relay/relay.h"
#include "shmem.h"
#include "write/commit_wait.h"
#include "write/xact.h"

RTC_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

/*
 * Settings first: the size of shared memory depends on them.
 */
void
_PG_init(void)
{
	RtcDefineSettings();
	rtc_xact_init();
	rtc_upgrade_init();

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	rtc_shmem_init();
	rtc_commit_wait_init();
	rtc_relay_register();
}
