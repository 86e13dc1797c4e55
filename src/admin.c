/*-------------------------------------------------------------------------
 *
 * admin.c
 *		SQL-callable operations: writing to the cache by hand, waiting for
 *		it, looking at it.
 *
 * The functions that write add ops to the op list of the transaction, as rules
 * do: they take effect at commit, in commit order, or not at all.
 *
 * MODEL: runs in backends.  What the relay tells about itself is copied under
 * RtcShared.lock; positions and counters are atomics and may be of slightly
 * different moments.  All functions raise 55000 when rtcache is not preloaded,
 * but for cache_key, which is pure, and cache_health, which says so.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/wait_event.h"

#include "admin.h"
#include "breaker.h"
#include "commit_wait.h"
#include "compat.h"
#include "covered.h"
#include "dep.h"
#include "guc.h"
#include "key.h"
#include "l1.h"
#include "oplist.h"
#include "policy.h"
#include "rtcache.h"
#include "rule.h"
#include "rule_view.h"
#include "shmem.h"
#include "stats.h"
#include "ttl.h"
#include "wal_bounds.h"

PG_FUNCTION_INFO_V1(cache_set);
PG_FUNCTION_INFO_V1(cache_del);
PG_FUNCTION_INFO_V1(cache_invalidate);
PG_FUNCTION_INFO_V1(cache_del_pattern);
PG_FUNCTION_INFO_V1(cache_clear);
PG_FUNCTION_INFO_V1(cache_key);
PG_FUNCTION_INFO_V1(cache_wait);
PG_FUNCTION_INFO_V1(cache_health);
PG_FUNCTION_INFO_V1(rtcache_relay);

#define RELAY_COLUMNS	17
#define HEALTH_COLUMNS	3

/* Raises 22004 for an argument that must not be NULL. */
static void
require_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

static void
add_del(const char *key, size_t len)
{
	RtcOp		op = {0};

	op.kind = RTC_OP_DEL;
	op.key = key;
	op.keylen = len;
	rtc_oplist_add(&op);
}

/*
 * cache_set(key text, value jsonb, ttl interval)
 *
 * A value of SQL NULL is stored as JSON null, which is how cache_get() stores
 * that there is no row.  One above rtcache.max_value_size is not stored and its
 * key is deleted.
 */
Datum
cache_set(PG_FUNCTION_ARGS)
{
	text	   *key;
	StringInfoData value;
	RtcOp		op = {0};

	rtc_require_preload();
	require_argument(fcinfo, 0, "key");
	key = PG_GETARG_TEXT_PP(0);
	rtc_key_check(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	op.ttl_ms = PG_ARGISNULL(2) ? rtc_default_ttl_ms() :
		rtc_ttl_ms(PG_GETARG_INTERVAL_P(2));

	initStringInfo(&value);
	if (PG_ARGISNULL(1))
		appendStringInfoString(&value, "null");
	else
	{
		Jsonb	   *jb = PG_GETARG_JSONB_P(1);

		JsonbToCString(&value, &jb->root, VARSIZE(jb));
	}

	if (value.len > RtcMaxValueBytes())
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		add_del(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
		PG_RETURN_VOID();
	}

	op.kind = RTC_OP_PUT;
	op.key = VARDATA_ANY(key);
	op.keylen = VARSIZE_ANY_EXHDR(key);
	op.value = value.data;
	op.vallen = value.len;
	rtc_oplist_add(&op);
	PG_RETURN_VOID();
}

/* The elements of a text[] argument; NULL elements are NULL datums. */
static void
get_texts(ArrayType *array, Datum **elems, bool **nulls, int *n)
{
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  elems, nulls, n);
}

/* cache_del(VARIADIC keys text[]): all or, if one key is bad, none. */
Datum
cache_del(PG_FUNCTION_ARGS)
{
	Datum	   *keys;
	bool	   *nulls;
	int			n;

	rtc_require_preload();
	require_argument(fcinfo, 0, "keys");
	get_texts(PG_GETARG_ARRAYTYPE_P(0), &keys, &nulls, &n);

	for (int i = 0; i < n; i++)
	{
		text	   *key;

		/* As in rules: NULL is no key. */
		if (nulls[i])
			continue;
		key = DatumGetTextPP(keys[i]);
		rtc_key_check(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
		add_del(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	}
	PG_RETURN_VOID();
}

/* cache_invalidate(VARIADIC tags text[]): all or, if one is bad, none. */
Datum
cache_invalidate(PG_FUNCTION_ARGS)
{
	Datum	   *tags;
	bool	   *nulls;
	int			n;

	rtc_require_preload();
	require_argument(fcinfo, 0, "tags");
	get_texts(PG_GETARG_ARRAYTYPE_P(0), &tags, &nulls, &n);

	for (int i = 0; i < n; i++)
	{
		text	   *tag;
		size_t		len;

		if (nulls[i])
			continue;
		tag = DatumGetTextPP(tags[i]);
		len = VARSIZE_ANY_EXHDR(tag);
		if (len == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cache tag must not be empty")));
		if (len > RTC_MAX_KEY_LEN)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("cache tag is too long"),
					 errdetail("The tag has %zu bytes; the limit is %d bytes.",
							   len, RTC_MAX_KEY_LEN)));
		(void) rtc_oplist_add_dep(rtc_dep_tag(VARDATA_ANY(tag), len));
	}
	PG_RETURN_VOID();
}

/* cache_del_pattern(glob text) */
Datum
cache_del_pattern(PG_FUNCTION_ARGS)
{
	text	   *glob;
	size_t		len;
	RtcOp		op = {0};

	rtc_require_preload();
	require_argument(fcinfo, 0, "glob");
	glob = PG_GETARG_TEXT_PP(0);
	len = VARSIZE_ANY_EXHDR(glob);
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key pattern must not be empty"),
				 errhint("Use cache_clear() to delete all keys of the database.")));
	if (len > RTC_MAX_KEY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("key pattern is too long"),
				 errdetail("The pattern has %zu bytes; the limit is %d bytes.",
						   len, RTC_MAX_KEY_LEN)));

	if (!rtc_glob_is_complete(VARDATA_ANY(glob), len))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid key pattern"),
				 errdetail("A \"[\" is not closed, or nothing follows a backslash at the end."),
				 errhint("Escape a special character with a backslash to mean itself.")));

	op.kind = RTC_OP_PATTERN;
	op.key = VARDATA_ANY(glob);
	op.keylen = len;
	rtc_oplist_add(&op);
	PG_RETURN_VOID();
}

/* cache_clear() */
Datum
cache_clear(PG_FUNCTION_ARGS)
{
	rtc_require_preload();
	rtc_add_clear_op();
	PG_RETURN_VOID();
}

/*
 * cache_key(VARIADIC parts text[]) → text
 *
 * NULL if a part is, as a template with a NULL makes no key.
 */
Datum
cache_key(PG_FUNCTION_ARGS)
{
	Datum	   *parts;
	bool	   *nulls;
	int			n;
	StringInfoData key;

	get_texts(PG_GETARG_ARRAYTYPE_P(0), &parts, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cache key must not be empty")));

	initStringInfo(&key);
	for (int i = 0; i < n; i++)
	{
		text	   *part;

		if (nulls[i])
			PG_RETURN_NULL();
		part = DatumGetTextPP(parts[i]);
		if (i > 0)
			appendStringInfoChar(&key, ':');
		rtc_key_encode(&key, VARDATA_ANY(part), VARSIZE_ANY_EXHDR(part));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(key.data, key.len));
}

/* Waits until Redis has everything up to target; false after timeout ms. */
static bool
wait_for_applied(XLogRecPtr target, int64 timeout_ms)
{
	static uint32 wait_event = 0;
	instr_time	start;
	bool		reached;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheWait");

	INSTR_TIME_SET_CURRENT(start);
	ConditionVariablePrepareToSleep(&rtc_shared->applied_cv);
	for (;;)
	{
		instr_time	elapsed;
		int64		left;

		reached = pg_atomic_read_u64(&rtc_shared->applied_lsn) >= target;
		if (reached)
			break;
		INSTR_TIME_SET_CURRENT(elapsed);
		INSTR_TIME_SUBTRACT(elapsed, start);
		left = timeout_ms - (int64) INSTR_TIME_GET_MILLISEC(elapsed);
		if (left <= 0)
			break;

		/* The relay may have started only now: wake it every second. */
		rtc_hurry_relay(Min(target, rtc_wal_insert_end()));
		(void) ConditionVariableTimedSleep(&rtc_shared->applied_cv,
										   Min(left, 1000),
										   wait_event);
	}
	ConditionVariableCancelSleep();
	return reached;
}

/*
 * cache_wait(lsn pg_lsn, timeout interval) → bool
 *
 * Waits until every commit up to lsn (NULL: up to now) is in Redis.
 */
Datum
cache_wait(PG_FUNCTION_ARGS)
{
	XLogRecPtr	target;
	XLogRecPtr	end;
	Interval   *timeout;
	int64		timeout_ms;

	rtc_require_preload();
	require_argument(fcinfo, 1, "timeout");
	timeout = PG_GETARG_INTERVAL_P(1);
	timeout_ms = ((int64) timeout->month * DAYS_PER_MONTH + timeout->day) *
		RTC_MSECS_PER_DAY + timeout->time / 1000;
	if (timeout_ms < 0 || (timeout_ms == 0 && timeout->time < 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is in progress"),
				 errhint("cache_wait() cannot be executed during recovery.")));

	if (!RtcRedisConfigured())
		PG_RETURN_BOOL(true);

	/* The relay waits for the flush; a lsn of the future cannot be flushed. */
	end = rtc_wal_insert_end();
	target = PG_ARGISNULL(0) ? end : PG_GETARG_LSN(0);
	XLogFlush(Min(target, end));

	PG_RETURN_BOOL(wait_for_applied(target, timeout_ms));
}

static const char *
relay_state_name(RtcRelayState state)
{
	switch (state)
	{
		case RTC_RELAY_STOPPED:
			return "stopped";
		case RTC_RELAY_OFF:
			return "off";
		case RTC_RELAY_CONNECTING:
			return "connecting";
		case RTC_RELAY_REPLAYING:
			return "replaying";
		case RTC_RELAY_CLEARING:
			return "clearing";
		case RTC_RELAY_FULL:
			return "full";
		case RTC_RELAY_DRAINING:
			return "draining";
		case RTC_RELAY_STREAMING:
			return "streaming";
		case RTC_RELAY_FENCED:
			return "fenced";
	}
	return "unknown";
}

/* A copy of what the relay tells about itself, consistent in itself. */
static void
get_relay_info(RtcRelayInfo *info)
{
	LWLockAcquire(rtc_shared->lock, LW_SHARED);
	*info = rtc_shared->relay;
	LWLockRelease(rtc_shared->lock);
	if (info->pid == 0)
		info->state = RTC_RELAY_STOPPED;
}

/* WAL that is flushed and not applied, in bytes; -1 = not to be told. */
static int64
lag_bytes(const RtcRelayInfo *info, XLogRecPtr applied)
{
	XLogRecPtr	flushed;

	if (applied == InvalidXLogRecPtr || info->state == RTC_RELAY_OFF ||
		RecoveryInProgress())
		return -1;
	flushed = GetFlushRecPtr(NULL);
	return flushed > applied ? (int64) (flushed - applied) : 0;
}

/* A result column that is NULL when there is nothing to say. */
static void
put(Datum *values, bool *nulls, int *column, bool known, Datum value)
{
	values[*column] = value;
	nulls[*column] = !known;
	(*column)++;
}

#define text_or_null(s) ((s)[0] != '\0'), CStringGetTextDatum(s)
#define lsn_or_null(lsn) ((lsn) != InvalidXLogRecPtr), LSNGetDatum(lsn)
#define time_or_null(t) ((t) != 0), TimestampTzGetDatum(t)

/* rtcache_relay() → one row */
Datum
rtcache_relay(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[RELAY_COLUMNS];
	bool		nulls[RELAY_COLUMNS];
	int			n = 0;
	RtcRelayInfo info;
	XLogRecPtr	read;
	XLogRecPtr	applied;
	int64		bytes;
	bool		running;

	rtc_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);

	get_relay_info(&info);
	running = info.pid != 0;
	read = pg_atomic_read_u64(&rtc_shared->read_lsn);
	applied = pg_atomic_read_u64(&rtc_shared->applied_lsn);
	bytes = lag_bytes(&info, applied);

	put(values, nulls, &n, running, Int32GetDatum(info.pid));
	put(values, nulls, &n, true,
		CStringGetTextDatum(relay_state_name(info.state)));
	put(values, nulls, &n, info.timeline != 0, Int32GetDatum(info.timeline));
	put(values, nulls, &n, lsn_or_null(read));
	put(values, nulls, &n, lsn_or_null(applied));
	put(values, nulls, &n, bytes >= 0, Int64GetDatum(bytes));
	put(values, nulls, &n, bytes >= 0,
		Int64GetDatum(info.behind_since == 0 ? 0 :
					  TimestampDifferenceMilliseconds(info.behind_since,
													  GetCurrentTimestamp())));
	put(values, nulls, &n, true,
		CStringGetTextDatum(rtc_breaker_state_name(rtc_breaker_state())));
	put(values, nulls, &n, text_or_null(info.last_error));
	put(values, nulls, &n, time_or_null(info.last_error_at));
	put(values, nulls, &n, time_or_null(info.connected_at));
	put(values, nulls, &n, time_or_null(info.last_commit_at));
	put(values, nulls, &n, true,
		Int64GetDatum(pg_atomic_read_u64(&rtc_shared->relay_batches)));
	put(values, nulls, &n, true,
		Int64GetDatum(pg_atomic_read_u64(&rtc_shared->relay_commits)));
	put(values, nulls, &n, true,
		Int64GetDatum(pg_atomic_read_u64(&rtc_shared->relay_ops)));
	put(values, nulls, &n, text_or_null(info.address));
	put(values, nulls, &n, text_or_null(info.slot_problem));
	Assert(n == RELAY_COLUMNS);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* Adds one line to the result of cache_health(). */
static void
report(ReturnSetInfo *rsinfo, const char *name, bool ok, const char *detail)
{
	Datum		values[HEALTH_COLUMNS];
	bool		nulls[HEALTH_COLUMNS] = {0};

	values[0] = CStringGetTextDatum(name);
	values[1] = BoolGetDatum(ok);
	values[2] = CStringGetTextDatum(detail);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Whoever weakens a rule has been warned; whoever looks later has not. */
static void
report_rules(ReturnSetInfo *rsinfo)
{
	StringInfoData weak;
	int			n;

	initStringInfo(&weak);
	n = rtc_weak_rules(&weak);
	if (!rtc_ddl_is_seen())
		report(rsinfo, "rules", false,
			   "The event triggers of rtcache are not ENABLE ALWAYS, so answers may be outdated until they expire.");
	else
		report(rsinfo, "rules", n == 0, n == 0 ?
			   "All rules are ENABLE ALWAYS." :
			   psprintf("Not ENABLE ALWAYS, so that answers may be outdated until they expire: %s; use ALTER TABLE ... ENABLE ALWAYS TRIGGER.",
						weak.data));
}

/* Until the relay has opened the gate, nothing is read from a cache. */
static void
report_gate(ReturnSetInfo *rsinfo)
{
	bool		open = pg_atomic_read_u32(&rtc_shared->gate_open) != 0;

	report(rsinfo, "gate", open, open ?
		   "No transaction from before the server's start is left." :
		   "Transactions from before the server's start, perhaps prepared ones, are still open, or the relay does not run.");
}

/* The part of cache_health() that is about the relay and its way to Redis. */
static void
report_relay(ReturnSetInfo *rsinfo)
{
	RtcRelayInfo info;
	uint64		generation;
	bool		open = rtc_l2_open(&generation);
	int64		bytes;
	RtcBreakerState breaker = rtc_breaker_state();

	get_relay_info(&info);
	bytes = lag_bytes(&info, pg_atomic_read_u64(&rtc_shared->applied_lsn));

	report(rsinfo, "relay", info.pid != 0 && info.state != RTC_RELAY_FENCED,
		   info.pid == 0 ?
		   "The relay is not running; see the server log, and max_worker_processes." :
		   info.state == RTC_RELAY_FENCED ?
		   "Another server writes under this key prefix." :
		   psprintf("The relay is %s.", relay_state_name(info.state)));
	report(rsinfo, "connection", info.connected_at != 0,
		   info.connected_at != 0 ? "The relay is connected to Redis." :
		   info.last_error[0] != '\0' ?
		   psprintf("The relay is not connected to Redis: %s",
					info.last_error) :
		   "The relay is not connected to Redis.");
	report(rsinfo, "slot", info.slot_problem[0] == '\0',
		   info.slot_problem[0] == '\0' ?
		   "No problem with the replication slot is known." :
		   psprintf("WAL for Redis is not kept: %s", info.slot_problem));
	report(rsinfo, "maxmemory_policy", rtc_policy_is_good(info.policy),
		   info.policy[0] == '\0' ? "The maxmemory-policy of Redis is not known." :
		   rtc_policy_is_good(info.policy) ?
		   psprintf("The maxmemory-policy of Redis is %s.", info.policy) :
		   psprintf("The maxmemory-policy of Redis is %s, so it may evict what tells which values depend on what; use volatile-* or noeviction.",
					info.policy));
	report_gate(rsinfo);
	report(rsinfo, "caught_up", open,
		   !open ? "Redis is not used for reading until the relay has caught up." :
		   bytes >= 0 ? psprintf(INT64_FORMAT " bytes of WAL are not applied yet.",
								 bytes) :
		   "Redis is used for reading.");
	report(rsinfo, "breaker", breaker == RTC_BREAKER_CLOSED,
		   psprintf("The circuit breaker is %s.",
					rtc_breaker_state_name(breaker)));
}

/* cache_health() → (name, ok, detail) for each thing that must be right */
Datum
cache_health(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char		prefix[RTC_MAX_PREFIX_LEN];
	bool		ready;

	InitMaterializedSRF(fcinfo, 0);

	report(rsinfo, "preloaded", rtc_shared != NULL,
		   rtc_shared != NULL ? "The library is preloaded." :
		   "Add rtcache to shared_preload_libraries and restart the server.");
	if (rtc_shared == NULL)
		return (Datum) 0;

	report(rsinfo, "redis_url", RtcRedisConfigured() || rtc_l1_exists(),
		   RtcRedisConfigured() ? "A Redis is configured." :
		   rtc_l1_exists() ?
		   "rtcache.redis_url is empty: answers are cached in shared memory." :
		   "rtcache.redis_url is empty and rtcache.l1_size is 0: nothing is cached.");
	report_rules(rsinfo);
	if (!RtcRedisConfigured())
	{
		report_gate(rsinfo);
		return (Datum) 0;
	}
	report(rsinfo, "wal_level", wal_level >= WAL_LEVEL_REPLICA,
		   wal_level >= WAL_LEVEL_REPLICA ? "wal_level is sufficient." :
		   "wal_level must be replica or logical.");
	report_relay(rsinfo);

	ready = rtc_my_prefix(prefix);
	report(rsinfo, "prefix", ready,
		   ready ? psprintf("Keys of this database begin with \"%s\".", prefix) :
		   "The relay has not yet prepared the key prefix of this database.");
	return (Datum) 0;
}
