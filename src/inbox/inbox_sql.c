/*-------------------------------------------------------------------------
 *
 * inbox_sql.c
 *		The statements of the worker, and as whom they run.
 *
 * There are few texts, since rows that are written in the same columns have the
 * same one.  So plans are kept, by text; the server makes them anew when a table
 * changes.
 *
 * Model: called inside a transaction, between begin and end.  Raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "inbox/inbox_sql.h"

/* Plans that are kept at most; then all are forgotten. */
#define MAX_PLANS	200

/* A statement by the hash of its text. */
typedef struct Statement
{
	uint64		hash;			/* key of the table */
	char	   *sql;
	SPIPlanPtr	plan;
} Statement;

static HTAB *statements = NULL;

void
rtc_inbox_sql_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
rtc_inbox_sql_end(void)
{
	SPI_finish();
}

RtcInboxGuard
rtc_inbox_become(Oid owner)
{
	RtcInboxGuard guard;

	GetUserIdAndSecContext(&guard.user, &guard.context);
	guard.nestlevel = NewGUCNestLevel();
	SetUserIdAndSecContext(owner, SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	return guard;
}

void
rtc_inbox_come_back(const RtcInboxGuard * guard)
{
	AtEOXact_GUC(false, guard->nestlevel);
	SetUserIdAndSecContext(guard->user, guard->context);
}

/* Forgets all plans. */
static void
forget_plans(void)
{
	HASH_SEQ_STATUS seq;
	Statement  *s;

	if (statements == NULL)
		return;
	hash_seq_init(&seq, statements);
	while ((s = hash_seq_search(&seq)) != NULL)
	{
		SPI_freeplan(s->plan);
		pfree(s->sql);
	}
	hash_destroy(statements);
	statements = NULL;
}

/* The plan of a statement. */
static SPIPlanPtr
plan_of(const char *sql, int nargs, const Oid *types)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) sql,
										   strlen(sql), 0);
	Statement  *s;
	SPIPlanPtr	plan;
	bool		found;

	if (statements != NULL && hash_get_num_entries(statements) >= MAX_PLANS)
		forget_plans();
	if (statements == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(uint64),.entrysize = sizeof(Statement)};

		statements = hash_create("rtcache inbox statements", 64, &ctl,
								 HASH_ELEM | HASH_BLOBS);
	}
	s = hash_search(statements, &hash, HASH_FIND, NULL);
	if (s != NULL && strcmp(s->sql, sql) == 0)
		return s->plan;

	plan = SPI_prepare(sql, nargs, unconstify(Oid *, types));
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (s != NULL)
		return plan;			/* two texts with one hash: the first is kept */
	SPI_keepplan(plan);
	s = hash_search(statements, &hash, HASH_ENTER, &found);
	s->plan = plan;
	s->sql = MemoryContextStrdup(TopMemoryContext, sql);
	return plan;
}

static void
run(const char *sql, int nargs, const Oid *types, const Datum *values,
	const bool *isnull, long limit)
{
	char		nulls[RTC_INBOX_MAX_ARGS];
	int			result;

	if (nargs > RTC_INBOX_MAX_ARGS)
		elog(ERROR, "too many arguments");
	for (int i = 0; i < nargs; i++)
		nulls[i] = isnull != NULL && isnull[i] ? 'n' : ' ';
	result = SPI_execute_plan(plan_of(sql, nargs, types),
							  unconstify(Datum *, values), nulls, false, limit);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s",
			 SPI_result_code_string(result));
}

uint64
rtc_inbox_sql_run(const char *sql, int nargs, const Oid *types,
				  const Datum *values, const bool *isnull)
{
	run(sql, nargs, types, values, isnull, 0);
	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);
	return SPI_processed;
}

bool
rtc_inbox_sql_row(const char *sql, int nargs, const Oid *types,
				  const Datum *values, const bool *isnull, int ncolumns,
				  Datum *columns, bool *columns_null)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		found;

	run(sql, nargs, types, values, isnull, 1);
	found = SPI_tuptable != NULL && SPI_processed > 0;
	for (int i = 0; found && i < ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(SPI_tuptable->tupdesc, i);
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, i + 1,
										  &columns_null[i]);
		MemoryContext old = MemoryContextSwitchTo(caller);

		columns[i] = columns_null[i] ? (Datum) 0 :
			datumCopy(value, att->attbyval, att->attlen);
		MemoryContextSwitchTo(old);
	}
	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);
	return found;
}
