/*-------------------------------------------------------------------------
 *
 * warm_work.c
 *		Workers warm the tables whose rules have the option "warm".
 *
 * A table waits to be warmed when its rule is made or enabled (rule_check.c), and the
 * tables of a database when its keys were deleted (jobs.c).  A warm-up takes its
 * turn: after SLICE_MS it waits again, with the place where it was, so that questions
 * need not wait for it.  If Redis has lost keys meanwhile, it begins anew.
 *
 * The rule may be of a transaction that is not over yet.  So the worker takes the
 * lock first that this one waits for, and looks for the rule then.
 *
 * Rows are read as the owner of the table, in read-only transactions.  Casts, policies
 * and column types may have code of others: it runs as in a CREATE INDEX, and cannot
 * become somebody else again.
 *
 * Model: a worker, in no transaction.  An error ends the warm-up.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/inject.h"
#include "compat.h"
#include "redis/trust.h"
#include "refresh/warm.h"
#include "refresh/warm_status.h"
#include "refresh/warm_tables.h"
#include "refresh/warm_work.h"
#include "rule/rule_catalog.h"

/* How long one turn is, and a wait for Redis (ms). */
#define SLICE_MS		1000
#define REDIS_WAIT		500

/* Rows in a batch. */
#define BATCH			1000

/* What waits for its turn; at first there is no more than the table. */
typedef struct WarmTurn
{
	Oid			relid;			/* the table that was named */
	Oid			table;			/* it, or a partition, is being warmed */
	uint32		clears;			/* rtc_redis_clears() at the beginning */
	BlockNumber next;			/* where it goes on, */
	BlockNumber end;			/* before this, */
	Oid			storage;		/* in this file: see RtcWarm */
	TimestampTz started_at;
} WarmTurn;

/* The owner of a table; InvalidOid = there is no such table. */
static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* What the worker was before it became somebody else. */
typedef struct WarmSelf
{
	Oid			userid;
	int			context;		/* security context */
	int			nestlevel;		/* of settings */
} WarmSelf;

/*
 * Begins a transaction as the owner of a table; an error gives user and settings
 * back.  False = the table has been dropped.
 */
static bool
begin_as_owner(Oid relid, WarmSelf *self)
{
	Oid			owner;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = true;
	owner = owner_of(relid);
	if (!OidIsValid(owner))
		return false;
	self->nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	GetUserIdAndSecContext(&self->userid, &self->context);
	SetUserIdAndSecContext(owner, self->context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	return true;
}

static void
end_as_owner(const WarmSelf *self)
{
	AtEOXact_GUC(false, self->nestlevel);
	SetUserIdAndSecContext(self->userid, self->context);
	CommitTransactionCommand();
}

/* Does a rule of one of these tables say that it is to be warmed? */
static bool
is_wanted(List *tables)
{
	ListCell   *lc;
	bool		found = false;

	foreach(lc, tables)
	{
		Relation	rel = try_relation_open(lfirst_oid(lc), AccessShareLock);
		const Trigger *trigger;
		RtcRuleKind kind;

		if (rel == NULL)
			continue;
		for (int pos = 0; (trigger = rtc_next_rule(rel, &pos, &kind)) != NULL;)
		{
			RtcRuleText text;
			RtcFault	fault;

			(void) rtc_rule_read(kind, trigger->tgnargs, trigger->tgargs,
								 &text, &fault);
			found |= text.warm && rtc_can_warm(trigger, kind);
		}
		relation_close(rel, NoLock);
	}
	return found;
}

/*
 * The tables that are to be warmed, in the memory context; NIL = none.
 */
static List *
find_tables(Oid relid, MemoryContext context, double *total)
{
	List	   *tables = NIL;
	WarmSelf	self;

	*total = 0;
	if (!begin_as_owner(relid, &self))
	{
		CommitTransactionCommand();
		return NIL;
	}
	pgstat_report_activity(STATE_RUNNING,
						   psprintf("warm-up of %s", get_rel_name(relid)));
	/* who makes a rule has a lock that this one conflicts with */
	LockRelationOid(relid, RowExclusiveLock);
	if (OidIsValid(owner_of(relid)))
		tables = rtc_warm_tables(relid, total);
	if (is_wanted(tables))
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		tables = list_copy(tables);
		MemoryContextSwitchTo(old);
	}
	else
		tables = NIL;
	end_as_owner(&self);
	MemoryContextSwitchTo(context);
	return tables;
}

/* Puts a turn to wait, as what it is the turn of. */
static void
wait_again(const RtcWork *work, const WarmTurn *turn)
{
	RtcWork    *again = palloc(sizeof(RtcWork));

	memcpy(again, work, offsetof(RtcWork, data));
	again->len = sizeof(*turn);
	memcpy(again->data, turn, sizeof(*turn));
	(void) rtc_work_put(again);
	pfree(again);
}

/* Warms one batch. */
static RtcWarmResult
warm_batch(RtcWarm *warm, MemoryContext context)
{
	RtcWarmResult result = RTC_WARM_NO_TABLE;
	WarmSelf	self;

	if (!begin_as_owner(warm->relid, &self))
		CommitTransactionCommand();
	else
	{
		result = rtc_warm_batch(warm);
		end_as_owner(&self);
	}
	MemoryContextSwitchTo(context);
	return result;
}

static void
pause_for_redis(void)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheWarm");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 REDIS_WAIT, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Warms tables until they are through, or the turn is over; returns whether they
 * are through.
 */
static bool
take_turn(WarmTurn *turn, List *tables, double total, MemoryContext context)
{
	int64		deadline = rtc_deadline_in(SLICE_MS);
	int			n = 0;
	ListCell   *lc;

	foreach(lc, tables)
	{
		Oid			table = lfirst_oid(lc);
		RtcWarm		warm;
		RtcWarmResult result;

		n++;
		if (OidIsValid(turn->table) && turn->table != table)
			continue;
		rtc_warm_begin(&warm, table, NULL, BATCH);
		if (turn->table == table)
		{
			warm.next = turn->next;
			warm.end = turn->end;
			warm.storage = turn->storage;
		}
		turn->table = InvalidOid;
		do
		{
			double		part;

			result = warm_batch(&warm, context);
			part = warm.end == 0 ? 0 : (double) warm.next / warm.end;
			rtc_warming_report(result == RTC_WARM_NO_REDIS ? RTC_WARM_WAITING :
							   RTC_WARM_ROWS,
							   total * (n - 1 + part) / list_length(tables),
							   total);
			if (result == RTC_WARM_NO_REDIS)
				pause_for_redis();
			if ((result == RTC_WARM_MORE || result == RTC_WARM_NO_REDIS) &&
				(rtc_deadline_left(deadline) == 0 || rtc_work_must_end()))
			{
				turn->table = table;
				turn->next = warm.next;
				turn->end = warm.end;
				turn->storage = warm.storage;
				return false;
			}
			CHECK_FOR_INTERRUPTS();
		} while (result == RTC_WARM_MORE || result == RTC_WARM_NO_REDIS);
	}
	return true;
}

void
rtc_warm_relation(const RtcWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	WarmTurn	turn = {0};
	List	   *tables;
	double		total;

	memcpy(&turn, work->data, Min(work->len, sizeof(turn)));
	if (turn.clears != rtc_redis_clears())
	{
		turn.clears = rtc_redis_clears();
		turn.table = InvalidOid;
	}
	if (turn.started_at == 0)
		turn.started_at = GetCurrentTimestamp();
	tables = find_tables(turn.relid, context, &total);
	if (!list_member_oid(tables, turn.table))
		turn.table = InvalidOid;
	if (tables == NIL)
		return;

	RTC_INJECT("warm_turn");
	rtc_warming_begin(turn.relid, RTC_WARM_ROWS, total, turn.started_at);
	PG_TRY();
	{
		if (!take_turn(&turn, tables, total, context))
			wait_again(work, &turn);
	}
	PG_FINALLY();
	{
		rtc_warming_end();
	}
	PG_END_TRY();
}

void
rtc_warm_database(const RtcWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *relids = NIL;
	ListCell   *lc;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	foreach(lc, rtc_all_rules(false))
	{
		const RtcRuleRow *rule = lfirst(lc);
		MemoryContext old;

		if (!rule->text.warm || rule->enabled != TRIGGER_FIRES_ALWAYS)
			continue;
		old = MemoryContextSwitchTo(context);
		relids = list_append_unique_oid(relids, rule->relid);
		MemoryContextSwitchTo(old);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);

	foreach(lc, relids)
	{
		WarmTurn	turn = {.relid = lfirst_oid(lc)};
		RtcWork    *table = palloc0(sizeof(RtcWork));

		table->kind = RTC_WORK_WARM_RELATION;
		table->dboid = work->dboid;
		table->priority = work->priority;
		table->hash = turn.relid;
		wait_again(table, &turn);
		pfree(table);
	}
}
