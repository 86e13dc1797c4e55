/*-------------------------------------------------------------------------
 *
 * xact.c
 *		The only transaction callbacks of rtcache.
 *
 * What happens when, for a transaction that has ops or changes dependencies:
 *
 *		PRE_COMMIT	stamps go pending, the ops go to WAL.  The last place
 *		PRE_PREPARE	where anything may be raised.
 *		COMMIT		The commit is visible and flushed (or will be, with
 *					synchronous_commit off); its locks are still held, so
 *					the next writer of the same row comes behind us.  Stamps
 *					move, the relay is woken.
 *		(locks released)	With commit_wait, the backend waits for the relay.
 *		PREPARE		The stamps' prepared slot takes over.
 *		ABORT		Stamps are lowered, the ops forgotten.
 *
 * Model: COMMIT and ABORT must not allocate, raise, look at catalogs or do
 * I/O: an error there would be a PANIC.  What they call is written for that.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "utils/resowner.h"

#include "base/inject.h"
#include "dep/stamps.h"
#include "wal/queue.h"
#include "write/commit_wait.h"
#include "write/oplist.h"
#include "write/xact.h"

static void xact_callback(XactEvent event, void *arg);
static void subxact_callback(SubXactEvent event, SubTransactionId mySubid,
							 SubTransactionId parentSubid, void *arg);
static void release_callback(ResourceReleasePhase phase, bool isCommit,
							 bool isTopLevel, void *arg);

void
rtc_xact_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	RegisterResourceReleaseCallback(release_callback, NULL);
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			RTC_INJECT("flush_begins");
			rtc_oplist_flush();
			rtc_commit_wait_arm();
			break;

		case XACT_EVENT_PRE_PREPARE:
			rtc_oplist_flush();
			rtc_stamp_pre_prepare(GetTopTransactionId());
			RTC_INJECT("prepare_claimed");
			break;

		case XACT_EVENT_COMMIT:
			RTC_INJECT("commit_begins");
			/* with nothing for Redis to apply it need not catch up, either */
			rtc_stamp_commit(XactLastCommitEnd, rtc_oplist_is_logged());
			RTC_INJECT("commit_stamped");
			if (rtc_oplist_is_active())
			{
				rtc_queue_commit(XactLastCommitEnd);
				rtc_commit_wait_for(XactLastCommitEnd);
			}
			RTC_INJECT("commit_ends");
			rtc_oplist_reset();
			break;

		case XACT_EVENT_PREPARE:
			RTC_INJECT("prepare_begins");
			rtc_stamp_prepare();
			RTC_INJECT("prepare_ends");
			rtc_oplist_reset();
			break;

		case XACT_EVENT_ABORT:
			RTC_INJECT("abort_begins");
			rtc_commit_wait_forget();
			rtc_stamp_abort();
			rtc_oplist_reset();
			break;

		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* no ops are made in parallel mode */
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mySubid,
				 SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
		rtc_oplist_pre_subcommit();
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		rtc_oplist_subcommit(GetCurrentTransactionNestLevel());
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		rtc_oplist_subabort(GetCurrentTransactionNestLevel());
}

/*
 * The one moment of a commit that comes after its locks are released.
 */
static void
release_callback(ResourceReleasePhase phase, bool isCommit, bool isTopLevel,
				 void *arg)
{
	if (phase == RESOURCE_RELEASE_AFTER_LOCKS && isCommit && isTopLevel)
		rtc_commit_wait_now();
}
