/*-------------------------------------------------------------------------
 *
 * inbox_step.c
 *		The steps of the worker: where to begin; a batch, applied once.
 *
 * A batch is applied in one transaction with the position, so it counts once or
 * not at all.  Dead letters go to Redis before that transaction commits; if it
 * does not, they are put again, under the same ids, which changes nothing.  When
 * it has committed, and so is flushed, and is confirmed by synchronous standbys,
 * Redis is told how far it has got.
 *
 * Entries that were applied stay for rtcache.inbox_keep.  A standby that is
 * promoted without the last transactions, or a backup that is restored, has an
 * older position, and finds in the inbox what it lacks.
 *
 * Where the database and the inbox do not fit, the log tells what is known.  In
 * any case, all that has an id above the position is applied, and nothing else; and
 * a Redis that went back is made to give ids above the position.
 *
 * Model: called by the worker, outside of a transaction.  Trouble with Redis, and
 * with the database if it is thought to pass, is a result; other errors raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/inject.h"
#include "guc.h"
#include "inbox/inbox_batch.h"
#include "inbox/inbox_sql.h"
#include "inbox/inbox_state.h"
#include "redis/prefix_table.h"
#include "redis/trust.h"
#include "wal/queue.h"

/* A batch with fewer entries may wait for more. */
#define FEW_ENTRIES		1000

/* A batch that is tried again has this many bits of its entries less. */
#define FEWER_BITS		3

/*
 * Moments are not closer than this (ms), nor than a part of the time for which
 * entries are kept: so there are not more of them than parts.
 */
#define MOMENT_MS		1000
#define MOMENTS			500

/* So long the rate is counted (ms). */
#define RATE_MS			5000

/* Notes that there is no trouble any more. */
static void
recover(RtcInbox *inbox)
{
	if (inbox->info.error[0] == '\0')
		return;
	ereport(LOG, (errmsg("rtcache inbox: entries are applied again")));
	inbox->info.error[0] = '\0';
	rtc_inbox_show(inbox);
}

RtcInboxStep
rtc_inbox_trouble(RtcInbox *inbox, const char *what, const char *detail)
{
	const char *colon = detail[0] == '\0' ? "" : ": ";
	char		error[RTC_ERROR_LEN];

	/* shown in any database, whatever its encoding; the log has all of it */
	snprintf(error, sizeof(error), "%s%s%s", what, colon, detail);
	rtc_keep_ascii(error);
	if (strcmp(error, inbox->info.error) != 0)
	{
		inbox->info.error_at = GetCurrentTimestamp();
		strlcpy(inbox->info.error, error, sizeof(inbox->info.error));
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rtcache inbox: %s%s%s", what, colon, detail),
				 errdetail("Nothing is lost; it is tried again.")));
	}
	rtc_inbox_show(inbox);
	return RTC_INBOX_TROUBLE;
}

/* Redis did not do what it was asked for. */
static RtcInboxStep
redis_trouble(RtcInbox *inbox, RtcInboxResult result)
{
	inbox->is_open = false;
	if (result == RTC_INBOX_OTHER)
	{
		rtc_conn_close(inbox->link.conn);
		return RTC_INBOX_WAIT;
	}
	return rtc_inbox_trouble(inbox, rtc_conn_error(inbox->link.conn), "");
}

static void
begin(RtcInbox *inbox)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	rtc_inbox_sql_begin();
	/* a commit that is not flushed might be lost when Redis has been told */
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	MemoryContextSwitchTo(inbox->work);
}

static void
commit(RtcInbox *inbox)
{
	rtc_inbox_sql_end();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(inbox->work);
}

static void
rollback(RtcInbox *inbox)
{
	AbortCurrentTransaction();
	MemoryContextSwitchTo(inbox->work);
}

/* ---------------- where to begin ---------------- */

/*
 * Tells the log what is known where the database and the inbox do not fit.  The
 * position is that of the database.
 */
static void
compare(const RtcInbox *inbox, const RtcInboxStand *stand)
{
	const RtcInboxPosition *pos = &inbox->pos;
	const char *stream = psprintf("%s%s", inbox->link.prefix, RTC_INBOX_SUFFIX);
	char		id[RTC_INBOX_ID_LEN];
	char		noted[RTC_INBOX_ID_LEN];
	char		last[RTC_INBOX_ID_LEN];
	char		first[RTC_INBOX_ID_LEN];

	rtc_inbox_id_text(pos->id, id);
	rtc_inbox_id_text(stand->noted, noted);
	rtc_inbox_id_text(stand->last, last);
	rtc_inbox_id_text(stand->first, first);
	if (pos->id.ms == 0 && pos->id.seq == 0)
		return;
	if (!stand->existed || !stand->known)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 stand->existed ?
				 errmsg("inbox \"%s\" in Redis is not the one that was read before", stream) :
				 errmsg("inbox \"%s\" in Redis is gone", stream),
				 errdetail("The database has applied entries up to %s. Those behind it that were in the old inbox are lost, if there were any.",
						   id)));
	else if (rtc_inbox_id_less(stand->last, pos->id) ||
			 rtc_inbox_id_less(stand->noted, pos->noted))
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("inbox \"%s\" in Redis has gone back in time", stream),
				 errdetail("Its last entry is %s, and it knows of entries up to %s that they are applied; the database has applied entries up to %s. Entries that Redis has forgotten before they were applied are lost, if there were any, and so are those that have been appended since with ids up to %s.",
						   last, noted, id, id)));
	else if (rtc_inbox_id_less(pos->id, stand->noted))
	{
		/* the first one that is still there tells what may be gone */
		bool		gap = stand->empty || rtc_inbox_id_less(pos->id, stand->first);

		ereport(gap ? WARNING : LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the database has gone back in time, before entries of inbox \"%s\" that were applied", stream),
				 !gap ? errdetail("It has applied entries up to %s, and up to %s they were applied before; those in between are applied again.",
								  id, noted) :
				 stand->empty ?
				 errdetail("It has applied entries up to %s, and up to %s they were applied before; those in between are not in the inbox any more.",
						   id, noted) :
				 errdetail("It has applied entries up to %s, and up to %s they were applied before. Those between %s and %s are not in the inbox any more, if there were any; from %s on they are applied again.",
						   id, noted, id, first, first),
				 gap ? errhint("Entries are kept for \"rtcache.inbox_keep\" after they were applied.") : 0));
	}
}

/* Forgets which entries were applied when: they stay as if it had been now. */
static void
restart_moments(RtcInbox *inbox)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	RtcInboxMoment *moment = palloc(sizeof(RtcInboxMoment));

	list_free_deep(inbox->moments);
	moment->id = inbox->pos.id;
	moment->ms = rtc_clock_ms();
	inbox->moments = list_make1(moment);
	MemoryContextSwitchTo(old);
}

RtcInboxStep
rtc_inbox_start(RtcInbox *inbox)
{
	RtcInboxStand stand;
	RtcInboxResult result;
	bool		known = false;
	bool		tried;
	bool		ready;

	if (!rtc_inbox_connect(&inbox->link, &tried))
		return tried ? redis_trouble(inbox, RTC_INBOX_FAILED) : RTC_INBOX_WAIT;

	begin(inbox);
	ready = rtc_my_prefix(inbox->link.prefix);
	if (ready)
		known = rtc_inbox_position_read(inbox->link.prefix, &inbox->pos);
	commit(inbox);
	if (!ready)
		return RTC_INBOX_WAIT;

	result = rtc_inbox_open(&inbox->link, known ? &inbox->pos.id : NULL, &stand);
	if (result != RTC_INBOX_OK)
		return redis_trouble(inbox, result);
	if (known)
		compare(inbox, &stand);
	else
	{
		/*
		 * who has applied what is noted there was an extension that was
		 * dropped, or a database of the same name
		 */
		inbox->pos.id = inbox->pos.noted = stand.noted;
		begin(inbox);
		rtc_inbox_position_write(inbox->link.prefix, &inbox->pos, true);
		commit(inbox);
	}
	inbox->is_open = true;
	inbox->noted = false;
	inbox->told_lsn = InvalidXLogRecPtr;
	inbox->info.nentries = stand.nentries;
	inbox->info.nkept = 0;
	restart_moments(inbox);
	return RTC_INBOX_STARTED;
}

/* Is the inbox still that of the database?  Its prefix may have changed. */
static bool
is_mine(const RtcInbox *inbox)
{
	char		prefix[RTC_MAX_PREFIX_LEN];
	bool		mine;

	StartTransactionCommand();
	mine = rtc_my_prefix(prefix) && strcmp(prefix, inbox->link.prefix) == 0;
	CommitTransactionCommand();
	MemoryContextSwitchTo(inbox->work);
	return mine;
}

/* ---------------- a batch ---------------- */

/* How close moments are (ms). */
static int64
moment_ms(void)
{
	return Max(MOMENT_MS, (int64) rtc_inbox_keep * 1000 / MOMENTS);
}

/* Notes that entries up to the position were applied now. */
static void
note_moment(RtcInbox *inbox)
{
	RtcInboxMoment *last = inbox->moments == NIL ? NULL : llast(inbox->moments);
	MemoryContext old;

	if (last == NULL || rtc_clock_ms() - last->ms >= moment_ms())
	{
		old = MemoryContextSwitchTo(TopMemoryContext);
		last = palloc(sizeof(RtcInboxMoment));
		inbox->moments = lappend(inbox->moments, last);
		MemoryContextSwitchTo(old);
		last->ms = rtc_clock_ms();
	}
	last->id = inbox->pos.id;
}

/* The first entry that has to stay; 0-0 = nothing is to be taken out. */
static RtcInboxId
keep_from(RtcInbox *inbox)
{
	RtcInboxId	id = {0, 0};

	while (inbox->moments != NIL)
	{
		RtcInboxMoment *first = linitial(inbox->moments);

		/* a moment goes on until the next one begins */
		if (rtc_clock_ms() - first->ms < (int64) rtc_inbox_keep * 1000 +
			(rtc_inbox_keep > 0 ? moment_ms() : 0))
			break;
		id = rtc_inbox_id_next(first->id);
		pfree(first);
		inbox->moments = list_delete_first(inbox->moments);
	}
	return id;
}

/* Tells Redis how far we are, and takes out what need not be kept any more. */
static RtcInboxStep
tell_redis(RtcInbox *inbox, RtcInboxStep next)
{
	RtcInboxId	keep = keep_from(inbox);
	int64		ntaken;
	RtcInboxResult result;

	if (inbox->noted && keep.ms == 0 && keep.seq == 0)
		return next;
	RTC_INJECT("inbox_committed");
	result = rtc_inbox_done(&inbox->link, inbox->pos.id, keep, &ntaken,
							&inbox->info.nentries, &inbox->info.ndead);
	if (result != RTC_INBOX_OK)
		return redis_trouble(inbox, result);
	RTC_INJECT("inbox_noted");
	inbox->noted = true;
	inbox->pos.noted = inbox->pos.id;
	inbox->info.nkept = Max(inbox->info.nkept - ntaken, 0);
	return next;
}

/*
 * Redis does not know which entries have come round, although the relay was told,
 * and has told Redis: it has lost that with a clear.
 */
static void
tell_round_again(RtcInbox *inbox)
{
	if (rtc_queue_applied() < inbox->told_lsn ||
		(inbox->pos.id.ms == 0 && inbox->pos.id.seq == 0))
		return;
	begin(inbox);
	rtc_inbox_come_round(inbox->pos.id);
	commit(inbox);
	inbox->told_lsn = XactLastCommitEnd;
}

/*
 * Applies entries in a transaction.  False = it was undone; *step tells what to
 * do.
 */
static bool
apply(RtcInbox *inbox, RtcInboxEntry *entries, int n, RtcInboxStep *step)
{
	RtcInboxPosition pos;
	ErrorData  *error = NULL;
	int			ndead = 0;
	RtcInboxResult result = RTC_INBOX_OK;

	begin(inbox);
	if (!rtc_inbox_position_read(inbox->link.prefix, &pos) ||
		pos.id.ms != inbox->pos.id.ms || pos.id.seq != inbox->pos.id.seq)
	{
		/* somebody has moved it by hand */
		rollback(inbox);
		inbox->is_open = false;
		*step = RTC_INBOX_WAIT;
		return false;
	}
	if (!rtc_inbox_apply(entries, n, inbox->tries, &error))
	{
		rollback(inbox);
		inbox->tries++;
		*step = rtc_inbox_trouble(inbox, "could not apply entries", error->message);
		return false;
	}
	for (int i = 0; i < n; i++)
		ndead += entries[i].dead ? 1 : 0;
	RTC_INJECT("inbox_applied");
	if (ndead > 0)
		result = rtc_inbox_bury(&inbox->link, entries, n);
	if (result != RTC_INBOX_OK)
	{
		rollback(inbox);
		*step = redis_trouble(inbox, result);
		return false;
	}
	pos.id = entries[n - 1].id;
	pos.noted = inbox->pos.noted;
	pos.napplied += n - ndead;
	pos.nrefused += ndead;
	rtc_inbox_position_write(inbox->link.prefix, &pos, false);
	RTC_INJECT("inbox_commits");
	commit(inbox);
	pgstat_report_stat(false);

	inbox->told_lsn = XactLastCommitEnd;
	inbox->pos = pos;
	inbox->noted = false;
	inbox->tries = 0;
	inbox->info.nkept += n;
	inbox->info.nentries = Max(inbox->info.nentries, inbox->info.nkept);
	note_moment(inbox);
	if (ndead > 0)
		ereport(LOG,
				(errmsg("rtcache inbox: %d of %d entries could not be applied", ndead, n),
				 errdetail("They are in \"%s%s\" in Redis, with their errors.",
						   inbox->link.prefix, RTC_DEAD_SUFFIX)));
	return true;
}

RtcInboxStep
rtc_inbox_work(RtcInbox *inbox)
{
	RtcInboxEntry *entries;
	int			n;
	int64		length;
	bool		all;
	bool		round;
	RtcInboxStep step = RTC_INBOX_NOTHING;
	RtcInboxResult result;

	if (!is_mine(inbox))
	{
		inbox->is_open = false;
		return RTC_INBOX_WAIT;
	}
	result = rtc_inbox_read(&inbox->link, inbox->pos.id, &entries, &n, &all,
							&length, &round);
	if (result != RTC_INBOX_OK)
		return redis_trouble(inbox, result);
	inbox->info.nentries = length;
	if (all)
		inbox->info.nkept = length - n;
	inbox->info.oldest = n == 0 ? 0 :
		(int64) Min(entries[0].id.ms, PG_INT64_MAX);
	rtc_inbox_show(inbox);

	/* fewer each time, so that no entry is blamed for what others do with it */
	if (inbox->tries > 0 && n > 0)
		n = Max(n >> Min(FEWER_BITS * inbox->tries, 30), 1);
	if (n > 0 && !apply(inbox, entries, n, &step))
		return step;
	if (n == 0 && !round)
		tell_round_again(inbox);
	if (n > 0)
		step = n < FEW_ENTRIES ? RTC_INBOX_FEW : RTC_INBOX_MORE;
	step = tell_redis(inbox, step);
	if (step == RTC_INBOX_MORE || step == RTC_INBOX_FEW)
		recover(inbox);
	rtc_inbox_show(inbox);
	return step;
}

RtcInboxStep
rtc_inbox_wait_for_more(RtcInbox *inbox, int ms)
{
	RtcInboxResult result = rtc_inbox_wait(&inbox->link, inbox->pos.id, ms);

	if (result != RTC_INBOX_OK)
		return redis_trouble(inbox, result);
	recover(inbox);
	return RTC_INBOX_NOTHING;
}

void
rtc_inbox_show(RtcInbox *inbox)
{
	int64		now = rtc_clock_ms();

	inbox->info.dboid = MyDatabaseId;
	inbox->info.napplied = inbox->pos.napplied;
	inbox->info.nrefused = inbox->pos.nrefused;
	rtc_inbox_id_text(inbox->pos.id, inbox->info.id);
	if (inbox->rate_since == 0 || now - inbox->rate_since >= RATE_MS)
	{
		if (inbox->rate_since != 0 && inbox->info.napplied >= inbox->rate_from)
			inbox->info.rate = (inbox->info.napplied - inbox->rate_from) * 1000.0 /
				(now - inbox->rate_since);
		inbox->rate_since = now;
		inbox->rate_from = inbox->info.napplied;
	}
	rtc_inbox_tell(&inbox->info);
}
