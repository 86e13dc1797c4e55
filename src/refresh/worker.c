/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The background worker "rtcache refresh": its life, its loop, its waits.
 *
 * It is started when there is work for a database (base/work.c), connects to that,
 * does what waits, and ends when there has been nothing for a minute, or when it
 * is told to make room.  The table "duties" says which function does which kind of
 * work, and whether its time counts (load.c).
 *
 * Work that ends in an error is dropped and counted.  It is not tried again; whoever
 * looks the answer up next computes it, and gets the error that there is.
 *
 * Signals: SIGTERM ends it by the server's die(), SIGINT cancels what it does,
 * SIGHUP reloads.
 *
 * Model: a process of its own, as superuser until it becomes somebody else; each
 * piece of work is a transaction, or several.  It waits on MyLatch.  An error
 * outside of work ends it; it is started again when there is work.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#include "base/bg_worker.h"
#include "base/clock.h"
#include "base/inject.h"
#include "base/opened.h"
#include "base/work.h"
#include "compat.h"
#include "dep/watched.h"
#include "guc.h"
#include "refresh/ask.h"
#include "refresh/hot_file.h"
#include "refresh/load.h"
#include "refresh/warm_start.h"
#include "refresh/warm_work.h"
#include "refresh/worker.h"
#include "stats.h"

#define WORKER_NAME		"rtcache refresh"

/* Ends when there has been no work for so long (ms). */
#define IDLE_MS			60000

/*
 * The same after work that does not come often: nobody who wants the database for
 * himself, and waits for others to leave, is to wait in vain.
 */
#define BRIEF_IDLE_MS	1000

/* Who does a kind of work. */
typedef struct Duty
{
	void		(*run) (const RtcWork *work);	/* in no transaction, which it
												 * begins and ends; may raise;
												 * NULL = nobody does it yet */
	bool		counts;			/* its time is limited by rtcache.refresh_load */
} Duty;

static void
ask(const RtcWork *work)
{
	(void) rtc_ask_again(work);
}

static void
save(const RtcWork *work)
{
	rtc_hot_file_write();
}

static const Duty duties[RTC_WORK_NKINDS] = {
	[RTC_WORK_ASK] = {.run = ask,.counts = true},
	[RTC_WORK_WARM_RELATION] = {.run = rtc_warm_relation},
	[RTC_WORK_WARM_DATABASE] = {.run = rtc_warm_database},
	[RTC_WORK_WARM_START] = {.run = rtc_warm_start_next,.counts = true},
	[RTC_WORK_SAVE] = {.run = save},
};

void
rtc_refresh_init(void)
{
	rtc_work_set_worker(WORKER_NAME, CppAsString(rtc_refresh_main));
	rtc_opened_call(rtc_warm_start);
}

/*
 * Connects to the database that has work.  False = it is not needed.
 */
static bool
set_up(Datum arg)
{
	Oid			dboid;

	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	dboid = rtc_work_begin(arg);
	if (!OidIsValid(dboid))
		return false;
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	rtc_work_connected();
	rtc_bg_worker_pin_settings(WORKER_NAME);
	rtc_bg_worker_pin("rtcache.enabled", "on");
	rtc_bg_worker_pin("rtcache.refresh_after_write", "off");
	rtc_bg_worker_pin("rtcache.refresh_ahead", "0");
	pgstat_report_activity(STATE_IDLE, NULL);
	return true;
}

/*
 * Lets go of an error: it is for nobody but who looks for it in the log.
 */
static void
drop_error(MemoryContext context)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	/* the end of a transaction does so, but there may be none */
	LWLockReleaseAll();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	rtc_stat_inc(RTC_STAT_REFRESHES_FAILED);
	ereport(DEBUG1,
			(errcode(error->sqlerrcode),
			 errmsg("rtcache refresh: %s", error->message),
			 error->detail == NULL ? 0 : errdetail("%s", error->detail),
			 error->context == NULL ? 0 : (errcontext("%s", error->context))));
	RESUME_INTERRUPTS();
}

/* Does one piece of work. */
static void
do_work(const RtcWork *work, MemoryContext context)
{
	MemoryContext top = MemoryContextSwitchTo(context);
	int64		begun_us = rtc_clock_us();

	/* which pg_stat_activity shows */
	SetCurrentStatementStartTimestamp();
	PG_TRY();
	{
		duties[work->kind].run(work);
	}
	PG_CATCH();
	{
		drop_error(context);
	}
	PG_END_TRY();

	/* what code of users may leave in a session */
	LockReleaseAll(USER_LOCKMETHOD, true);
	if (duties[work->kind].counts)
		rtc_load_add(rtc_clock_us() - begun_us);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(top);
	MemoryContextReset(context);
}

/* The kinds of work that may be done now, and how long until all may (ms). */
static uint32
kinds_now(int64 *wait_ms)
{
	uint32		kinds = 0;

	*wait_ms = rtc_load_wait_ms();
	for (int i = 0; i < RTC_WORK_NKINDS; i++)
		if (duties[i].run != NULL && (!duties[i].counts || *wait_ms == 0))
			kinds |= RTC_WORK_KIND(i);
	return kinds;
}

void
rtc_refresh_main(Datum arg)
{
	static RtcWork work;
	MemoryContext context;
	uint32		wait_event;
	int64		idle_deadline = rtc_deadline_in(BRIEF_IDLE_MS);
	int64		idle_ms;
	int64		wait_ms;

	if (!set_up(arg))
		return;
	wait_event = WaitEventExtensionNew_compat("RtcacheRefreshMain");
	context = AllocSetContextCreate(TopMemoryContext, "rtcache refresh",
									ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		/* between two pieces of work there is nothing to cancel */
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();
		rtc_watched_gather();
		if (rtc_work_must_end())
			break;
		if (rtc_work_next(&work, kinds_now(&wait_ms)))
		{
			RTC_INJECT("work_taken");
			do_work(&work, context);
			idle_deadline = Max(idle_deadline,
								rtc_deadline_in(duties[work.kind].counts ?
												IDLE_MS : BRIEF_IDLE_MS));
			continue;
		}
		/* what waits for its share of the time is work, too */
		if (rtc_work_waits() || rtc_warm_start_resume())
		{
			if (wait_ms == 0)
				continue;
			idle_deadline = rtc_deadline_in(IDLE_MS);
		}
		idle_ms = rtc_deadline_left(idle_deadline);
		if (idle_ms == 0)
			break;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms > 0 ? Min(wait_ms, idle_ms) : idle_ms,
						 wait_event);
		ResetLatch(MyLatch);
	}
	rtc_work_end();
}
