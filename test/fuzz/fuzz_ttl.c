/*-------------------------------------------------------------------------
 *
 * fuzz_ttl.c
 *		Times to live: any interval that the server could have read.
 *
 * interval_in() is the server's; here it makes an interval of the bytes.
 *
 * rooms: rule/ttl
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "fmgr.h"
#include "utils/timestamp.h"

#include "rule/ttl.h"

int			rtc_default_ttl = 3600;
static Interval interval;
static bool refuse;

int
rtc_pin_settings(void)
{
	return -1;
}

void
rtc_unpin_settings(int nestlevel)
{
}

Datum
interval_in(PG_FUNCTION_ARGS)
{
	return (Datum) 0;
}

Datum
DirectFunctionCall3Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2,
						Datum arg3)
{
	if (refuse)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("refused")));
	return IntervalPGetDatum(&interval);
}

void
fuzz_one(const uint8 *data, size_t size)
{
	RtcFault	fault = {0};
	int64		ms = -1;

	if (size < sizeof(Interval) + 1)
		return;
	memcpy(&interval, data, sizeof(Interval));
	refuse = data[sizeof(Interval)] == 0;
	if (rtc_ttl_parse("text", &ms, &fault))
	{
		MUST(!refuse && ms >= 0 && ms <= RTC_MAX_TTL_MS);
		MUST(ms == rtc_ttl_ms(&interval));
		/* only nothing at all does not expire */
		if (ms == 0)
			MUST(interval.time == -((int64) interval.month * 30 + interval.day) * USECS_PER_DAY);
	}
	else
		MUST(fault.sqlerrcode != 0 && fault.message != NULL);
	(void) rtc_ttl_ms(&interval);
}
