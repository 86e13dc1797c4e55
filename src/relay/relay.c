/*-------------------------------------------------------------------------
 *
 * relay.c
 *		The background worker: its life, its loop, its waits.
 *
 * One worker for the whole server, connected to no database: it blocks no DROP
 * DATABASE, holds no snapshot and needs no table.  It is connected at all to have
 * a place in the array of processes.  Without one, TransactionIdIsInProgress()
 * and ReplicationSlotRelease() take somebody else's for ours.
 *
 * On a standby it waits for a promotion, and keeps the replication slot within
 * bounds if there is one.  And it tells sessions where Redis is: the name in
 * rtcache.redis_url must be resolved by somebody, and a session must not do it,
 * since nothing can cancel the resolver.  So the relay keeps a connection, and
 * shares the numeric address that answered.  When that connection breaks, Redis
 * may have moved, and the relay resolves the name anew.
 *
 * On a primary it
 *
 *		- opens the gate of the caches after a start, when no transaction
 *		  from before can still commit unnoticed;
 *		- settles prepared transactions;
 *		- keeps the replication slot, and drops it when there is no Redis;
 *		- decides whether ops go to WAL at all (queue.c);
 *		- sees to it that work which waits gets a worker (base/work.c);
 *		- connects to Redis, with back-off, and lets stream.c work.
 *
 * Signals: SIGTERM ends it by the server's die(), at the next
 * CHECK_FOR_INTERRUPTS, with exit code 1, so that it is restarted unless the
 * server stops.  SIGHUP reloads.  SIGINT does nothing, since there is no query
 * to cancel.  SIGUSR1 is left to the server: the relay waits on MyLatch only, and
 * absorbs ProcSignalBarriers and invalidation messages.
 *
 * Model: an ERROR ends the process; the postmaster starts a new one after
 * RTC_RESTART_SECONDS.  What it leaves in shared memory is made safe by
 * at_exit(): lookups stay away from Redis.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/opened.h"
#include "base/relay_latch.h"
#include "base/work.h"
#include "compat.h"
#include "dep/stamps.h"
#include "dep/watched.h"
#include "guc.h"
#include "redis/conn.h"
#include "redis/connect.h"
#include "redis/hint.h"
#include "redis/trust.h"
#include "relay/closed.h"
#include "relay/prefix.h"
#include "relay/relay.h"
#include "relay/status.h"
#include "relay/stream.h"
#include "wal/queue.h"
#include "wal/slot.h"
#include "write/commit_wait.h"

#ifndef RTC_RESTART_SECONDS
#define RTC_RESTART_SECONDS	5
#endif

/* Back-off between attempts to connect (ms); jitter comes on top. */
#define RTC_BACKOFF_MIN		200
#define RTC_BACKOFF_MAX		30000
#define RTC_BACKOFF_FENCED	3000	/* who is in charge may have gone */
#define RTC_BACKOFF_LEARNED 50	/* something else is tried next */

/* How long to wait when nothing wakes us (ms). */
#define RTC_WAIT_IDLE		1000
#define RTC_WAIT_UNFLUSHED	10	/* an asynchronous commit, until flushed */
#define RTC_WAIT_INVISIBLE	2	/* a commit, until it is visible; */
#define RTC_WAIT_INVISIBLE_MAX	50	/* a standby may be away */
#define RTC_WAIT_TRANSACTIONS 50	/* for transactions to end */
#define RTC_WAIT_STANDBY	200 /* for a promotion, which wakes nobody */

/* On a standby, Redis is tried again so much later after a failure (ms). */
#define RTC_STANDBY_RETRY	1000

/* A commit that is not visible for so long is worth telling of (ms). */
#define RTC_TELL_INVISIBLE	100

/* Slot and position upkeep (ms). */
#define RTC_UPKEEP_INTERVAL	1000

/* All that this process knows; the stream has the rest. */
typedef struct RtcRelay
{
	RtcStream  *stream;
	uint32		wait_event;

	/* what this process was told last */
	char	   *url_in_use;
	char	   *prefix_in_use;

	int64		retry_at;		/* deadline of the next attempt to connect */
	int			backoff;		/* ms */
	char		said[RTC_ERROR_LEN];	/* the trouble that the log knows of */

	FullTransactionId gate_xid; /* the gate opens when all older ones are over */
	int			nprepared;		/* prepared transactions not settled */
	int64		kept_up_ms;		/* when upkeep() was done last; monotonic */

	XLogRecPtr	invisible_lsn;	/* the reader stands behind a commit that is
								 * not visible */
	int64		invisible_since;	/* since then; monotonic, 0 = it is */
} RtcRelay;

static RtcRelay *set_up(void);
static void stand_by(RtcRelay *r);
static void keep_address(RtcRelay *r);
static void reload(RtcRelay *r);
static void at_exit(int code, Datum arg);
static void absorb_invalidations(void);
static void follow_settings(RtcRelay *r);
static bool has_changed(char **in_use, const char *setting);
static void open_gate(RtcRelay *r);
static void upkeep(RtcRelay *r);
static RtcStreamResult work(RtcRelay *r);
static RtcStreamResult try_connect(RtcRelay *r);
static void went_down(RtcRelay *r);
static void wait(RtcRelay *r, RtcStreamResult result);
static long invisible_timeout(RtcRelay *r);
static void linger(RtcRelay *r);
static long idle_timeout(RtcRelay *r);

void
rtc_relay_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "rtcache relay");
	snprintf(worker.bgw_type, BGW_MAXLEN, "rtcache relay");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = RTC_RESTART_SECONDS;
	snprintf(worker.bgw_library_name, MAXPGPATH, RTC_NAME);
	snprintf(worker.bgw_function_name, BGW_MAXLEN,
			 CppAsString(rtc_relay_main));
	RegisterBackgroundWorker(&worker);
}

void
rtc_relay_main(Datum arg)
{
	RtcRelay   *r = set_up();
	RtcStreamResult result;

	if (RecoveryInProgress())
		stand_by(r);
	/* no transaction has an xid before recovery is over */
	r->gate_xid = ReadNextFullTransactionId();
	rtc_relay_set_state(RTC_RELAY_CONNECTING);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		absorb_invalidations();
		follow_settings(r);
		open_gate(r);
		upkeep(r);
		rtc_watched_gather();
		rtc_work_tend();

		if (!RtcRedisConfigured())
			result = RTC_STREAM_DOWN;
		else if (rtc_stream_is_connected(r->stream))
			result = work(r);
		else
			result = try_connect(r);
		wait(r, result);
	}
}

/* Makes a signal do nothing; SIG_IGN is of another type from 19 on. */
static void
ignore(SIGNAL_ARGS)
{
}

/*
 * Installs die() before signals are let in: the default of workers would raise
 * inside the handler.
 */
static RtcRelay *
set_up(void)
{
	RtcRelay   *r;

	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, ignore);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "rtcache relay");
	MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext,
												"rtcache relay",
												ALLOCSET_DEFAULT_SIZES));
	r = palloc0(sizeof(RtcRelay));
	r->stream = rtc_stream_create();
	r->wait_event = WaitEventExtensionNew_compat("RtcacheRelayMain");
	before_shmem_exit(at_exit, PointerGetDatum(r));

	RTC_INJECT("relay_starts");
	rtc_relay_started();
	rtc_relay_latch_own();
	return r;
}

/*
 * Waits for the end of recovery.  Nobody else bounds what a slot keeps that is
 * left from when this server was a primary.
 */
static void
stand_by(RtcRelay *r)
{
	uint32		wait_event = WaitEventExtensionNew_compat("RtcacheRelayStandby");

	rtc_relay_set_state(RTC_RELAY_STANDBY);
	do
	{
		CHECK_FOR_INTERRUPTS();
		absorb_invalidations();
		reload(r);
		if (RtcRedisConfigured())
			rtc_slot_hold();
		else
			rtc_slot_drop();
		keep_address(r);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RTC_WAIT_STANDBY, wait_event);
		ResetLatch(MyLatch);
	} while (RecoveryInProgress());
	rtc_relay_lost();
	rtc_stream_disconnect(r->stream);

	/* now there is a timeline, and settings are followed from the beginning */
	rtc_relay_started();
	r->url_in_use = NULL;
	r->retry_at = 0;
	r->said[0] = '\0';
}

/*
 * Connects to Redis, unless that has been done and the connection still stands,
 * and tells sessions its address.  Blocks for rtcache.connect_timeout, and for as
 * long as the resolver takes.
 */
static void
keep_address(RtcRelay *r)
{
	RtcConn    *conn = r->stream->conn;
	const char *error;

	if (has_changed(&r->url_in_use, rtc_redis_url))
	{
		rtc_conn_close(conn);
		r->retry_at = 0;
	}
	if (rtc_conn_check(conn))
		return;
	rtc_relay_lost();
	if (!RtcRedisConfigured() || rtc_deadline_left(r->retry_at) > 0)
		return;
	r->retry_at = rtc_deadline_in(RTC_STANDBY_RETRY);
	if (rtc_conn_open(conn, NULL) == RTC_CONN_OK)
	{
		rtc_relay_connected(rtc_conn_peer(conn));
		return;
	}
	error = rtc_conn_error(conn);
	rtc_relay_note_error(error);
	if (strcmp(r->said, error) == 0)
		return;
	strlcpy(r->said, error, sizeof(r->said));
	ereport(LOG,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("rtcache cannot reach Redis from this standby: %s",
					error)));
}

/*
 * Reloads the configuration if told to.
 */
static void
reload(RtcRelay *r)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	/* maybe a new password or address was missing */
	r->retry_at = 0;
	r->backoff = 0;
	r->said[0] = '\0';
	rtc_closed_retry();
}

/*
 * Leaves shared memory such that nobody trusts Redis or waits for the relay.
 */
static void
at_exit(int code, Datum arg)
{
	rtc_relay_latch_disown();
	rtc_queue_linger(false);
	rtc_slot_advance(InvalidXLogRecPtr, rtc_queue_applied());
	rtc_stream_disconnect(((RtcRelay *) DatumGetPointer(arg))->stream);
	rtc_relay_stopped();
	rtc_queue_broadcast();
}

/*
 * Drops the invalidation messages that have piled up for this process.
 */
static void
absorb_invalidations(void)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (!catchupInterruptPending)
		return;
	/* by a transaction, since we are in none */
	ProcessCatchupInterrupt();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/*
 * Reloads the configuration if told to, and acts on what has changed.
 */
static void
follow_settings(RtcRelay *r)
{
	bool		first = r->prefix_in_use == NULL;

	reload(r);
	if (has_changed(&r->url_in_use, rtc_redis_url))
	{
		rtc_stream_disconnect(r->stream);
		rtc_relay_set_state(RtcRedisConfigured() ? RTC_RELAY_CONNECTING
							: RTC_RELAY_OFF);
		if (RtcRedisConfigured())
			rtc_queue_turn_on();
		else
		{
			if (rtc_queue_turn_off())
				ereport(LOG,
						(errmsg("\"rtcache.redis_url\" is empty: changes are no longer queued")));
			rtc_slot_drop();
		}
	}
	if (has_changed(&r->prefix_in_use, rtc_key_prefix) && !first)
	{
		rtc_redis_close();
		rtc_prefix_register_again(RTC_PREFIX_FREE);
	}
}

/*
 * Has a setting changed since the last call?
 */
static bool
has_changed(char **in_use, const char *setting)
{
	if (*in_use != NULL && strcmp(*in_use, setting) == 0)
		return false;
	if (*in_use != NULL)
		pfree(*in_use);
	*in_use = pstrdup(setting);
	return true;
}

/*
 * Opens the caches when every transaction from before the start is over.  Only
 * prepared ones survive a restart, and nobody stamps what they wrote: lookups
 * would not notice their commit.
 */
static void
open_gate(RtcRelay *r)
{
	if (rtc_gate_is_open())
		return;
	if (TransactionIdPrecedes(GetOldestActiveTransactionId_compat(),
							  XidFromFullTransactionId(r->gate_xid)))
		return;

	/* what they committed has no stamp: Redis must have it first */
	rtc_stream_fall_behind(r->stream);
	RTC_INJECT("gate_opens");
	rtc_gate_open();
	rtc_opened();
	ereport(DEBUG1, (errmsg_internal("rtcache: gate is open")));
}

/* Does what has to be done now and then, connected or not. */
static void
upkeep(RtcRelay *r)
{
	XLogRecPtr	restart = rtc_stream_restart(r->stream);
	bool		due = rtc_clock_is_due(&r->kept_up_ms, RTC_UPKEEP_INTERVAL);
	const char *problem = "";

	/* the stream settles what it sees in WAL */
	if (r->nprepared > 0 || due)
		r->nprepared = rtc_stamp_settle(InvalidTransactionId,
										InvalidXLogRecPtr);

	if (!due || !RtcRedisConfigured())
		return;
	if (rtc_slot_ensure(&problem))
		rtc_slot_advance(restart, rtc_queue_applied());
	if (rtc_stream_is_connected(r->stream))
		rtc_lag_keep(restart);
	if (rtc_relay_note_slot(problem) && problem[0] != '\0')
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rtcache has no replication slot: %s", problem),
				 errdetail("WAL may be removed before it is applied; the cache in Redis is then cleared.")));
}

static RtcStreamResult
work(RtcRelay *r)
{
	RtcStreamResult result = rtc_stream_work(r->stream);

	/* Redis does what it is told, so the next trouble is news */
	if (r->stream->proven)
	{
		r->backoff = 0;
		if (!r->stream->suspect->searching)
			r->said[0] = '\0';
	}
	if (result == RTC_STREAM_DOWN)
	{
		rtc_slot_save(rtc_queue_applied());
		went_down(r);
	}
	return result;
}

/*
 * Connects, if it is time to.  As long as that fails, looks how old the oldest
 * commit is.
 */
static RtcStreamResult
try_connect(RtcRelay *r)
{
	if (rtc_deadline_left(r->retry_at) == 0)
	{
		if (rtc_stream_connect(r->stream))
		{
			rtc_lag_connected(r->stream->lag);
			return RTC_STREAM_MORE;
		}
		went_down(r);
	}
	return rtc_lag_look(r->stream->lag) ? RTC_STREAM_MORE : RTC_STREAM_DOWN;
}

/*
 * Notes the failure and sets the time of the next attempt: twice as late as the
 * last time, with jitter, so that many servers do not come at once.  A fenced
 * relay looks often.  The same trouble is logged once.
 */
static void
went_down(RtcRelay *r)
{
	const char *error = r->stream->error;
	bool		fenced = rtc_relay_get_state() == RTC_RELAY_FENCED;
	bool		again = strcmp(r->said, error) == 0;
	bool		learned = r->stream->suspect->learned;
	const char *hint = rtc_redis_hint(error);
	int			delay;

	r->stream->suspect->learned = false;
	if (!learned)
		r->backoff = r->backoff == 0 ? RTC_BACKOFF_MIN
			: Min(2 * r->backoff, fenced ? RTC_BACKOFF_FENCED : RTC_BACKOFF_MAX);
	delay = learned ? RTC_BACKOFF_LEARNED : r->backoff / 2 +
		(int) (pg_prng_double(&pg_global_prng_state) * r->backoff);
	r->retry_at = rtc_deadline_in(delay);

	rtc_relay_note_error(error);
	if (!fenced)
		rtc_relay_set_state(RTC_RELAY_CONNECTING);
	strlcpy(r->said, error, sizeof(r->said));
	ereport(again ? DEBUG1 : WARNING,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 fenced
			 ? errmsg("rtcache does not write to Redis: %s", error)
			 : errmsg("rtcache %s", error),
			 errdetail("Trying again in %d ms.", delay),
			 hint == NULL ? 0 : errhint("%s", hint)));
}

/* ---------------- waiting ---------------- */

static void
wait(RtcRelay *r, RtcStreamResult result)
{
	long		timeout;

	/* commits may be invisible one after the other, for a moment each */
	if (result != RTC_STREAM_NOT_VISIBLE ||
		rtc_queue_read() != r->invisible_lsn)
	{
		r->invisible_since = 0;
		r->invisible_lsn = rtc_queue_read();
		rtc_relay_waits(0);
	}
	switch (result)
	{
		case RTC_STREAM_MORE:
			return;

		case RTC_STREAM_LINGER:
			if (rtc_batch_delay > 0)
				linger(r);
			return;

		case RTC_STREAM_NOT_VISIBLE:
			timeout = invisible_timeout(r);
			break;

		case RTC_STREAM_IDLE:
			timeout = idle_timeout(r);
			break;

		case RTC_STREAM_DOWN:
		default:
			timeout = idle_timeout(r);
			if (RtcRedisConfigured())
				timeout = Min(timeout, rtc_deadline_left(r->retry_at));
			break;
	}

	rtc_conn_idle(r->stream->conn, timeout, r->wait_event);
	ResetLatch(MyLatch);
}

/* The longer a commit has been invisible, the less often it is looked for. */
static long
invisible_timeout(RtcRelay *r)
{
	int64		ms;

	if (r->invisible_since == 0)
		r->invisible_since = rtc_clock_ms();
	ms = rtc_clock_ms() - r->invisible_since;
	if (ms >= RTC_TELL_INVISIBLE)
		rtc_relay_waits(ms);
	return Min(Max(ms / 20, RTC_WAIT_INVISIBLE), RTC_WAIT_INVISIBLE_MAX);
}

/*
 * Lets commits collect, unless somebody waits for what is not applied yet.
 * Sessions that do not wait leave the latch alone meanwhile: else each commit
 * would wake the relay, and a batch would carry two or three.
 */
static void
linger(RtcRelay *r)
{
	rtc_queue_linger(true);

	/* earlier commits have set it; who waits has said so before setting it */
	ResetLatch(MyLatch);
	if (!rtc_somebody_waits())
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 rtc_batch_delay, r->wait_event);
		ResetLatch(MyLatch);
	}
	/* before the caller looks at WAL for those that did not set it */
	rtc_queue_linger(false);
}

static long
idle_timeout(RtcRelay *r)
{
	bool		connected = rtc_stream_is_connected(r->stream);

	if (connected && rtc_queue_is_unflushed())
		return RTC_WAIT_UNFLUSHED;
	if (connected && rtc_stream_is_untold(r->stream))
		return RTC_TELL_MS;
	if (r->nprepared > 0 || r->stream->progress.horizon != 0 ||
		!rtc_gate_is_open())
		return RTC_WAIT_TRANSACTIONS;
	if (connected)
		return Max(Min(RTC_WAIT_IDLE, rtc_sweep_due(r->stream->sweep)), 1);
	return RTC_WAIT_IDLE;
}
