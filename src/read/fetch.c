/*-------------------------------------------------------------------------
 *
 * fetch.c
 *		The second half of the read path: the answer is not in L1.
 *
 * Redis is asked, if it can be trusted; else, or if it does not have the
 * answer, the query is run, and the answer is stored where it can be.  Why this
 * is right is told at the head of lookup.c, steps 3 and 4.
 *
 * MODEL: as lookup.c, of which this is a part.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/inject.h"
#include "compat.h"
#include "dep/interest.h"
#include "guc.h"
#include "read/companion.h"
#include "read/lookup_internal.h"
#include "read/standby.h"
#include "rule/row_json.h"
#include "rule/rule_keys.h"
#include "stats.h"

/* Longest arguments, in bytes, that are part of a fingerprint as they are. */
#define MAX_PLAIN_ARGS	32

/* How often to ask for a value that another server's reader is computing. */
#define POLL_MIN_MS		1
#define POLL_MAX_MS		50

static char *append_hex(char *out, const void *bytes, size_t len);
static void name_wanted(RtcLookup *l);
static bool register_interest(RtcLookup *l);
static bool may_fill(RtcLookup *l);
static bool owned_fits(const Jsonb *answer);
static bool ask_redis(RtcLookup *l, Jsonb **answer, bool *leased,
					  RtcCounter *reason);
static Jsonb *use_value(RtcLookup *l, const RtcValue *value);
static Jsonb *run_with_lease(RtcLookup *l);
static void fill(RtcLookup *l);
static void store(RtcLookup *l, Jsonb *answer, int64 ttl_ms);

/*
 * Gets the answer from Redis or from the query, and stores it.
 */
Jsonb *
rtc_lookup_fetch(RtcLookup *l)
{
	Jsonb	   *answer;
	RtcCounter	reason;
	bool		leased = false;

	if (RecoveryInProgress())
	{
		RtcValue	value;

		/* only rules write what the position tells of */
		if (l->owned &&
			rtc_standby_get(l->question.key, l->question.keylen, &value) &&
			rtc_is_row_text(value.value, value.len))
		{
			answer = use_value(l, &value);
			if (answer != NULL)
				return answer;
		}
		rtc_stat_inc(RTC_STAT_BYPASS_NOT_READY);
		return rtc_lookup_run(l);
	}
	if (ask_redis(l, &answer, &leased, &reason))
		return answer;

	/* Without L1 there is no cache in this case. */
	rtc_stat_inc(l->use_l1 ? RTC_STAT_MISSES : reason);
	answer = leased ? run_with_lease(l) : rtc_lookup_run(l);
	RTC_INJECT("l1_store_begins");
	store(l, answer, l->ttl_ms);
	return answer;
}

/*
 * Appends bytes in hexadecimal; returns the end.
 */
static char *
append_hex(char *out, const void *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const uint8 *p = bytes;

	for (size_t i = 0; i < len; i++)
	{
		*out++ = hex[p[i] >> 4];
		*out++ = hex[p[i] & 15];
	}
	return out;
}

/*
 * Names what we look for in Redis.  The fingerprint decides whether an answer
 * is given, so it must not be possible to forge it by choosing arguments: they
 * are in it as they are, or by a cryptographic hash, which costs more than all
 * the rest of this.
 */
static void
name_wanted(RtcLookup *l)
{
	const RtcL1Question *q = &l->question;
	char	   *end = l->fingerprint;

	StaticAssertStmt(2 * (sizeof(RtcQueryId) +
						  Max(MAX_PLAIN_ARGS, PG_SHA256_DIGEST_LENGTH)) + 4 <=
					 RTC_MAX_FINGERPRINT, "fingerprint too long");

	end = append_hex(end, q->id, sizeof(RtcQueryId));
	*end++ = q->one_row ? 'r' : 'l';
	if (q->argslen <= MAX_PLAIN_ARGS)
		end = append_hex(end, q->args, q->argslen);
	else
	{
		uint8		digest[PG_SHA256_DIGEST_LENGTH];
		pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

		if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
			pg_cryptohash_update(ctx, (const uint8 *) q->args,
								 q->argslen) < 0 ||
			pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
			elog(ERROR, "could not compute SHA-256 hash");
		pg_cryptohash_free(ctx);
		*end++ = '#';
		end = append_hex(end, digest, sizeof(digest));
	}
	*end++ = ' ';
	*end = '\0';

	rtc_cmd_want(&l->wanted, l->trust.name.data, l->trust.name.len,
				 l->trust.name.len - q->keylen, l->dep,
				 l->owned ? 0 : l->ndeps, l->trust.lsn, l->trust.epoch);
	l->wanted.fingerprint = l->fingerprint;
	l->wanted.fingerprintlen = end - l->fingerprint;
	l->wanted.owned = l->owned;
}

/*
 * Tells writers that what this answer depends on is registered in Redis, or
 * is about to be.  False = there may be one who did not get to know it.
 *
 * A writer raises its stamps and then looks whether anybody is interested; we
 * say that we are, and then look at the stamps again.  So it finds us, and its
 * drop, which the relay makes when its write is visible, deletes our lease; or
 * we find it pending; or it was over before we looked, and then the version
 * has moved unless it was over when we took the stamps, so that our snapshot
 * has its write.
 */
static bool
register_interest(RtcLookup *l)
{
	if (l->wanted.ntags == 0)
		return true;
	rtc_interest_register(l->dep, l->ndeps);
	RTC_INJECT("interest_registered");
	return rtc_stamp_read_valid(&l->stamps);
}

/*
 * May Redis be given what the query returns now?  Only if the position there
 * tells of every commit that the answer may show, those that had no op for
 * Redis as well.  Else the server could crash before such a commit is flushed,
 * or be replaced by one that does not have it, and the position would fit all
 * the same.
 *
 * What becomes visible later moves a version, and we do not fill.
 */
static bool
may_fill(RtcLookup *l)
{
	XLogRecPtr	lsn = rtc_stamp_read_commit(&l->stamps);

	if (!rtc_trust_stored(lsn))
		return false;
	l->wanted.lsn = Max(l->wanted.lsn, lsn);
	return true;
}

/*
 * Looks for the answer in Redis.  False = it is not there; leased: we may
 * store it; reason: what a lookup without L1 counts then.
 */
static bool
ask_redis(RtcLookup *l, Jsonb **answer, bool *leased, RtcCounter *reason)
{
	static uint32 wait_event = 0;
	RtcTrust   *trust = &l->trust;
	RtcWanted  *wanted = &l->wanted;
	RtcGetResult found;
	RtcValue	value;
	int			delay = POLL_MIN_MS;
	int			waited = 0;
	bool		registered = false;

	if (!rtc_trust_redis(trust, &l->stamps, l->question.key,
						 l->question.keylen, reason))
		return false;

	RTC_INJECT("trusted");
	name_wanted(l);
	found = rtc_cmd_get(wanted, &value);
	RTC_INJECT("got");
	for (;;)
	{
		if (found == RTC_GET_HIT && rtc_trust_holds(trust))
		{
			*answer = use_value(l, &value);
			if (*answer != NULL)
				return true;
			rtc_cmd_drop(wanted->key, wanted->keylen, value.value, value.len);
			found = RTC_GET_MISS;
		}
		else if (found == RTC_GET_CORRUPT)
		{
			rtc_stat_inc(RTC_STAT_CORRUPT);
			if (!rtc_cmd_drop(wanted->key, wanted->keylen, NULL, 0))
				break;
			found = RTC_GET_MISS;
		}

		if (found == RTC_GET_BUSY)
		{
			if (waited == 0)
				rtc_stat_inc(RTC_STAT_LEASE_BUSY);
			if (waited >= rtc_fill_wait || !rtc_trust_holds(trust))
				break;
			if (wait_event == 0)
				wait_event = WaitEventExtensionNew_compat("RtcacheFillPoll");
			delay = Min(delay, rtc_fill_wait - waited);
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 delay, wait_event);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			waited += delay;
			delay = Min(2 * delay, POLL_MAX_MS);
		}
		else if (found != RTC_GET_MISS)
			break;

		if (!registered && !may_fill(l))
		{
			*reason = RTC_STAT_BYPASS_LAG;
			return false;
		}
		if (!registered && !register_interest(l))
		{
			*reason = RTC_STAT_BYPASS_PENDING;
			return false;
		}
		registered = true;
		l->lease_ms = rtc_lease_ttl;
		l->leased_at_ms = rtc_clock_ms();
		found = rtc_cmd_lease(wanted, l->token, l->lease_ms, l->ttl_ms,
							  &value);
		RTC_INJECT("leased");
	}

	*reason = RTC_STAT_MISSES;
	if (found == RTC_GET_FAILED)
		*reason = RTC_STAT_BYPASS_ERROR;
	else if (!rtc_trust_holds(trust))
	{
		*reason = RTC_STAT_BYPASS_NOT_READY;
		if (found == RTC_GET_LEASED)
			rtc_cmd_unlease(wanted, l->token);
	}
	else
		*leased = found == RTC_GET_LEASED;
	return false;
}

/*
 * Can this be what the rule that owns the key has stored?
 */
static bool
owned_fits(const Jsonb *answer)
{
	return JB_ROOT_IS_OBJECT(answer);
}

/*
 * Makes an answer of a value found in Redis.  NULL = it is corrupt.  Raises
 * what the query would raise if this user may not have the answer.
 */
static Jsonb *
use_value(RtcLookup *l, const RtcValue *value)
{
	Jsonb	   *answer;

	/* first of all: who may not read must not drop either */
	rtc_query_check_access(l->query);
	rtc_stat_add(RTC_STAT_BYTES_READ, value->len);
	answer = rtc_parse_value(value);
	if (answer == NULL ||
		(value->companion == NULL && !owned_fits(answer)) ||
		(!l->one_row &&
		 (!JB_ROOT_IS_ARRAY(answer) || JB_ROOT_IS_SCALAR(answer))))
	{
		/* A list is always an array. */
		rtc_stat_inc(RTC_STAT_CORRUPT);
		return NULL;
	}
	rtc_stat_inc(RTC_STAT_L2_HITS);
	/* in its last millisecond Redis says 0, which for L1 is no end */
	store(l, answer, value->ttl_ms == 0 ? 1 : value->ttl_ms);
	return answer;
}

/*
 * Runs the query while we hold the lease, and stores the answer.
 */
static Jsonb *
run_with_lease(RtcLookup *l)
{
	Jsonb	   *volatile answer = NULL;
	StringInfoData text;

	initStringInfo(&text);
	l->text = &text;
	PG_TRY();
	{
		answer = rtc_lookup_run(l);
	}
	PG_CATCH();
	{
		/* lest the next lookup wait for it to expire */
		rtc_cmd_unlease(&l->wanted, l->token);
		PG_RE_THROW();
	}
	PG_END_TRY();

	RTC_INJECT("answer_computed");
	if (rtc_clock_ms() - l->leased_at_ms >= l->lease_ms)
		rtc_stat_inc(RTC_STAT_FILLS_REFUSED);	/* it has expired */
	else if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
			 !rtc_query_is_current(l->query) ||
			 !rtc_trust_holds(&l->trust) ||
			 !rtc_stamp_read_valid(&l->stamps))
	{
		/*
		 * The query has written, or its text came to mean something else
		 * while it ran, or the relay would not vouch for this, or the answer
		 * may show a commit from after may_fill(), which looked whether the
		 * position covers all of before.
		 */
		rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
		rtc_cmd_unlease(&l->wanted, l->token);
	}
	else
		fill(l);
	RTC_INJECT("filled");
	pfree(text.data);
	l->text = NULL;
	return answer;
}

/*
 * Is this an answer that could be taken for a row that a rule has stored, under
 * a key of that rule?  A value that has lost its companion is, if it looks like
 * one: so those that are not that row are marked.
 */
static bool
needs_mark(const RtcLookup *l)
{
	return !l->owned && rtc_is_row_text(l->text->data, l->text->len) &&
		rtc_rules_that_make(l->question.key, l->question.keylen) != NIL;
}

/*
 * Stores the text of an answer in Redis, if it is not too large and the lease is
 * still ours.
 */
static void
fill(RtcLookup *l)
{
	StringInfo	text = l->text;
	StringInfoData companion;
	int			stored;

	if (text->len == 0)
		appendStringInfoString(text, "null");	/* there was no row */
	if (needs_mark(l))
		appendStringInfoChar(text, RTC_NO_ROW_MARK);

	RTC_INJECT("fill_begins");
	if (text->len > RtcMaxValueBytes())
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		rtc_cmd_unlease(&l->wanted, l->token);
	}
	else
	{
		initStringInfo(&companion);
		rtc_companion_write(&companion, l->fingerprint,
							l->query->privileges, l->dep,
							l->wanted.ntags);
		stored = rtc_cmd_fill(&l->wanted, l->token, text->data, text->len,
							  companion.data, companion.len, l->ttl_ms);
		if (stored > 0)
		{
			rtc_stat_inc(RTC_STAT_FILLS);
			l->stored = true;
			rtc_stat_add(RTC_STAT_BYTES_WRITTEN, text->len);
		}
		else if (stored == 0)
			rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
	}
}

/*
 * Stores an answer in L1.
 */
static void
store(RtcLookup *l, Jsonb *answer, int64 ttl_ms)
{
	if (!l->use_l1)
		return;

	l->in_vain = true;
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		!rtc_query_is_current(l->query))
		return;					/* it has written, or means something else */
	if (answer != NULL && VARSIZE(answer) > RtcMaxValueBytes())
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		return;
	}
	if (!rtc_stamp_read_valid(&l->stamps))
		l->in_vain = false;		/* nobody could use it, now is another time */
	else if (rtc_l1_store(&l->question, &l->stamps, answer, ttl_ms))
	{
		l->in_vain = false;
		if (!l->stored)
			rtc_stat_inc(RTC_STAT_FILLS);
	}
}
