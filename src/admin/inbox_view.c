/*-------------------------------------------------------------------------
 *
 * inbox_view.c
 *		What people can see of inboxes: the view rtcache_inbox, and the line
 *		"inbox" of cache_health().
 *
 * Model: runs in backends, on copies of what the worker and the relay tell.  Ages
 * compare the clock of Redis, by which ids of entries are made, with ours.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "admin/inbox_view.h"
#include "compat.h"
#include "guc.h"
#include "redis/names.h"
#include "relay/inbox_watch.h"

PG_FUNCTION_INFO_V1(rtcache_inbox);

#define INBOX_COLUMNS	13

/* Entries that wait to be applied. */
static int64
waiting(const RtcInboxInfo *info)
{
	return Max(info->nentries - info->nkept, 0);
}

/* How old the oldest of them is, in ms; -1 = there is none, or not known. */
static int64
oldest_age(const RtcInboxInfo *info)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		now_ms = now / 1000 + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
	(int64) 86400000;

	if (info->oldest == 0 || waiting(info) == 0)
		return -1;
	return Max(now_ms - info->oldest, 0);
}

/* rtcache_inbox() → one row for each inbox */
Datum
rtcache_inbox(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RtcInboxInfo info;

	rtc_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; rtc_inbox_copy(i, &info); i++)
	{
		Datum		values[INBOX_COLUMNS] = {0};
		bool		nulls[INBOX_COLUMNS] = {0};
		int64		age = oldest_age(&info);

		if (!OidIsValid(info.dboid))
			continue;
		values[0] = ObjectIdGetDatum(info.dboid);
		nulls[1] = info.pid == 0;
		values[1] = Int32GetDatum(info.pid);
		values[2] = Int64GetDatum(waiting(&info));
		values[3] = Int64GetDatum(info.nkept);
		nulls[4] = age < 0;
		if (age >= 0)
		{
			Interval   *interval = palloc0(sizeof(Interval));

			interval->time = age * 1000;
			values[4] = IntervalPGetDatum(interval);
		}
		values[5] = Int64GetDatum((int64) info.napplied);
		values[6] = Int64GetDatum((int64) info.nrefused);
		values[7] = Int64GetDatum(info.ndead);
		values[8] = Float8GetDatum(info.rate);
		values[9] = BoolGetDatum(waiting(&info) > rtc_inbox_max);
		nulls[10] = info.id[0] == '\0';
		values[10] = CStringGetTextDatum(info.id);
		nulls[11] = info.error[0] == '\0';
		values[11] = CStringGetTextDatum(info.error);
		nulls[12] = nulls[11] || info.error_at == 0;
		values[12] = TimestampTzGetDatum(info.error_at);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

bool
rtc_inbox_is_well(const char *prefix, char **detail)
{
	RtcInboxInfo info;
	long long	n;

	if (!rtc_inbox_of(MyDatabaseId, &info))
	{
		*detail = pstrdup("Nothing waits in the inbox.");
		return true;
	}
	*detail = NULL;
	n = (long long) waiting(&info);
	if (info.error[0] != '\0')
		*detail = psprintf("%lld entries wait in the inbox, and cannot be applied: %s",
						   n, info.error);
	else if (n > rtc_inbox_max)
		*detail = psprintf("%lld entries wait in the inbox, more than \"rtcache.inbox_max\": they are appended faster than they are applied.",
						   n);
	else if (info.ndead > 0)
		*detail = psprintf("Entries of the inbox could not be applied (%lld): see the stream \"%s%s\" in Redis, and cache_inbox_retry().",
						   (long long) info.ndead, prefix != NULL ? prefix : "", RTC_DEAD_SUFFIX);
	if (*detail != NULL)
		return false;
	if (n == 0)
		*detail = pstrdup("Nothing waits in the inbox.");
	else if (info.pid == 0 && n > 0)
		*detail = psprintf("%lld entries wait in the inbox, and nobody applies them: no rule of this database has the option \"behind\", or the worker has just ended.",
						   n);
	else
		*detail = psprintf("%lld entries wait in the inbox.", n);
	return info.pid != 0 || n == 0;
}
