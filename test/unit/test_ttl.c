/*-------------------------------------------------------------------------
 *
 * test_ttl.c
 *		Times to live: from intervals to milliseconds.
 *
 * The server's interval_in() is not here; what it would give is said beforehand.
 *
 * rooms: rule/ttl
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "rule/ttl.h"
#include "unit.h"

int			rtc_default_ttl = 90;
static Interval interval;		/* what interval_in() returns */
static int	input_error;		/* or the SQLSTATE that it raises; 0 = none */
static int	pinned;				/* how often settings are pinned now */

int
rtc_pin_settings(void)
{
	return pinned++;
}

void
rtc_unpin_settings(int nestlevel)
{
	pinned--;
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
	if (input_error)
		ereport(ERROR, (errcode(input_error), errmsg("no interval")));
	return IntervalPGetDatum(&interval);
}

static const Interval *
make(int32 month, int32 day, int64 microseconds)
{
	interval.month = month;
	interval.day = day;
	interval.time = microseconds;
	return &interval;
}

static void
test_intervals(void)
{
	int64		limit = RTC_MAX_TTL_MS;
	int64		days = limit / RTC_MSECS_PER_DAY;

	is_int(rtc_ttl_ms(make(0, 0, 0)), 0, "nothing does not expire");
	is_int(rtc_ttl_ms(make(0, 0, USECS_PER_HOUR)), 3600000, "an hour");
	is_int(rtc_ttl_ms(make(0, 1, 0)), 86400000, "a day has 24 hours");
	is_int(rtc_ttl_ms(make(1, 0, 0)), 30 * RTC_MSECS_PER_DAY, "a month has 30 days");
	is_int(rtc_ttl_ms(make(0, 0, 1)), 1, "a microsecond is a started millisecond");
	is_int(rtc_ttl_ms(make(0, 0, 1001)), 2, "which counts as a whole one");
	is_int(rtc_ttl_ms(make(0, 0, 2000)), 2, "a whole one does, too");
	is_int(rtc_ttl_ms(make(0, 1, -USECS_PER_HOUR)), 23 * 3600000, "a day less an hour");
	is_int(rtc_ttl_ms(make(1, -30, 0)), 0, "a month less 30 days does not expire");

	raises(rtc_ttl_ms(make(0, 0, -1)), "22023 time to live must not be negative", "a negative one");
	raises(rtc_ttl_ms(make(1, -31, 0)), "22023 time to live must not be negative", "a month less 31 days");
	is_int(rtc_ttl_ms(make(0, days, 0)), limit, "the longest");
	raises(rtc_ttl_ms(make(0, days, 1)), "22008 time to live is too long", "a microsecond more");
	raises(rtc_ttl_ms(make(PG_INT32_MAX, PG_INT32_MAX, PG_INT64_MAX)),
		   "22008 time to live is too long", "the longest interval that there is");
	raises(rtc_ttl_ms(make(PG_INT32_MIN, PG_INT32_MIN, PG_INT64_MIN)),
		   "22023 time to live must not be negative", "the shortest");
}

static void
test_texts(void)
{
	RtcFault	fault = {0};
	int64		ms = -1;

	make(0, 0, 5000);
	ok(rtc_ttl_parse("5 ms", &ms, &fault) && ms == 5, "a text is read");
	make(0, 0, -5000);
	ok(!rtc_ttl_parse("-5 ms", &ms, &fault), "a negative one is refused");
	is_text(fault.message, "time to live must not be negative", "and told");
	is_int(fault.sqlerrcode, ERRCODE_INVALID_PARAMETER_VALUE, "as 22023");

	input_error = ERRCODE_DATETIME_FIELD_OVERFLOW;
	ok(!rtc_ttl_parse("soon", &ms, &fault), "a text that is no interval is refused");
	is_text(fault.message, "invalid time to live \"soon\"", "and shown");
	is_text(fault.detail, "no interval", "with what the server says of it");
	is_int(fault.sqlerrcode, ERRCODE_INVALID_PARAMETER_VALUE, "as 22023");
	is_int(pinned, 0, "settings are not pinned any more");

	input_error = ERRCODE_OUT_OF_MEMORY;
	raises(rtc_ttl_parse("1 s", &ms, &fault), "53200 no interval", "any other error is passed on");

	is_int(rtc_default_ttl_ms(), 90000, "the default is a setting in seconds");
}

int
main(void)
{
	test_intervals();
	test_texts();
	return done_testing();
}
