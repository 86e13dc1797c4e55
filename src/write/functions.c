/*-------------------------------------------------------------------------
 *
 * functions.c
 *		SQL-callable operations: writing to the cache by hand, and waiting.
 *
 * The functions that write add ops to the op list of the transaction, as rules
 * do.  They take effect at commit, in commit order, or not at all.
 *
 * Model: runs in backends.  All functions except cache_key raise 55000 when
 * rtcache is not preloaded.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/key.h"
#include "base/wal_bounds.h"
#include "compat.h"
#include "guc.h"
#include "op.h"
#include "rule/ttl.h"
#include "stats.h"
#include "wal/queue.h"
#include "write/commit_wait.h"
#include "write/forget.h"
#include "write/oplist.h"

PG_FUNCTION_INFO_V1(cache_set);
PG_FUNCTION_INFO_V1(cache_del);
PG_FUNCTION_INFO_V1(cache_invalidate);
PG_FUNCTION_INFO_V1(cache_del_pattern);
PG_FUNCTION_INFO_V1(cache_clear);
PG_FUNCTION_INFO_V1(cache_key);
PG_FUNCTION_INFO_V1(cache_wait);

/* Raises 22004 for an argument that must not be NULL. */
static void
require_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

/*
 * cache_set(key text, value jsonb, ttl interval)
 *
 * SQL NULL is stored as JSON null, as cache_get() stores that there is no row.
 * A value above rtcache.max_value_size is not stored, and its key is deleted.
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
	op.ttl_ms = rtc_ttl_jittered(PG_ARGISNULL(2) ? rtc_default_ttl_ms() :
								 rtc_ttl_ms(PG_GETARG_INTERVAL_P(2)));

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
		rtc_forget_key(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
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

/* The elements of a text[] (text *); NULL for a null. */
static List *
get_texts(ArrayType *array)
{
	List	   *texts = NIL;
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
		texts = lappend(texts, nulls[i] ? NULL : DatumGetTextPP(elems[i]));
	return texts;
}

/* cache_del(VARIADIC keys text[]): all, or none if a key is invalid. */
Datum
cache_del(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	rtc_require_preload();
	require_argument(fcinfo, 0, "keys");
	foreach(lc, get_texts(PG_GETARG_ARRAYTYPE_P(0)))
	{
		text	   *key = lfirst(lc);

		/* as in rules, NULL is no key */
		if (key == NULL)
			continue;
		rtc_key_check(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
		rtc_forget_key(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	}
	PG_RETURN_VOID();
}

/* cache_invalidate(VARIADIC tags text[]): all, or none if a tag is invalid. */
Datum
cache_invalidate(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	rtc_require_preload();
	require_argument(fcinfo, 0, "tags");
	foreach(lc, get_texts(PG_GETARG_ARRAYTYPE_P(0)))
	{
		text	   *tag = lfirst(lc);
		size_t		len;

		if (tag == NULL)
			continue;
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
		rtc_forget_tag(VARDATA_ANY(tag), len);
	}
	PG_RETURN_VOID();
}

/* cache_del_pattern(glob text) */
Datum
cache_del_pattern(PG_FUNCTION_ARGS)
{
	text	   *glob;
	size_t		len;

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

	rtc_forget_matching(VARDATA_ANY(glob), len);
	PG_RETURN_VOID();
}

/* cache_clear() */
Datum
cache_clear(PG_FUNCTION_ARGS)
{
	rtc_require_preload();
	rtc_forget_all();
	PG_RETURN_VOID();
}

/* cache_key(VARIADIC parts text[]) → text; NULL if a part is. */
Datum
cache_key(PG_FUNCTION_ARGS)
{
	List	   *parts = get_texts(PG_GETARG_ARRAYTYPE_P(0));
	StringInfoData key;
	ListCell   *lc;

	if (parts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cache key must not be empty")));

	initStringInfo(&key);
	foreach(lc, parts)
	{
		text	   *part = lfirst(lc);

		if (part == NULL)
			PG_RETURN_NULL();
		if (lc != list_head(parts))
			appendStringInfoChar(&key, ':');
		rtc_key_encode(&key, VARDATA_ANY(part), VARSIZE_ANY_EXHDR(part));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(key.data, key.len));
}

/*
 * Has Redis been switched off during this command?  A session reloads settings
 * between commands, so its own may be old while a reload is pending.  If none
 * is pending, the relay has not yet heard that there is a Redis again.
 */
static bool
is_switched_off(void)
{
	return !rtc_queue_is_on() && ConfigReloadPending;
}

/*
 * Waits until Redis has everything up to target, or is switched off.  Returns
 * false after the timeout.
 */
static bool
wait_for_applied(XLogRecPtr target, int64 timeout_ms)
{
	static uint32 wait_event = 0;
	int64		deadline = rtc_deadline_in(timeout_ms);
	bool		reached;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheWait");

	ConditionVariablePrepareToSleep(rtc_queue_moved());
	for (;;)
	{
		int64		left;

		reached = rtc_is_applied(target) || is_switched_off();
		if (reached)
			break;
		left = rtc_deadline_left(deadline);
		if (left <= 0)
			break;

		/* The relay may have started only now: wake it every second. */
		rtc_hurry_relay(Min(target, rtc_wal_insert_end()));
		(void) ConditionVariableTimedSleep(rtc_queue_moved(),
										   Min(left, 1000),
										   wait_event);
	}
	ConditionVariableCancelSleep();
	return reached;
}

/*
 * cache_wait(lsn pg_lsn, timeout interval) → bool
 *
 * Waits until every commit up to lsn (NULL = up to now) is in Redis.  True
 * without waiting any further when there is no Redis.
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

	/* the relay waits for the flush; a future LSN cannot be flushed */
	end = rtc_wal_insert_end();
	target = PG_ARGISNULL(0) ? end : PG_GETARG_LSN(0);
	XLogFlush(Min(target, end));

	PG_RETURN_BOOL(wait_for_applied(target, timeout_ms));
}
