/*-------------------------------------------------------------------------
 *
 * lookup_trust.c
 *		On what grounds Redis is believed about a key.
 *
 * Redis counts only if the relay vouches for it (l2_generation is odd), if it
 * has been given every write that the stamps know of (last_lsn <=
 * applied_lsn), and if our connection goes to the Redis that the relay means
 * (rtc_cmd_ready), which has not lost any of that (its position is compared
 * with the same LSN, and with floor_lsn).  A value found then contains every
 * commit that was visible when the stamps were taken.
 *
 * Model: any backend, inside a transaction.  Redis is asked by redis_lookup.c,
 * which raises for query cancel and termination only.  No lock is held.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/fmgrprotos.h"

#include "base/clock.h"
#include "compat.h"
#include "guc.h"
#include "op.h"
#include "read/lookup_trust.h"
#include "redis/breaker.h"
#include "redis/prefix_table.h"
#include "redis/trust.h"
#include "wal/queue.h"

/* How long the relay may take to store the position, or to apply a commit. */
#define POSITION_WAIT_MS	50

bool
rtc_trust_begin(RtcTrust *trust, XLogRecPtr lsn,
				char prefix[RTC_MAX_PREFIX_LEN], RtcCounter *reason)
{
	RtcBreakerState breaker;

	*reason = RTC_STAT_BYPASS_NOT_READY;
	if (!RtcRedisConfigured() || RecoveryInProgress())
		return false;

	trust->prefix_generation = rtc_prefix_generation();
	if (!rtc_redis_is_open(&trust->l2_generation) || !rtc_my_prefix(prefix))
		return false;
	/* if it is a later one, so is the generation when it is compared */
	pg_read_barrier();
	trust->epoch = rtc_redis_epoch();

	trust->lsn = Max(lsn, rtc_queue_omitted());
	/* stamps do not tell of commits from before a start of the server */
	trust->lsn = Max(trust->lsn, rtc_redis_floor());
	if (!rtc_queue_is_applied(trust->lsn) ||
		!rtc_trust_stored(trust->lsn))
	{
		*reason = RTC_STAT_BYPASS_LAG;
		return false;
	}

	breaker = rtc_breaker_state();
	if (rtc_cmd_ready())
		return true;
	*reason = breaker == RTC_BREAKER_CLOSED ? RTC_STAT_BYPASS_ERROR :
		RTC_STAT_BYPASS_BREAKER;
	return false;
}

bool
rtc_trust_redis(RtcTrust *trust, const RtcStampRead *stamps, const char *key,
				uint32 keylen, RtcCounter *reason)
{
	char		prefix[RTC_MAX_PREFIX_LEN];

	if (!rtc_trust_begin(trust, rtc_stamp_read_lsn(stamps), prefix, reason))
		return false;
	initStringInfo(&trust->name);
	appendStringInfoString(&trust->name, prefix);
	appendBinaryStringInfo(&trust->name, key, keylen);
	return true;
}

static bool
is_stored(XLogRecPtr lsn)
{
	return rtc_redis_stored() >= lsn;
}

/* Waits a little until the relay has got to lsn, one way or the other. */
static bool
wait_for_relay(bool (*has_got) (XLogRecPtr), XLogRecPtr lsn)
{
	static uint32 wait_event = 0;
	int64		deadline = rtc_deadline_in(POSITION_WAIT_MS);
	bool		reached;

	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcachePosition");
	ConditionVariablePrepareToSleep(rtc_queue_moved());
	for (;;)
	{
		int64		left;

		reached = has_got(lsn);
		left = rtc_deadline_left(deadline);
		if (reached || left <= 0)
			break;
		(void) ConditionVariableTimedSleep(rtc_queue_moved(), left,
										   wait_event);
	}
	ConditionVariableCancelSleep();
	return reached;
}

bool
rtc_trust_stored(XLogRecPtr lsn)
{
	if (lsn <= rtc_redis_stored())
		return true;
	rtc_redis_ask_stored(lsn);
	rtc_queue_wake(lsn);
	if (lsn > GetFlushRecPtr(NULL))
		return false;
	return wait_for_relay(is_stored, lsn);
}

void
rtc_trust_wait(const RtcStampRead *stamps)
{
	XLogRecPtr	lsn = rtc_stamp_read_lsn(stamps);
	uint64		generation;

	if (!RtcRedisConfigured() || !rtc_redis_is_open(&generation) ||
		rtc_queue_is_applied(lsn))
		return;
	rtc_queue_wake(lsn);
	(void) wait_for_relay(rtc_queue_is_applied, lsn);
}

bool
rtc_trust_holds(const RtcTrust *trust)
{
	uint64		generation;

	pg_read_barrier();
	return rtc_redis_is_open(&generation) &&
		generation == trust->l2_generation &&
		rtc_prefix_generation() == trust->prefix_generation;
}

Jsonb *
rtc_parse_value(const RtcValue *value)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile result = NULL;

	if (!pg_verifymbstr(value->value, value->len, true))
		return NULL;

	/*
	 * jsonb_in() computes in memory and holds nothing that would need a
	 * subtransaction to let go, so its errors can be caught as xml.c does
	 * with those of its parser.
	 */
	PG_TRY();
	{
		result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													CStringGetDatum(value->value)));
	}
	PG_CATCH();
	{
		switch (ERRCODE_TO_CATEGORY(geterrcode()))
		{
			case ERRCODE_DATA_EXCEPTION:
			case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
				MemoryContextSwitchTo(context);
				FlushErrorState();
				result = NULL;
				break;
			default:
				PG_RE_THROW();
		}
	}
	PG_END_TRY();
	return result;
}
