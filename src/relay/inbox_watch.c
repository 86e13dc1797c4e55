/*-------------------------------------------------------------------------
 *
 * inbox_watch.c
 *		Which databases have an inbox in Redis, and who works on it.
 *
 * Applications write to an inbox in Redis, without a session here that would
 * know.  The relay has a connection to Redis and knows the prefix of each
 * database, so it looks once a second whether there is something in their
 * inboxes.  Where there is, it starts a worker (wing inbox), unless there is one.
 * No list of inboxes has to be kept anywhere: the stream in Redis says it.
 *
 * A worker that has ended may not be wanted again at once, as when its database
 * has no rule that lets anything be written behind, or is being dropped.  Its entry
 * is free when the process is no longer connected to the database.
 *
 * Model: one lock, held for a copy.  The relay enters databases; the worker and
 * the relay change entries.  No allocation under the lock, no errors.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "base/bg_worker.h"
#include "base/clock.h"
#include "compat.h"
#include "guc.h"
#include "redis/names.h"
#include "redis/prefix_table.h"
#include "relay/inbox_watch.h"

/* How often the relay looks (ms). */
#define WATCH_MS		1000

/* A worker that has not begun after so long will not (ms). */
#define START_MS		10000

/* So long nobody tries again to connect to a database that may be gone (ms). */
#define UNREACHABLE_MS	600000

/* So long a worker stays away from a database that it was to leave (ms), */
#define AWAY_MS			6000

/* and so long we wait until it has left. */
#define LEAVE_MS		2000
#define LEAVE_POLL_MS	5

typedef struct Inboxes
{
	RtcInboxInfo inbox[RTC_MAX_PREFIXES];	/* under the lock */
} Inboxes;

static Inboxes *inboxes = NULL;
static LWLockPadded *lock = NULL;

static const char *worker_name = NULL;
static const char *worker_function = NULL;

const RtcSharedRoom rtc_inbox_room = {
	.name = "rtcache_inbox",
	.place = &inboxes,
	.size = sizeof(Inboxes),
	.locks = &lock,
	.nlocks = 1
};

/* The entry of a database, or NULL; InvalidOid: one that is free. */
static RtcInboxInfo *
find(Oid dboid)
{
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
		if (inboxes->inbox[i].dboid == dboid)
			return &inboxes->inbox[i];
	return NULL;
}

bool
rtc_inbox_copy(int n, RtcInboxInfo *info)
{
	if (n >= RTC_MAX_PREFIXES)
		return false;
	LWLockAcquire(&lock->lock, LW_SHARED);
	*info = inboxes->inbox[n];
	LWLockRelease(&lock->lock);
	return true;
}

bool
rtc_inbox_of(Oid dboid, RtcInboxInfo *info)
{
	const RtcInboxInfo *found;

	LWLockAcquire(&lock->lock, LW_SHARED);
	found = find(dboid);
	if (found != NULL)
		*info = *found;
	LWLockRelease(&lock->lock);
	return found != NULL;
}

/*
 * Is there a worker of a database?  It is told to end, or one that is on its way not
 * to begin, and none is to come.
 */
static bool
send_away(Oid dboid)
{
	RtcInboxInfo *inbox;
	bool		there = false;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	inbox = find(dboid);
	if (inbox != NULL)
	{
		there = inbox->pid != 0;
		if (there && !inbox->leaves)
			(void) kill(inbox->pid, SIGTERM);
		inbox->leaves = true;
		inbox->start_at = Max(inbox->start_at, rtc_clock_ms() + AWAY_MS);
	}
	LWLockRelease(&lock->lock);
	return there;
}

void
rtc_inbox_leave(Oid dboid)
{
	static uint32 wait_event = 0;
	int64		deadline = rtc_deadline_in(LEAVE_MS);

	if (!rtc_preloaded)
		return;
	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheInboxLeaves");
	while (send_away(dboid) && rtc_deadline_left(deadline) > 0)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LEAVE_POLL_MS, wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---------------- the worker ---------------- */

bool
rtc_inbox_begin(Oid dboid)
{
	RtcInboxInfo *inbox;
	bool		mine;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	inbox = find(dboid);
	mine = inbox != NULL && inbox->pid == 0 && !inbox->leaves;
	if (mine)
	{
		inbox->pid = MyProcPid;
		inbox->start_at = rtc_clock_ms() + UNREACHABLE_MS;
	}
	LWLockRelease(&lock->lock);
	return mine;
}

void
rtc_inbox_connected(Oid dboid)
{
	RtcInboxInfo *inbox;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	inbox = find(dboid);
	if (inbox != NULL && inbox->pid == MyProcPid && !inbox->leaves)
		inbox->start_at = 0;
	LWLockRelease(&lock->lock);
}

void
rtc_inbox_end(Oid dboid, int64 pause_ms)
{
	RtcInboxInfo *inbox;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	inbox = find(dboid);
	if (inbox != NULL && inbox->pid == MyProcPid)
	{
		inbox->start_at = inbox->leaves ? rtc_clock_ms() + AWAY_MS :
			Max(inbox->start_at, rtc_clock_ms() + pause_ms);
		inbox->pid = 0;
		inbox->leaves = false;
	}
	LWLockRelease(&lock->lock);
}

void
rtc_inbox_tell(const RtcInboxInfo *info)
{
	RtcInboxInfo *inbox;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	inbox = find(info->dboid);
	if (inbox != NULL)
	{
		int			pid = inbox->pid;
		bool		leaves = inbox->leaves;
		int64		start_at = inbox->start_at;

		*inbox = *info;
		inbox->pid = pid;
		inbox->leaves = leaves;
		inbox->start_at = start_at;
		inbox->told = false;
	}
	LWLockRelease(&lock->lock);
}

/* ---------------- the relay ---------------- */

void
rtc_inbox_set_worker(const char *name, const char *function)
{
	worker_name = name;
	worker_function = function;
}

/* Starts the worker of a database. */
static void
start(Oid dboid)
{
	RtcInboxInfo *inbox;
	bool		told = true;

	if (rtc_bg_worker_start(worker_name, worker_function, ObjectIdGetDatum(dboid)))
		return;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	inbox = find(dboid);
	if (inbox != NULL)
	{
		told = inbox->told;
		inbox->told = true;
		strlcpy(inbox->error, "could not start a background worker; max_worker_processes may be too small",
				sizeof(inbox->error));
	}
	LWLockRelease(&lock->lock);
	if (!told)
		rtc_bg_worker_log_missing(worker_name);
}

/* Notes how much is in an inbox.  Returns whether a worker is missing. */
static bool
note_length(Oid dboid, int64 nentries)
{
	RtcInboxInfo *inbox;
	bool		missing = false;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	inbox = find(dboid);
	if (inbox == NULL && nentries > 0)
	{
		inbox = find(InvalidOid);
		if (inbox != NULL)
		{
			memset(inbox, 0, sizeof(*inbox));
			inbox->dboid = dboid;
		}
	}
	/* a worker tells as well, but not while it waits for a lock */
	if (inbox != NULL)
		inbox->nentries = nentries;
	if (inbox != NULL && inbox->pid == 0)
	{
		int64		now = rtc_clock_ms();

		inbox->nkept = Min(inbox->nkept, nentries);
		missing = nentries > 0 && inbox->start_at <= now;
		if (missing)
		{
			inbox->start_at = now + START_MS;
			inbox->leaves = false;
		}
	}
	LWLockRelease(&lock->lock);
	return missing;
}

/* Forgets the inboxes of databases that have no prefix any more. */
static void
forget_others(const Oid *dboids, int ndboids)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
	{
		RtcInboxInfo *inbox = &inboxes->inbox[i];
		bool		known = false;

		for (int j = 0; j < ndboids; j++)
			known |= dboids[j] == inbox->dboid;
		if (OidIsValid(inbox->dboid) && inbox->pid == 0 && !known)
			inbox->dboid = InvalidOid;
	}
	LWLockRelease(&lock->lock);
}

RtcConnResult
rtc_inbox_watch(RtcConn *conn)
{
	static int64 last_ms = 0;
	Oid			dboids[RTC_MAX_PREFIXES];
	int			ndboids = 0;
	int			nreplies;
	RtcReply   *replies;

	if (worker_name == NULL || !rtc_clock_is_due(&last_ms, WATCH_MS))
		return RTC_CONN_OK;

	rtc_prefix_lock(LW_SHARED);
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
	{
		const RtcPrefix *entry = &rtc_prefixes->entry[i];

		if (entry->state == RTC_PREFIX_READY)
			dboids[ndboids++] = entry->dboid;
	}
	rtc_prefix_unlock();
	forget_others(dboids, ndboids);
	if (ndboids == 0)
		return RTC_CONN_OK;

	for (int i = 0; i < ndboids; i++)
	{
		RtcPrefix	copy = {0};
		char		name[RTC_MAX_PREFIX_LEN + sizeof(RTC_INBOX_SUFFIX)];

		(void) rtc_prefix_copy(dboids[i], &copy);
		snprintf(name, sizeof(name), "%s%s", copy.prefix, RTC_INBOX_SUFFIX);
		rtc_conn_append_strings(conn, "XLEN", name, NULL);
	}
	replies = rtc_conn_exchange(conn, rtc_command_timeout, &nreplies);
	if (replies == NULL)
		return RTC_CONN_FAILED;
	for (int i = 0; i < Min(nreplies, ndboids); i++)
	{
		int64		n = replies[i].type == RTC_REPLY_INTEGER ? replies[i].integer : 0;

		if (note_length(dboids[i], n))
			start(dboids[i]);
	}
	return RTC_CONN_OK;
}
