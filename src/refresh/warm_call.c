/*-------------------------------------------------------------------------
 *
 * warm_call.c
 *		cache_warm: a session warms a table.
 *
 * Each batch is a transaction, so that no lock and no snapshot is held for long.
 * A call that is cut off leaves what it has stored; the next one finds that there,
 * and passes over it without reading the rows.
 *
 * Model: a procedure, called outside of transaction blocks, as the current user.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "base/clock.h"
#include "base/shared.h"
#include "compat.h"
#include "guc.h"
#include "refresh/warm.h"
#include "refresh/warm_status.h"
#include "refresh/warm_tables.h"

PG_FUNCTION_INFO_V1(cache_warm);

/* How often to tell how far it is, and how long to wait for Redis (ms). */
#define TELL_INTERVAL	5000
#define REDIS_WAIT		30000

/* One call; what "name" points to outlives the transactions. */
typedef struct WarmCall
{
	const char *name;			/* of the table that was named */
	double		total;			/* rows in all tables, about */
	double		before;			/* the part of them that is in tables which
								 * are through */
	int			ntables;
	RtcWarm		sum;			/* the numbers of the tables that are through */
	int64		told_ms;		/* when the user was told, monotonic */
	int64		redis_deadline; /* 0 = Redis can be used */
} WarmCall;

/* Reads an argument of the procedure; raises unless it can be used. */
static int
batch_argument(FunctionCallInfo fcinfo)
{
	int			batch = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);

	if (batch < 1 || batch > RTC_WARM_MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be between 1 and %d", "batch",
						RTC_WARM_MAX_BATCH)));
	return batch;
}

/* Raises if the cache cannot be warmed from here at all. */
static void
check_place(FunctionCallInfo fcinfo)
{
	rtc_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot warm the cache during recovery"),
				 errhint("WarmCall cache_warm() on the primary server.")));
	if (!RtcRedisConfigured())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no Redis to warm"),
				 errhint("Set \"%s\".", "rtcache.redis_url")));
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cache_warm() cannot be called inside a transaction block"),
				 errdetail("Each batch of rows is a transaction of its own.")));
}

/* Tells how far the call is. */
static void
tell(WarmCall *call, const RtcWarm *warm)
{
	double		part = warm->end == 0 ? 0 : (double) warm->next / warm->end;
	uint64		done = (call->before + part / call->ntables) * call->total;

	rtc_warming_report(call->redis_deadline == 0 ? RTC_WARM_ROWS :
					   RTC_WARM_WAITING, done, call->total);
	if (rtc_clock_is_due(&call->told_ms, TELL_INTERVAL))
		ereport(NOTICE,
				(errmsg("warming \"%s\": %d %% done", call->name,
						(int) (100 * (call->before + part / call->ntables))),
				 errdetail("%llu rows were looked at, %llu values stored, %llu were there.",
						   (unsigned long long) (call->sum.rows + warm->rows),
						   (unsigned long long) (call->sum.stored + warm->stored),
						   (unsigned long long) (call->sum.there + warm->there))));
}

/* Waits a little for a Redis that cannot be used; raises if that takes long. */
static void
wait_for_redis(WarmCall *call)
{
	static uint32 wait_event = 0;

	if (call->redis_deadline == 0)
		call->redis_deadline = rtc_deadline_in(REDIS_WAIT);
	if (rtc_deadline_left(call->redis_deadline) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("Redis cannot be used"),
				 errdetail("%llu values were stored before.",
						   (unsigned long long) call->sum.stored),
				 errhint("cache_health() tells more.  The next call passes over what was stored.")));
	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheWarm");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 100, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Warms one table; false = it has no rule. */
static bool
warm_table(WarmCall *call, Oid relid, const char *where, int batch)
{
	RtcWarm		warm;
	RtcWarmResult result;

	rtc_warm_begin(&warm, relid, where, batch);
	do
	{
		result = rtc_warm_batch(&warm);
		SPI_commit();
		if (result == RTC_WARM_NO_REDIS)
			wait_for_redis(call);
		else
			call->redis_deadline = 0;
		tell(call, &warm);
		CHECK_FOR_INTERRUPTS();
	} while (result == RTC_WARM_MORE || result == RTC_WARM_NO_REDIS);

	call->before += 1.0 / call->ntables;
	call->sum.rows += warm.rows;
	call->sum.stored += warm.stored;
	call->sum.there += warm.there;
	call->sum.left += warm.left;
	return result != RTC_WARM_NO_RULE;
}

/* cache_warm(rel regclass, where_clause text, batch integer) */
Datum
cache_warm(PG_FUNCTION_ARGS)
{
	int			batch = batch_argument(fcinfo);
	MemoryContext context;
	MemoryContext old;
	WarmCall   *call;
	Oid			relid;
	char	   *where = NULL;
	List	   *tables;
	ListCell   *lc;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "rel")));
	relid = PG_GETARG_OID(0);
	check_place(fcinfo);

	/* what goes from one transaction to the next */
	context = AllocSetContextCreate(PortalContext, "rtcache warm-up",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	call = palloc0(sizeof(WarmCall));
	if (!PG_ARGISNULL(1))
	{
		where = text_to_cstring(PG_GETARG_TEXT_PP(1));
		rtc_warm_check_where(where);
	}
	tables = rtc_warm_tables(relid, &call->total);
	call->ntables = list_length(tables);
	call->name = get_rel_name(relid);
	call->told_ms = rtc_clock_ms();
	if (!rtc_warm_has_rule(tables))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no rule stores the rows of table \"%s\"", call->name),
				 errdetail("It takes a trigger that calls rtcache_write_through() after each INSERT, UPDATE and DELETE, without a condition, and that is ENABLE ALWAYS."),
				 errhint("Use cache_attach() with a key.")));
	MemoryContextSwitchTo(old);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	rtc_warming_begin(relid, RTC_WARM_ROWS, call->total,
					  GetCurrentTimestamp());
	PG_TRY();
	{
		foreach(lc, tables)
			(void) warm_table(call, lfirst_oid(lc), where, batch);
	}
	PG_FINALLY();
	{
		rtc_warming_end();
	}
	PG_END_TRY();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");

	ereport(NOTICE,
			(errmsg("warmed \"%s\": %llu rows, %llu values stored, %llu were there, %llu left out",
					call->name,
					(unsigned long long) call->sum.rows,
					(unsigned long long) call->sum.stored,
					(unsigned long long) call->sum.there,
					(unsigned long long) call->sum.left)));
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
