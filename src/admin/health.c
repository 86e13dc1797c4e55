/*-------------------------------------------------------------------------
 *
 * health.c
 *		How the relay is doing, and what else must be right: rtcache_relay and
 *		cache_health.
 *
 * MODEL: runs in backends, also of a standby.  What the relay tells about
 * itself is copied under a lock; positions and counters are atomics and
 * may be of slightly different moments.  rtcache_relay raises 55000 when rtcache
 * is not preloaded; cache_health says so.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "admin/health.h"
#include "admin/inbox_view.h"
#include "base/clock.h"
#include "compat.h"
#include "ddl/rule_clash.h"
#include "ddl/rule_view.h"
#include "dep/stamps.h"
#include "guc.h"
#include "l1/l1.h"
#include "op.h"
#include "read/key_conflicts.h"
#include "redis/breaker.h"
#include "redis/hint.h"
#include "redis/prefix_table.h"
#include "redis/trust.h"
#include "relay/lag.h"
#include "relay/redis_info.h"
#include "relay/status.h"
#include "rule/coverage.h"
#include "wal/queue.h"
#include "wal/slot.h"

PG_FUNCTION_INFO_V1(cache_health);
PG_FUNCTION_INFO_V1(rtcache_relay);

#define RELAY_COLUMNS	18
#define HEALTH_COLUMNS	3

#define MB				(1024 * 1024)

/* What may be written between two looks of the relay at the slot (MB). */
#define SLOT_SLACK		64

/* Keys that are named, and conflicts of one key that are not all right. */
#define CONFLICTS_SHOWN	5
#define MANY_CONFLICTS	1000

/* For so long a commit may be invisible before something is wrong (ms). */
#define INVISIBLE_MS	1000

static const char *
relay_state_name(RtcRelayState state)
{
	switch (state)
	{
		case RTC_RELAY_STOPPED:
			return "stopped";
		case RTC_RELAY_STANDBY:
			return "standby";
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
	char		address[RTC_ADDRESS_LEN];
	XLogRecPtr	read;
	XLogRecPtr	applied;
	int64		bytes;
	bool		running;

	rtc_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);

	rtc_relay_get_info(&info);
	running = info.pid != 0;
	(void) rtc_redis_address(0, address);
	read = rtc_queue_read();
	applied = rtc_queue_applied();
	bytes = lag_bytes(&info, applied);

	put(values, nulls, &n, running, Int32GetDatum(info.pid));
	put(values, nulls, &n, true,
		CStringGetTextDatum(relay_state_name(info.state)));
	put(values, nulls, &n, info.timeline != 0, Int32GetDatum(info.timeline));
	put(values, nulls, &n, lsn_or_null(read));
	put(values, nulls, &n, lsn_or_null(applied));
	put(values, nulls, &n, bytes >= 0, Int64GetDatum(bytes));
	put(values, nulls, &n, info.state != RTC_RELAY_OFF && !RecoveryInProgress(),
		Int64GetDatum(rtc_lag_ms()));
	put(values, nulls, &n, true,
		CStringGetTextDatum(rtc_breaker_state_name(rtc_breaker_state())));
	put(values, nulls, &n, text_or_null(info.last_error));
	put(values, nulls, &n, time_or_null(info.last_error_at));
	put(values, nulls, &n, time_or_null(info.connected_at));
	put(values, nulls, &n, time_or_null(info.last_commit_at));
	put(values, nulls, &n, true, Int64GetDatum((int64) info.batches));
	put(values, nulls, &n, true, Int64GetDatum((int64) info.commits));
	put(values, nulls, &n, true, Int64GetDatum((int64) info.ops));
	put(values, nulls, &n, text_or_null(address));
	put(values, nulls, &n, text_or_null(info.slot_problem));
	put(values, nulls, &n, info.waits_since != 0,
		CStringGetTextDatum("a commit to become visible"));
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
	StringInfoData detail;
	StringInfoData rules;

	initStringInfo(&detail);
	initStringInfo(&rules);
	if (!rtc_ddl_is_seen(NULL))
		appendStringInfoString(&detail, "The event triggers of rtcache are not ENABLE ALWAYS, so answers may be outdated until they expire.");
	else if (rtc_weak_rules(&rules) > 0)
		appendStringInfo(&detail, "Not ENABLE ALWAYS, so that answers may be outdated until they expire: %s; use ALTER TABLE ... ENABLE ALWAYS TRIGGER.",
						 rules.data);

	resetStringInfo(&rules);
	if (rtc_clashing_rules(&rules) > 0)
		appendStringInfo(&detail, "%sThe same keys are made by %s; put {.schema} or {.table} into their templates.",
						 detail.len > 0 ? " " : "", rules.data);
	report(rsinfo, "rules", detail.len == 0,
		   detail.len > 0 ? detail.data : "All rules are ENABLE ALWAYS.");
}

/* Until the relay has opened the gate, nothing is read from a cache. */
static void
report_gate(ReturnSetInfo *rsinfo)
{
	bool		open = rtc_gate_is_open();

	report(rsinfo, "gate", open, open ?
		   "No transaction from before the server's start is left." :
		   "Transactions from before the server's start, perhaps prepared ones, are still open, or the relay does not run.");
}

/* What the replication slot costs.  Without a relay nobody moves it. */
static void
report_slot(ReturnSetInfo *rsinfo, const RtcRelayInfo *info)
{
	int64		held = rtc_slot_held();
	int64		limit = rtc_max_wal_lag +
	(info->pid != 0 ? SLOT_SLACK : 0);
	long long	mb = (held + MB / 2) / MB;

	if (held > limit * MB)
		report(rsinfo, "slot", false,
			   psprintf(info->pid != 0 ?
						"The replication slot holds %lld MB of WAL, more than \"rtcache.max_wal_lag\": the relay is too busy to move it." :
						"The replication slot holds %lld MB of WAL, more than \"rtcache.max_wal_lag\", and there is no relay to move it: start one, or drop the slot \"rtcache\".",
						mb));
	else if (info->slot_problem[0] != '\0' && RtcRedisConfigured())
		report(rsinfo, "slot", false,
			   psprintf("WAL for Redis is not kept: %s", info->slot_problem));
	else if (held >= 0)
		report(rsinfo, "slot", true,
			   psprintf("The replication slot holds %lld MB of WAL.", mb));
	else if (RtcRedisConfigured())
		report(rsinfo, "slot", true, RecoveryInProgress() ?
			   "There is no replication slot; a standby needs none." :
			   "There is no replication slot yet.");
}

/* The part of cache_health() that is about a standby. */
static void
report_standby(ReturnSetInfo *rsinfo, const RtcRelayInfo *info)
{
	report(rsinfo, "relay", info->pid != 0, info->pid != 0 ?
		   "This server is a standby: its relay waits for a promotion." :
		   "The relay is not running; see the server log, and max_worker_processes.");
	report_slot(rsinfo, info);
	if (RtcRedisConfigured())
		report(rsinfo, "breaker",
			   rtc_breaker_state() == RTC_BREAKER_CLOSED,
			   psprintf("The circuit breaker is %s.",
						rtc_breaker_state_name(rtc_breaker_state())));
}

/* What the relay does, and whether it gets on. */
static void
report_work(ReturnSetInfo *rsinfo, const RtcRelayInfo *info)
{
	int64		invisible = info->waits_since == 0 ? 0 :
	rtc_clock_ms() - info->waits_since;

	if (info->pid == 0)
		report(rsinfo, "relay", false,
			   "The relay is not running; see the server log, and max_worker_processes.");
	else if (info->state == RTC_RELAY_FENCED)
		report(rsinfo, "relay", false,
			   "Another server writes under this key prefix.");
	else if (invisible > INVISIBLE_MS)
		report(rsinfo, "relay", false,
			   psprintf("The relay is %s, and has waited for %lld s for a commit to become visible; is a synchronous standby away?",
						relay_state_name(info->state),
						(long long) invisible / 1000));
	else
		report(rsinfo, "relay", true,
			   psprintf("The relay is %s.", relay_state_name(info->state)));
}

/* Why there is no connection, and what to do. */
static char *
describe_error(const char *error)
{
	const char *hint = rtc_redis_hint(error);

	return psprintf("The relay is not connected: %s.%s%s", error,
					hint == NULL ? "" : " ", hint == NULL ? "" : hint);
}

/* The part of cache_health() that is about the relay and its way to Redis. */
static void
report_relay(ReturnSetInfo *rsinfo, const RtcRelayInfo *info)
{
	uint64		generation;
	bool		open = rtc_redis_is_open(&generation);
	int64		bytes;
	RtcBreakerState breaker = rtc_breaker_state();

	bytes = lag_bytes(info, rtc_queue_applied());
	report_work(rsinfo, info);
	report(rsinfo, "connection", info->connected_at != 0,
		   info->connected_at != 0 ? "The relay is connected to Redis." :
		   info->last_error[0] != '\0' ? describe_error(info->last_error) :
		   "The relay is not connected to Redis.");
	report_slot(rsinfo, info);
	report(rsinfo, "maxmemory_policy", rtc_redis_policy_is_good(info->policy),
		   info->policy[0] == '\0' ? "The maxmemory-policy of Redis is not known." :
		   rtc_redis_policy_is_good(info->policy) ?
		   psprintf("The maxmemory-policy of Redis is %s.", info->policy) :
		   psprintf("The maxmemory-policy of Redis is %s, so it may evict what tells which values depend on what; use volatile-* or noeviction.",
					info->policy));
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

/* Where the keys of this database are, and why they are not used if so. */
static void
report_prefix(ReturnSetInfo *rsinfo, bool ready, const char *prefix)
{
	RtcPrefix	mine = {0};

	(void) rtc_prefix_copy(MyDatabaseId, &mine);
	if (ready)
		report(rsinfo, "prefix", true,
			   psprintf("Keys of this database begin with \"%s\".", prefix));
	else if (mine.state == RTC_PREFIX_CLOSED)
		report(rsinfo, "prefix", false,
			   psprintf("Redis is not used for this database: %s", mine.why));
	else if (mine.state == RTC_PREFIX_CLEARING)
		report(rsinfo, "prefix", false,
			   "Redis is not used for this database until keys are deleted; see rtcache_progress.");
	else
		report(rsinfo, "prefix", false,
			   "The relay has not yet prepared the key prefix of this database.");
}

/* All databases that Redis is not used for since it has refused something. */
static void
report_databases(ReturnSetInfo *rsinfo)
{
	StringInfoData names;

	initStringInfo(&names);
	rtc_prefix_lock(LW_SHARED);
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
	{
		const RtcPrefix *entry = &rtc_prefixes->entry[i];

		if (entry->state != RTC_PREFIX_CLOSED)
			continue;
		appendStringInfo(&names, "%s%s (%s)", names.len > 0 ? "; " : "",
						 entry->dbname, entry->why);
	}
	rtc_prefix_unlock();
	report(rsinfo, "databases", names.len == 0, names.len == 0 ?
		   "Redis refuses no database." :
		   psprintf("Redis is not used for: %s", names.data));
}

/* Keys whose answers replace each other: what is cached is of no use. */
static void
report_key_conflicts(ReturnSetInfo *rsinfo)
{
	RtcKeyConflict conflicts[CONFLICTS_SHOWN];
	int			n = rtc_key_conflicts(conflicts, CONFLICTS_SHOWN);
	StringInfoData detail;

	if (n == 0)
	{
		report(rsinfo, "key_conflicts", true,
			   "No key was asked with several queries within the last hour.");
		return;
	}
	initStringInfo(&detail);
	appendStringInfoString(&detail, "Answers to several queries replace each other under one key: ");
	for (int i = 0; i < n; i++)
		appendStringInfo(&detail, "%s\"%s\" (" UINT64_FORMAT " %s)",
						 i > 0 ? ", " : "", conflicts[i].key, conflicts[i].n,
						 conflicts[i].n == 1 ? "time" : "times");
	appendStringInfoString(&detail, "; give each query, and each set of arguments, a key of its own.");
	report(rsinfo, "key_conflicts", conflicts[0].n < MANY_CONFLICTS, detail.data);
}

/* cache_health() → (name, ok, detail) for each thing that must be right */
Datum
cache_health(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char		prefix[RTC_MAX_PREFIX_LEN];
	RtcRelayInfo info;
	bool		ready;
	bool		well;
	char	   *detail;

	InitMaterializedSRF(fcinfo, 0);

	report(rsinfo, "preloaded", rtc_preloaded,
		   rtc_preloaded ? "The library is preloaded." :
		   "Add rtcache to shared_preload_libraries and restart the server.");
	if (!rtc_preloaded)
		return (Datum) 0;

	report(rsinfo, "redis_url", RtcRedisConfigured() || rtc_l1_exists(),
		   RtcRedisConfigured() ? "A Redis is configured." :
		   rtc_l1_exists() ?
		   "rtcache.redis_url is empty: answers are cached in shared memory." :
		   "rtcache.redis_url is empty and rtcache.l1_size is 0: nothing is cached.");
	report_rules(rsinfo);
	report_key_conflicts(rsinfo);
	rtc_relay_get_info(&info);
	if (RecoveryInProgress())
	{
		report_standby(rsinfo, &info);
		return (Datum) 0;
	}
	if (!RtcRedisConfigured())
	{
		report_slot(rsinfo, &info);
		report_gate(rsinfo);
		return (Datum) 0;
	}
	report(rsinfo, "wal_level", wal_level >= WAL_LEVEL_REPLICA,
		   wal_level >= WAL_LEVEL_REPLICA ? "wal_level is sufficient." :
		   "wal_level must be replica or logical.");
	report_relay(rsinfo, &info);

	ready = rtc_my_prefix(prefix);
	report_prefix(rsinfo, ready, prefix);
	report_databases(rsinfo);
	well = rtc_inbox_is_well(ready ? prefix : NULL, &detail);
	report(rsinfo, "inbox", well, detail);
	return (Datum) 0;
}
