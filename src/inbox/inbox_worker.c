/*-------------------------------------------------------------------------
 *
 * inbox_worker.c
 *		The background worker "rtcache inbox": its life, its loop, its waits.
 *
 * There is one for each database whose inbox in Redis has entries; the relay sees
 * that and starts it (relay/inbox_watch.c).  It applies them (inbox_step.c) and
 * ends when its database has no rule that lets anything be written behind, when
 * there has been nothing in the inbox for a minute, or when somebody wants the
 * database for himself: DROP DATABASE and its kin lock it, which the worker looks
 * for each second, and between two batches.
 *
 * While Redis is away it waits, longer each time.
 *
 * Signals: SIGTERM ends it, by the server's die(), SIGINT cancels what it does,
 * SIGHUP reloads.
 *
 * Model: a process of its own, as superuser, and as the owner of a table while it
 * writes to that.  An error outside of what inbox_step.c expects undoes the
 * transaction, and is tried again after a while.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/bg_worker.h"
#include "base/clock.h"
#include "base/inject.h"
#include "compat.h"
#include "ddl/databases.h"
#include "guc.h"
#include "inbox/inbox_state.h"
#include "inbox/inbox_target.h"
#include "inbox/inbox_worker.h"
#include "redis/hint.h"

#define WORKER_NAME		"rtcache inbox"

/* Ends when there has been nothing in the inbox for so long (ms). */
#define IDLE_MS			60000

/* How long nobody starts the next one, by the reason for which it ends (ms). */
#define PAUSE_ERROR		1000	/* an error, a signal, Redis was switched off */
#define PAUSE_WANTED	2000	/* the database is wanted by somebody else */
#define PAUSE_NO_RULE	30000	/* no rule lets anything be written behind */

/* Waits (ms). */
#define WAIT_RELAY		200		/* for the relay */
#define WAIT_ENTRIES	1000	/* for entries, which wake us */
#define BACKOFF_MIN		200		/* after trouble, */
#define BACKOFF_MAX		15000	/* twice as long each time */

static int64 pause_ms = PAUSE_ERROR;
static volatile sig_atomic_t told_to_end = false;

/* SIGTERM */
static void
end(SIGNAL_ARGS)
{
	told_to_end = true;
	die(postgres_signal_arg);
}

static void
at_exit(int code, Datum arg)
{
	/* that we are not connected is no fault of the database then */
	if (told_to_end)
		rtc_inbox_connected(DatumGetObjectId(arg));
	rtc_inbox_end(DatumGetObjectId(arg), pause_ms);
}

void
rtc_inbox_init(void)
{
	rtc_inbox_set_worker(WORKER_NAME, CppAsString(rtc_inbox_main));
	rtc_databases_on_leave(rtc_inbox_leave);
}

/* False = this worker is not wanted. */
static bool
set_up(Oid dboid)
{
	pqsignal(SIGTERM, end);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	RTC_INJECT("inbox_comes");
	if (!rtc_inbox_begin(dboid))
		return false;
	/* runs when the process is no longer connected to the database */
	on_shmem_exit(at_exit, ObjectIdGetDatum(dboid));
	pause_ms = 0;				/* it is as rtc_inbox_begin() has set it */
	RTC_INJECT("inbox_begins");
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	rtc_inbox_connected(dboid);
	pause_ms = PAUSE_ERROR;
	rtc_bg_worker_pin_settings(WORKER_NAME);
	rtc_bg_worker_pin("search_path", "");
	rtc_bg_worker_pin("session_replication_role", "origin");
	rtc_bg_worker_pin("rtcache.commit_wait", "off");
	return true;
}

/* Does somebody wait who wants the database for himself? */
static bool
is_wanted(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	(void) LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

/* Is there a rule that lets something be written behind? */
static bool
has_rules(void)
{
	bool		has;

	StartTransactionCommand();
	has = rtc_inbox_has_targets();
	CommitTransactionCommand();
	return has;
}

/* Must this worker end? */
static bool
must_end(int64 idle_since)
{
	if (!RtcRedisConfigured() || RecoveryInProgress())
		return true;
	if (is_wanted())
		pause_ms = PAUSE_WANTED;
	else if (!has_rules())
		pause_ms = PAUSE_NO_RULE;
	else if (idle_since == 0 || rtc_clock_ms() - idle_since < IDLE_MS)
		return false;
	return true;
}

static void
wait(int64 ms)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheInboxMain");
	if (ms > 0)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ms, wait_event);
		ResetLatch(MyLatch);
	}
}

/* One step, whatever comes of it; if there is nothing to do, waits for entries. */
static RtcInboxStep
step(RtcInbox *inbox)
{
	volatile RtcInboxStep result = RTC_INBOX_TROUBLE;
	volatile bool waits = false;

	MemoryContextReset(inbox->work);
	MemoryContextSwitchTo(inbox->work);
	PG_TRY();
	{
		result = inbox->is_open ? rtc_inbox_work(inbox) : rtc_inbox_start(inbox);
		if (result == RTC_INBOX_NOTHING)
		{
			waits = true;
			pgstat_report_stat(true);
			pgstat_report_activity(STATE_IDLE, NULL);
			result = rtc_inbox_wait_for_more(inbox, WAIT_ENTRIES);
		}
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(inbox->work);
		HOLD_INTERRUPTS();
		QueryCancelPending = false;
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(inbox->work);
		inbox->is_open = false;
		/* a wait that is cancelled is no trouble */
		result = RTC_INBOX_WAIT;
		if (!waits || error->sqlerrcode != ERRCODE_QUERY_CANCELED)
		{
			inbox->tries++;
			result = rtc_inbox_trouble(inbox, "could not apply entries", error->message);
		}
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(TopMemoryContext);
	return result;
}

/* Waits, but not longer than nobody wants the database for himself. */
static void
wait_wanted(int64 ms)
{
	int64		until = rtc_deadline_in(ms);

	pgstat_report_activity(STATE_IDLE, NULL);
	while (rtc_deadline_left(until) > 0)
	{
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending || is_wanted())
			break;
		wait(Min(rtc_deadline_left(until), WAIT_ENTRIES));
	}
}

/* Waits until there may be something to do again. */
static void
wait_after(RtcInbox *inbox, RtcInboxStep result, int *backoff)
{
	switch (result)
	{
		case RTC_INBOX_STARTED:
			break;
		case RTC_INBOX_MORE:
		case RTC_INBOX_NOTHING:
			*backoff = 0;
			break;
		case RTC_INBOX_FEW:
			*backoff = 0;
			wait_wanted(rtc_inbox_delay);
			break;
		case RTC_INBOX_WAIT:
			wait(WAIT_RELAY);
			break;
		case RTC_INBOX_TROUBLE:
			*backoff = *backoff == 0 ? BACKOFF_MIN : Min(2 * *backoff, BACKOFF_MAX);
			wait_wanted(*backoff);
			break;
	}
}

void
rtc_inbox_main(Datum arg)
{
	RtcInbox   *inbox;
	int			backoff = 0;
	int64		idle_since = 0;

	if (!set_up(DatumGetObjectId(arg)))
		return;
	inbox = MemoryContextAllocZero(TopMemoryContext, sizeof(RtcInbox));
	inbox->work = AllocSetContextCreate(TopMemoryContext, "rtcache inbox",
										ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		RtcInboxStep result;

		/* between two steps there is nothing to cancel */
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();
		if (must_end(idle_since))
			break;
		pgstat_report_activity(STATE_RUNNING, "applying what was written behind");
		result = step(inbox);
		if (result != RTC_INBOX_NOTHING || inbox->info.nentries > 0)
			idle_since = 0;
		else if (idle_since == 0)
			idle_since = rtc_clock_ms();
		wait_after(inbox, result, &backoff);
	}
}
