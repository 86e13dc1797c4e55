/*-------------------------------------------------------------------------
 *
 * commit_wait.c
 *		COMMIT that waits until Redis has the change.
 *
 * With rtcache.commit_wait = applied, a transaction that has changed something
 * in the cache returns when the relay has applied it.  Whoever hears of the
 * commit then finds it in Redis.
 *
 * Waiting is done as for a synchronous standby (syncrep.c): a queue in the
 * order of LSNs, whose head the relay wakes after each batch.  So many waiters
 * share a round trip, and each is woken once.  Unlike there, the wait begins
 * after the locks are released.  The commit is visible by then anyhow, the
 * next writer of the row can share the batch, and an outage of Redis holds up
 * only those who asked to wait for it.
 *
 * The change is committed whatever happens here.  A timeout, a cancel or
 * termination ends the wait with a WARNING.  A cancel then has no further
 * effect, unless a statement goes on: a procedure that has committed ends at
 * its next step.  So it is with statement_timeout, which does not apply to a
 * COMMIT by itself.  The time that Redis has been away counts towards the
 * timeout: during an outage the first commits wait for
 * rtcache.commit_wait_timeout, and later ones are told at once.
 *
 * COMMIT PREPARED runs in a transaction that has changed nothing itself, and
 * no callback tells which transaction it commits.  A hook sees the statement,
 * which waits if any prepared transaction has changed something.
 *
 * Model: backends, at the end of a transaction, with interrupts held.  An
 * error after the commit would be a PANIC, so nothing raises.  Barriers of the
 * server (as of DROP DATABASE) are absorbed, because a wait may be long and
 * everybody is waited for.  A lock protects the queue; it is held for a few
 * pointers and, by the relay, for setting latches.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/relay_latch.h"
#include "compat.h"
#include "dep/stamps.h"
#include "guc.h"
#include "redis/prefix_table.h"
#include "stats.h"
#include "wal/queue.h"
#include "write/commit_wait.h"

/* How often to check whether Redis is still configured (ms). */
#define RTC_LOOK_MS		1000

/* How a wait ended. */
typedef enum WaitEnd
{
	END_APPLIED,				/* Redis has it */
	END_OFF,					/* Redis has been switched off */
	END_TIMEOUT,
	END_CANCEL,
	END_STATEMENT_TIMEOUT,
	END_TERMINATE,
	END_POSTMASTER_DEATH
} WaitEnd;

/* One process that waits. */
typedef struct RtcWaiter
{
	dlist_node	node;			/* in the queue */
	XLogRecPtr	lsn;			/* waits until Redis has this */
	Latch	   *latch;
	bool		queued;			/* node is in the queue */
} RtcWaiter;

typedef struct RtcWaiters
{
	pg_atomic_uint64 wait_lsn;	/* the newest LSN that anybody waits for */

	/* The lock protects the rest. */
	dlist_head	queue;			/* of RtcWaiter, by LSN */
	RtcWaiter	waiter[FLEXIBLE_ARRAY_MEMBER];	/* by number of the process */
} RtcWaiters;

static RtcWaiters *shared = NULL;
static LWLockPadded *lock = NULL;

static ProcessUtility_hook_type prev_utility_hook = NULL;

static bool armed = false;		/* the transaction wants to wait */
static XLogRecPtr wanted = InvalidXLogRecPtr;	/* for this */
static uint32 wait_event = 0;

static Size
compute_size(void)
{
	return add_size(offsetof(RtcWaiters, waiter),
					mul_size(MaxBackends, sizeof(RtcWaiter)));
}

static void
init(void)
{
	memset(shared, 0, compute_size());
	pg_atomic_init_u64(&shared->wait_lsn, InvalidXLogRecPtr);
	dlist_init(&shared->queue);
}

const RtcSharedRoom rtc_commit_wait_room = {
	.name = "rtcache_commit_wait",
	.place = &shared,
	.compute_size = compute_size,
	.locks = &lock,
	.nlocks = 1,
	.init = init
};

/* Enters the queue, which is ordered by LSN.  Most enter at its end. */
static void
join_queue(XLogRecPtr lsn)
{
	RtcWaiter  *self = &shared->waiter[my_proc_number_compat()];
	dlist_node *behind = &shared->queue.head;

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	self->lsn = lsn;
	self->latch = MyLatch;
	self->queued = true;
	if (!dlist_is_empty(&shared->queue))
		for (behind = dlist_tail_node(&shared->queue);
			 dlist_container(RtcWaiter, node, behind)->lsn > lsn;)
		{
			if (!dlist_has_prev(&shared->queue, behind))
			{
				behind = &shared->queue.head;
				break;
			}
			behind = dlist_prev_node(&shared->queue, behind);
		}
	dlist_insert_after(behind, &self->node);
	LWLockRelease(&lock->lock);
}

static void
leave_queue(void)
{
	RtcWaiter  *self = &shared->waiter[my_proc_number_compat()];

	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	if (self->queued)
		dlist_delete(&self->node);
	self->queued = false;
	LWLockRelease(&lock->lock);
}

void
rtc_commit_wait_wake(XLogRecPtr applied)
{
	LWLockAcquire(&lock->lock, LW_EXCLUSIVE);
	while (!dlist_is_empty(&shared->queue))
	{
		RtcWaiter  *first = dlist_head_element(RtcWaiter, node,
											   &shared->queue);

		if (first->lsn > applied)
			break;
		dlist_delete(&first->node);
		first->queued = false;
		SetLatch(first->latch);
	}
	LWLockRelease(&lock->lock);
}

void
rtc_hurry_relay(XLogRecPtr lsn)
{
	rtc_raise_lsn(&shared->wait_lsn, lsn);
	rtc_wake_relay();
}

bool
rtc_somebody_waits(void)
{
	return pg_atomic_read_u64(&shared->wait_lsn) > rtc_queue_applied();
}

bool
rtc_is_applied(XLogRecPtr lsn)
{
	return rtc_queue_is_applied(lsn) && !rtc_prefix_is_clearing(lsn);
}

/*
 * Ends the wait because of a cancel.  The cancel stays pending if a statement
 * goes on; if none does, it would cancel the next statement of the query
 * string.
 */
static WaitEnd
take_cancel(void)
{
	if (ActivePortal == NULL)
	{
		QueryCancelPending = false;
		return END_CANCEL;
	}
	return get_timeout_indicator(STATEMENT_TIMEOUT, false) ?
		END_STATEMENT_TIMEOUT : END_CANCEL;
}

/* Calls a function and swallows what it raises; false = it has raised. */
static bool
call_quietly(void (*function) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	uint32		cancel_holdoff = QueryCancelHoldoffCount;
	volatile bool done = false;

	PG_TRY();
	{
		function(arg);
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		InterruptHoldoffCount = holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
	}
	PG_END_TRY();
	return done;
}

/*
 * Does what a barrier asks for.  It is safe: locks are released, relations and
 * buffers are closed, and files that a barrier closes are opened again on
 * demand.  What fails is left to the next CHECK_FOR_INTERRUPTS().
 */
static void
absorb_barrier(void *arg)
{
	ProcessProcSignalBarrier();
}

/* How long to wait, in ms; -1 = forever.  An outage of Redis counts. */
static long
patience(void)
{
	int64		down_since = rtc_queue_down_since();
	int64		used = 0;

	if (rtc_commit_wait_timeout == 0)
		return -1;
	if (down_since != 0)
		used = rtc_clock_ms() - down_since;
	return Max(rtc_commit_wait_timeout - used, 0);
}

static WaitEnd
wait_until_applied(XLogRecPtr lsn)
{
	int64		deadline;
	WaitEnd		end;
	long		timeout;
	bool		absorb = true;

	if (rtc_is_applied(lsn))
		return END_APPLIED;
	timeout = patience();
	if (timeout == 0)
		return END_TIMEOUT;
	deadline = rtc_deadline_in(Max(timeout, 0));

	/* the relay finds us in the queue if it applies the LSN from here on */
	join_queue(lsn);
	RTC_INJECT("wait_queued");
	rtc_hurry_relay(lsn);
	for (;;)
	{
		long		left = RTC_LOOK_MS;
		int			rc;

		/* Must reset the latch before testing state. */
		ResetLatch(MyLatch);
		if (rtc_is_applied(lsn))
		{
			end = END_APPLIED;
			break;
		}

		/*
		 * As in SyncRepWaitForLSN(): we can neither raise an error, for the
		 * transaction is committed, nor go on as if nothing were wrong.
		 * ProcDiePending stays: the process ends when it has cleaned up.
		 */
		if (ProcDiePending)
		{
			end = END_TERMINATE;
			break;
		}
		if (QueryCancelPending)
		{
			end = take_cancel();
			break;
		}
		if (ProcSignalBarrierPending && absorb)
			absorb = call_quietly(absorb_barrier, NULL);
		if (!rtc_queue_is_on())
		{
			end = END_OFF;
			break;
		}
		if (timeout > 0)
		{
			left = rtc_deadline_left(deadline);
			if (left <= 0)
			{
				end = END_TIMEOUT;
				break;
			}
			left = Min(left, RTC_LOOK_MS);
		}

		/* Not WL_EXIT_ON_PM_DEATH, which would try to abort what is over. */
		rc = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH,
					   left, wait_event);
		if (rc & WL_POSTMASTER_DEATH)
		{
			ProcDiePending = true;
			whereToSendOutput = DestNone;
			end = END_POSTMASTER_DEATH;
			break;
		}
	}
	RTC_INJECT("wait_over");
	leave_queue();
	return end;
}

/* Tells how the wait (WaitEnd) has ended in vain. */
static void
warn(void *arg)
{
	WaitEnd		end = *(WaitEnd *) arg;

	/* no context: its callbacks do not expect to be called here */
	error_context_stack = NULL;
	if (end == END_TERMINATE)
		ereport(WARNING,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("canceling the wait for Redis and terminating connection due to administrator command"),
				 errdetail("The transaction has already committed, but Redis might not have it yet.")));
	else
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 end == END_CANCEL
				 ? errmsg("canceling wait for Redis due to user request")
				 : end == END_STATEMENT_TIMEOUT
				 ? errmsg("canceling wait for Redis due to statement timeout")
				 : errmsg("Redis does not have the transaction within \"rtcache.commit_wait_timeout\""),
				 errdetail("The transaction has already committed, but Redis might not have it yet.")));
}

/* The setting at commit counts, as with synchronous_commit. */
void
rtc_commit_wait_arm(void)
{
	armed = rtc_commit_wait == RTC_COMMIT_WAIT_APPLIED &&
		rtc_preloaded && RtcRedisConfigured();
	if (armed && wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheCommitWait");
}

void
rtc_commit_wait_for(XLogRecPtr lsn)
{
	wanted = Max(wanted, lsn);
}

void
rtc_commit_wait_forget(void)
{
	armed = false;
	wanted = InvalidXLogRecPtr;
}

void
rtc_commit_wait_now(void)
{
	XLogRecPtr	lsn = wanted;
	bool		wait = armed && !XLogRecPtrIsInvalid(lsn);
	WaitEnd		end;

	rtc_commit_wait_forget();
	if (!wait || !rtc_queue_is_on())
		return;

	/* Redis gets what is flushed; with synchronous_commit off it is not. */
	RTC_INJECT("wait_begins");
	XLogFlush(lsn);
	rtc_stat_inc(RTC_STAT_COMMIT_WAITS);
	end = wait_until_applied(lsn);
	if (end == END_APPLIED || end == END_OFF || end == END_POSTMASTER_DEATH)
		return;

	/* ereport() may be out of memory, and a hook of the log may raise, too */
	rtc_stat_inc(RTC_STAT_COMMIT_WAITS_GIVEN_UP);
	(void) call_quietly(warn, &end);
}

/*
 * Notices COMMIT PREPARED.  The transaction that runs it ends next, and waits
 * for the prepared one.
 */
static void
watch_utility(PlannedStmt *pstmt, const char *queryString,
			  bool readOnlyTree, ProcessUtilityContext context,
			  ParamListInfo params, QueryEnvironment *queryEnv,
			  DestReceiver *dest, QueryCompletion *qc)
{
	bool		concerns_us = false;

	if (IsA(pstmt->utilityStmt, TransactionStmt) &&
		((TransactionStmt *) pstmt->utilityStmt)->kind == TRANS_STMT_COMMIT_PREPARED)
		concerns_us = rtc_stamp_prepared();

	if (prev_utility_hook)
		prev_utility_hook(pstmt, queryString, readOnlyTree, context, params,
						  queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);

	/* the end of the commit record, or of what this one wrote behind it */
	if (concerns_us)
		rtc_commit_wait_for(XactLastRecEnd);
}

void
rtc_commit_wait_init(void)
{
	prev_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
}
