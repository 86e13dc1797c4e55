/*-------------------------------------------------------------------------
 *
 * rtcache.c
 *		Keeps Redis coherent from inside the database.
 *
 * The words of this project, used in code, SQL and documentation:
 *
 * Writing
 *		rule		a trigger that maps a table's rows to cache keys
 *		template	the text from which a rule makes a key: "hero:{id}"
 *		shape		the keys that a template can make
 *		tag			a name that a user gives to what belongs together
 *		row version	a row at its place in its table, as one write has left it
 *		track		the dependencies that a changed row of a relation moves
 *		op			one cache operation; op.h has the kinds
 *		op list		the ops of the current transaction
 *		early		said of ops that are in WAL before the transaction ends
 *		message		ops in WAL, of one (sub)transaction
 *		seal		the HMAC by which the relay knows a message of ours
 *		queue		the messages of committed transactions: the queue is WAL
 *		gap			a message that says: the queue was off, ops are missing
 *		omitted		a message that says: TAG ops may be missing from here on
 *
 * What answers depend on
 *		dependency	what a cached answer was computed from, as a hash
 *		bucket		all dependencies that share some bits of their hashes
 *		stamp		a bucket in shared memory, which every write moves
 *		version		of a stamp: the counter that readers compare
 *		pending		said of a stamp between PRE_COMMIT and COMMIT of a writer
 *		settle		to move the version and to end pending, at COMMIT
 *		gate		open when no transaction is left that has no stamps
 *		interest	that somebody has registered a dependency in Redis
 *		tag set		the keys in Redis that depend on one dependency
 *		drop		to delete the keys in a tag set
 *		definition	what a function, type or the like is made of
 *
 * The relay
 *		relay		the background worker that applies the queue to Redis
 *		position	up to where Redis has everything; in Redis, written with
 *					the ops
 *		epoch		one connection of the relay, named in the position
 *		mark		the record of WAL at which the position stands
 *		horizon		the oldest transaction that may be as old as a clear
 *		generation	odd while Redis is open to lookups; each change adds one
 *		floor		what a Redis must have to be believed at all
 *		prefix		what the keys of a database begin with
 *		closed		said of a database that does without Redis for now
 *		clear		to delete all keys of a database, or of a prefix
 *		job			a deletion that goes through all keys, in steps
 *		sweep		to go through all tag sets
 *		fenced		said of a relay whose Redis another server owns
 *
 * Reading
 *		lookup		cache_get(), cache_list() and the like
 *		question	what a lookup asks: query, arguments, who asks
 *		fingerprint	the text that names the question in Redis
 *		hit, fill	the answer was in a cache; it is computed and stored
 *		bypass		to answer from the query, without reading or storing
 *		lease		the token in Redis that a reader needs to fill
 *		companion	what stands beside a value in Redis: its fingerprint, what
 *					it needs to be seen, its tag sets
 *		flight		one session computes, others wait for it
 *		L1, L2		the cache in shared memory; Redis behind it
 *		breaker		closed, open or half-open: the way of sessions to Redis
 *
 * Refreshing
 *		work		what a background worker is to do; it waits in shared memory
 *		kept		said of a question as bytes, which can be asked again
 *		to ask again	to look a kept question up, by a worker
 *		refresh		to compute an answer again before anybody misses it
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
#include "ddl/databases.h"
#include "ddl/rule_clones.h"
#include "guc.h"
#include "inbox/inbox_worker.h"
#include "refresh/worker.h"
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
	rtc_refresh_init();
	rtc_databases_init();
	rtc_inbox_init();
}
