/*-------------------------------------------------------------------------
 *
 * inbox_entry.c
 *		Entries of an inbox.
 *
 * Whoever may append to the stream in Redis writes them, so nothing in them is
 * believed before it was looked at.  An entry has these fields, in this order:
 *
 *		key <key> set <JSON object: columns and their values>
 *		key <key> add <JSON object: columns and what is added to them>
 *
 * Model: called by the worker, inside a transaction.  What is wrong with an entry
 * is an error.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#include "guc.h"
#include "inbox/inbox_entry.h"
#include "op.h"

bool
rtc_inbox_entry_take(const RtcReply *reply, RtcInboxEntry *entry)
{
	if (reply->type != RTC_REPLY_ARRAY || reply->nelems < 1 ||
		reply->elems[0].type != RTC_REPLY_STRING)
		return false;
	memset(entry, 0, sizeof(*entry));
	for (int i = 0; i < reply->nelems; i++)
		if (reply->elems[i].type != RTC_REPLY_STRING)
			return false;
	entry->fields = &reply->elems[1];
	entry->nfields = reply->nelems - 1;
	return rtc_inbox_id_parse(reply->elems[0].str, &entry->id);
}

void
rtc_inbox_check_values(Jsonb *values)
{
	if (!JB_ROOT_IS_OBJECT(values))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("what is written behind must be a JSON object")));
	if (JB_ROOT_COUNT(values) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("what is written behind must name a column")));
}

void
rtc_inbox_entry_read(RtcInboxEntry *entry)
{
	const RtcReply *f = entry->fields;
	bool		good;

	if (entry->nfields == 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the entry is too large"),
				 errhint("The limit is \"rtcache.max_value_size\".")));
	good = entry->nfields == 4 && rtc_reply_is_text(&f[0], "key") &&
		(rtc_reply_is_text(&f[2], "set") || rtc_reply_is_text(&f[2], "add"));
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the entry is not of the form \"key ... set ...\" or \"key ... add ...\"")));

	(void) pg_verify_mbstr(GetDatabaseEncoding(), f[1].str, f[1].len, false);
	(void) pg_verify_mbstr(GetDatabaseEncoding(), f[3].str, f[3].len, false);
	if (f[1].len > RTC_MAX_KEY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("cache key is too long")));
	entry->key = f[1].str;
	entry->keylen = (int) f[1].len;
	entry->add = f[2].str[0] == 'a';
	entry->values = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													   CStringGetDatum(f[3].str)));
	rtc_inbox_check_values(entry->values);
}
