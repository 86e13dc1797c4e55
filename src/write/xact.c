/*-------------------------------------------------------------------------
 *
 * xact.c
 *		The only transaction callbacks of rtcache.
 *
 * The protocol of commit is in this file: what is done when, and why in this
 * order.  docs/protocol.md tells what each step is good for.
 *
 * Model: called by the server in the backend that ends a (sub)transaction.
 * PRE_COMMIT and PRE_PREPARE are the last places where anything may be raised.
 * COMMIT and ABORT must not allocate, raise, look at catalogs or do I/O: an
 * error there would be a PANIC.  What they call is written for that.
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
#include "write/table_counts.h"
#include "write/xact.h"

static void before_commit(void);
static void committed(void);
static void prepared(void);
static void aborted(void);
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
			before_commit();
			rtc_commit_wait_arm();
			break;

		case XACT_EVENT_PRE_PREPARE:
			before_commit();
			/* the slot that keeps the stamps pending when we are gone */
			rtc_stamp_pre_prepare(GetTopTransactionId());
			RTC_INJECT("prepare_claimed");
			break;

		case XACT_EVENT_COMMIT:
			committed();
			break;

		case XACT_EVENT_PREPARE:
			prepared();
			break;

		case XACT_EVENT_ABORT:
			aborted();
			break;

		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* no ops are made in parallel mode */
			break;
	}
}

/*
 * PRE_COMMIT and PRE_PREPARE.  Callbacks behind ours may still add ops: these
 * go through the steps at once (oplist.c).
 */
static void
before_commit(void)
{
	/*
	 * Stamps go pending before the commit record can be seen: a reader that
	 * sees none pending has a snapshot and versions from before us, or from
	 * behind us.
	 */
	rtc_stamp_raise();
	RTC_INJECT("stamps_raised");

	/*
	 * Only now can be told who is interested in a tag: whoever registers from
	 * here on sees the stamps pending and stores nothing.
	 */
	rtc_oplist_add_tags();
	RTC_INJECT("tags_added");

	/*
	 * Ops go to WAL in front of the commit record, so that there is no commit
	 * without its ops, and the relay obeys no ops without their commit.
	 */
	rtc_oplist_write();
}

/*
 * COMMIT.  The transaction is visible, and flushed unless synchronous_commit is
 * off.  Its locks are still held, so the next writer of the same row comes
 * behind us.
 */
static void
committed(void)
{
	RTC_INJECT("commit_begins");

	/*
	 * LSNs and versions move, then pending falls.  Without ops in WAL there
	 * is nothing that Redis must have applied before readers believe it.
	 */
	rtc_stamp_commit(XactLastCommitEnd, rtc_oplist_is_logged());
	RTC_INJECT("commit_stamped");

	/* The relay applies it; whoever wants to waits when the locks are gone. */
	if (rtc_oplist_is_active())
	{
		rtc_queue_commit(XactLastCommitEnd);
		rtc_commit_wait_for(XactLastCommitEnd);
	}
	RTC_INJECT("commit_ends");
	rtc_table_counts_commit();
	rtc_oplist_reset();
}

/*
 * PREPARE.  The slot has the stamps, and keeps them pending until the relay
 * finds the transaction over.  The ops are in WAL under its xid.
 */
static void
prepared(void)
{
	RTC_INJECT("prepare_begins");
	rtc_stamp_prepare();
	RTC_INJECT("prepare_ends");
	rtc_table_counts_commit();
	rtc_oplist_reset();
}

/*
 * ABORT.  Nothing has changed, so pending falls and no version moves.
 */
static void
aborted(void)
{
	RTC_INJECT("abort_begins");
	rtc_commit_wait_forget();
	rtc_stamp_abort();
	rtc_table_counts_abort();
	rtc_oplist_reset();
}

/*
 * Ops of a subtransaction become those of its parent, or are forgotten.  Its
 * stamps stay: one too many costs a hit.
 */
static void
subxact_callback(SubXactEvent event, SubTransactionId mySubid,
				 SubTransactionId parentSubid, void *arg)
{
	int			nestlevel = GetCurrentTransactionNestLevel();

	switch (event)
	{
		case SUBXACT_EVENT_START_SUB:
			break;
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			/* the last place where ops may be written under its xid */
			rtc_oplist_pre_subcommit();
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			rtc_oplist_subcommit(nestlevel);
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			rtc_oplist_subabort(nestlevel);
			break;
	}
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
