/*-------------------------------------------------------------------------
 *
 * ttl.c
 *		Times to live: intervals and texts to milliseconds.
 *
 * Model: pure functions, but for chance; any backend may use them.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/pinned_settings.h"
#include "compat.h"
#include "guc.h"
#include "rule/ttl.h"

/* Converts; false and *fault when negative or too long. */
static bool
interval_to_ms(const Interval *ttl, int64 *ttl_ms, RtcFault *fault)
{
	int64		ms;
	int64		rest;

	/* The largest months, days and microseconds add up to 5.8e18. */
	ms = ((int64) ttl->month * DAYS_PER_MONTH + ttl->day) * RTC_MSECS_PER_DAY +
		ttl->time / 1000;
	rest = ttl->time % 1000;

	if (ms < 0 || (ms == 0 && rest < 0))
	{
		(void) rtc_fault_set(fault, ERRCODE_INVALID_PARAMETER_VALUE,
							 _("time to live must not be negative"), NULL,
							 _("A time to live of zero means that the value does not expire."));
		return false;
	}

	/* Less than a millisecond must not become 0, "does not expire". */
	if (rest > 0)
		ms++;
	if (ms > RTC_MAX_TTL_MS)
	{
		(void) rtc_fault_set(fault, ERRCODE_DATETIME_FIELD_OVERFLOW,
							 _("time to live is too long"),
							 _("The limit is 1000 years."),
							 _("A time to live of zero means that the value does not expire."));
		return false;
	}
	*ttl_ms = ms;
	return true;
}

int64
rtc_ttl_ms(const Interval *ttl)
{
	int64		ms;
	RtcFault	fault;

	if (!interval_to_ms(ttl, &ms, &fault))
		rtc_fault_raise(&fault);
	return ms;
}

/*
 * rtc_ttl_parse
 *		interval_in() reports bad input by an error.  It is caught without a
 *		subtransaction, which is safe because that function touches nothing but
 *		memory; anything but a complaint about the input is passed on.
 */
bool
rtc_ttl_parse(const char *text, int64 *ttl_ms, RtcFault *fault)
{
	MemoryContext cxt = CurrentMemoryContext;
	Interval   *volatile ttl = NULL;
	int			pinned = rtc_pin_settings();

	PG_TRY();
	{
		ttl = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													CStringGetDatum(text),
													ObjectIdGetDatum(InvalidOid),
													Int32GetDatum(-1)));
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(cxt);
		edata = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		(void) rtc_fault_set(fault, ERRCODE_INVALID_PARAMETER_VALUE,
							 psprintf(_("invalid time to live \"%s\""), text),
							 edata->message,
							 _("A time to live is an interval, such as \"1 hour\", or \"0\" for a value that does not expire."));
	}
	PG_END_TRY();

	rtc_unpin_settings(pinned);

	return ttl != NULL && interval_to_ms(ttl, ttl_ms, fault);
}

int64
rtc_ttl_jittered(int64 ttl_ms)
{
	if (rtc_ttl_jitter <= 0 || ttl_ms <= 0)
		return ttl_ms;
	return Max(ttl_ms - (int64) (pg_prng_double(&pg_global_prng_state) *
								 rtc_ttl_jitter * ttl_ms), 1);
}

int64
rtc_default_ttl_ms(void)
{
	return (int64) rtc_default_ttl * 1000;
}
