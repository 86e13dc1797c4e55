/*-------------------------------------------------------------------------
 *
 * explain.c
 *		cache_explain: can a query be cached, and what does its answer depend on?
 *
 * Model: any backend, inside a transaction, as the current user, who must be
 * allowed to run the query.  Nothing is looked up, and nothing is run.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/tuplestore.h"

#include "query/query.h"

PG_FUNCTION_INFO_V1(cache_explain);

/* Adds a row of the result; NULLs are NULL. */
static void
put_row(ReturnSetInfo *result, const char *relation, const char *dependency,
		const char *detail)
{
	const char *text[] = {relation, dependency, detail};
	Datum		values[lengthof(text)];
	bool		nulls[lengthof(text)];

	for (int i = 0; i < lengthof(text); i++)
	{
		nulls[i] = text[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(text[i]);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * cache_explain(query, args): the query, then its relations.
 */
Datum
cache_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *args = PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1);
	text	   *source;
	RtcQuery   *query;
	const char *reason;
	const char *key;
	size_t		keylen;
	ListCell   *lc;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cached query must not be null")));
	source = PG_GETARG_TEXT_PP(0);
	InitMaterializedSRF(fcinfo, 0);

	query = rtc_query_prepare(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
							  args, true);
	rtc_query_lock(query);
	rtc_query_check_access(query);
	reason = query->uncacheable;
	if (reason != NULL)
	{
		put_row(result, NULL, "not cacheable", reason);
		return (Datum) 0;
	}
	key = rtc_query_owned_key(query, &keylen);
	put_row(result, NULL, "cacheable",
			key != NULL ? psprintf("stored by a rule under the key %s", key) :
			NULL);

	foreach(lc, rtc_query_explain(query))
	{
		RtcDepInfo *info = lfirst(lc);
		Datum		name = DirectFunctionCall1(regclassout,
											   ObjectIdGetDatum(info->relid));

		put_row(result, DatumGetCString(name),
				info->uncovered != NULL ? "TTL only" :
				info->rows ? "row" : "table",
				info->uncovered != NULL ? info->uncovered : info->detail);
	}
	return (Datum) 0;
}
