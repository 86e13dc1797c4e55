/*-------------------------------------------------------------------------
 *
 * question.c
 *		What a call of cache_get() or cache_list() asks.
 *
 * Model: any backend, inside a transaction, as the current user.  Allocates in
 * the current memory context.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/key.h"
#include "guc.h"
#include "read/question.h"
#include "rule/ttl.h"

/* Takes from the query what L1 knows of it. */
static void
take_query(RtcQuestion *question)
{
	question->l1.id = question->query->id;
	question->l1.privileges = question->query->privileges;
}

void
rtc_question_make(RtcQuestion *question, const char *key, uint32 keylen,
				  const char *query, int querylen, ArrayType *args,
				  bool one_row)
{
	RtcL1Question *l1 = &question->l1;

	l1->key = key;
	l1->keylen = keylen;
	l1->hash = rtc_dep_key(key, keylen);
	l1->args = args != NULL ? VARDATA(args) : NULL;
	l1->argslen = args != NULL ? VARSIZE(args) - VARHDRSZ : 0;
	l1->one_row = one_row;
	question->again = false;
	question->stale_ms = 0;
	question->put_back = false;
	question->query = rtc_query_prepare(query, querylen, args, false);
	take_query(question);
}

void
rtc_question_take(RtcQuestion *question, FunctionCallInfo fcinfo, bool one_row)
{
	ArrayType  *args = NULL;
	text	   *key;
	text	   *query;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cache key must not be null")));
	key = PG_GETARG_TEXT_PP(0);
	rtc_key_check(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cached query must not be null")));
	query = PG_GETARG_TEXT_PP(1);
	if (!PG_ARGISNULL(2))
		args = PG_GETARG_ARRAYTYPE_P(2);
	question->function = fcinfo->flinfo->fn_oid;
	question->ttl_ms = PG_ARGISNULL(3) ? rtc_default_ttl_ms() :
		rtc_ttl_ms(PG_GETARG_INTERVAL_P(3));
	rtc_question_make(question, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
					  VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query), args,
					  one_row);
}

bool
rtc_question_lock(RtcQuestion *question)
{
	rtc_query_lock(question->query);
	take_query(question);
	return question->query->uncacheable == NULL;
}

Jsonb *
rtc_question_run(const RtcQuestion *question, StringInfo text)
{
	rtc_query_lock(question->query);
	return rtc_query_run(question->query, question->l1.one_row, text);
}
