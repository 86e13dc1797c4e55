/*-------------------------------------------------------------------------
 *
 * inbox_functions.c
 *		cache_put, cache_add and cache_inbox_retry: the inbox from SQL.
 *
 * cache_put and cache_add append to the inbox as an application does, at once: what
 * they append stays when the transaction rolls back.  A key or a column that could
 * not be written is an error here already; values are read by the worker.  They
 * ask for the privileges that the same write in SQL would take, since the worker
 * writes as the owner of the table.
 *
 * What Redis does not take would be lost, so trouble with Redis is an error here,
 * unlike elsewhere.
 *
 * Model: called through SQL, on the connection of the backend.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "base/key.h"
#include "base/pinned_settings.h"
#include "base/shared.h"
#include "compat.h"
#include "guc.h"
#include "inbox/inbox_entry.h"
#include "inbox/inbox_target.h"
#include "read/redis_backend.h"
#include "redis/breaker.h"
#include "redis/names.h"
#include "redis/prefix_table.h"
#include "redis/script.h"
#include "redis/trust.h"

PG_FUNCTION_INFO_V1(cache_put);
PG_FUNCTION_INFO_V1(cache_add);
PG_FUNCTION_INFO_V1(cache_inbox_retry);
PG_FUNCTION_INFO_V1(rtcache_keep_position);

/* Dead letters that one script puts back. */
#define RETRY_ENTRIES	1000

/* Connects to Redis, and finds the prefix of the database.  Error: 08006. */
static RtcConn *
begin(char prefix[RTC_MAX_PREFIX_LEN])
{
	RtcConn    *conn;

	rtc_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("the inbox cannot be written during recovery")));
	PreventCommandIfReadOnly("writing to the inbox");
	conn = rtc_backend_begin();
	if (conn == NULL || !rtc_my_prefix(prefix))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("Redis cannot be used now"),
				 errhint("See cache_health().")));
	return conn;
}

/*
 * Sends a command; "what" may have been done although there is no reply.  Errors:
 * 08007 not known, 08P01 Redis refuses it.
 */
static RtcReply *
ask(RtcConn *conn, RtcArgs *args, const char *what)
{
	RtcReply   *reply;

	rtc_conn_append(conn, args);
	rtc_args_free(args);
	reply = rtc_backend_ask(1);
	if (reply == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("lost Redis while %s", what),
				 errdetail("It is not known whether that was done.")));
	if (reply->type == RTC_REPLY_ERROR)
	{
		rtc_backend_refuse(reply, "a command");
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("Redis refused %s", what),
				 errdetail_log("%s", rtc_conn_error(conn))));
	}
	rtc_breaker_success();
	return reply;
}

/* May the user write a column in this way?  Error: 42501. */
static void
check_privilege(const RtcInboxTarget *target, AttrNumber attnum, AclMode mode)
{
	if (pg_class_aclcheck(target->relid, GetUserId(), mode) == ACLCHECK_OK ||
		pg_attribute_aclcheck(target->relid, attnum, GetUserId(), mode) == ACLCHECK_OK)
		return;
	aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, target->table);
}

/*
 * Checks that the row and the columns can be written, and by this user: by UPDATE,
 * and, since a value that is set makes a row if there is none, by INSERT.  To find
 * the row takes SELECT on the primary key, and to add to a value SELECT on that.
 */
static void
check(const char *key, int len, Jsonb *values, bool add)
{
	RtcInboxTarget *target = rtc_inbox_target(key, len, AccessShareLock);
	int			nestlevel = rtc_pin_query_settings(true);
	RtcBehindRow row;
	Oid			schema;
	JsonbIterator *it = JsonbIteratorInit(&values->root);
	JsonbValue	v;

	schema = get_rel_namespace(target->relid);
	if (namespace_aclcheck_compat(schema, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA,
					   get_namespace_name(schema));
	if (check_enable_rls(target->relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("table \"%s\" cannot be written behind by this role",
						target->table),
				 errdetail("Row-level security applies to the role.")));
	rtc_inbox_find_row(target, key, len, &row);
	rtc_unpin_settings(nestlevel);

	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) != WJB_END_OBJECT)
	{
		RtcInboxColumn *column = rtc_inbox_column(target, v.val.string.val,
												  v.val.string.len);

		check_privilege(target, column->attnum, ACL_UPDATE);
		check_privilege(target, column->attnum, add ? ACL_SELECT : ACL_INSERT);
		(void) JsonbIteratorNext(&it, &v, true);
	}
	for (int i = 0; i < row.nkeys; i++)
	{
		check_privilege(target, row.attnum[i], ACL_SELECT);
		if (!add)
			check_privilege(target, row.attnum[i], ACL_INSERT);
	}
}

/* Appends an entry to the inbox. */
static Datum
append(FunctionCallInfo fcinfo, bool add)
{
	char		prefix[RTC_MAX_PREFIX_LEN];
	RtcArgs		args = {0};
	RtcConn    *conn;
	text	   *key = PG_GETARG_TEXT_PP(0);
	Jsonb	   *values = PG_GETARG_JSONB_P(1);
	char	   *json;

	rtc_require_preload();
	rtc_key_check(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	rtc_inbox_check_values(values);
	check(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), values, add);
	json = JsonbToCString(NULL, &values->root, VARSIZE(values));
	if (VARSIZE_ANY_EXHDR(key) + strlen(json) + 16 > RtcMaxValueBytes())
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the entry is too large"),
				 errhint("The limit is \"rtcache.max_value_size\".")));

	conn = begin(prefix);
	rtc_args_begin(&args, "XADD");
	appendStringInfo(rtc_args_next(&args), "%s%s", prefix, RTC_INBOX_SUFFIX);
	rtc_args_text(&args, "*");
	rtc_args_text(&args, "key");
	rtc_args_bytes(&args, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	rtc_args_text(&args, add ? "add" : "set");
	rtc_args_text(&args, json);
	(void) ask(conn, &args, "appending to the inbox");
	PG_RETURN_VOID();
}

/* cache_put(key text, value jsonb) */
Datum
cache_put(PG_FUNCTION_ARGS)
{
	return append(fcinfo, false);
}

/* cache_add(key text, increments jsonb) */
Datum
cache_add(PG_FUNCTION_ARGS)
{
	return append(fcinfo, true);
}

/* cache_inbox_retry() → how many dead letters were put back */
Datum
cache_inbox_retry(PG_FUNCTION_ARGS)
{
	char		prefix[RTC_MAX_PREFIX_LEN];
	RtcConn    *conn = begin(prefix);
	char		epoch[RTC_EPOCH_LEN];
	char	   *last = "0-0";
	char	   *end = "";
	int64		moved = 0;

	rtc_epoch_text(rtc_redis_epoch(), epoch);
	for (;;)
	{
		RtcArgs		args = {0};
		const RtcReply *reply;

		CHECK_FOR_INTERRUPTS();
		rtc_args_begin(&args, "EVAL");
		rtc_args_text(&args, rtc_script_inbox_retry.text);
		rtc_args_number(&args, 3);
		appendStringInfo(rtc_args_next(&args), "%s%s", prefix, RTC_DEAD_SUFFIX);
		appendStringInfo(rtc_args_next(&args), "%s%s", prefix, RTC_INBOX_SUFFIX);
		rtc_args_text(&args, rtc_position_key());
		rtc_args_text(&args, epoch);
		rtc_args_text(&args, last);
		rtc_args_text(&args, end);
		rtc_args_number(&args, RETRY_ENTRIES);
		reply = ask(conn, &args, "putting dead letters back");
		if (!rtc_reply_is_array(reply, 3))
			ereport(ERROR,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("Redis cannot be used now"),
					 errdetail(INT64_FORMAT " dead letters were put back.", moved)));
		moved += reply->elems[0].integer;
		if (reply->elems[1].len == 0)
			break;
		last = pstrdup(reply->elems[1].str);
		end = pstrdup(reply->elems[2].str);
	}
	PG_RETURN_INT64(moved);
}

/*
 * rtcache_keep_position(): a trigger that fires where changes of another server
 * are applied, and keeps them away.
 */
Datum
rtcache_keep_position(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(NULL);
}
