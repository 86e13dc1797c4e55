/*-------------------------------------------------------------------------
 *
 * fetch.c
 *		The second half of the read path: the answer is not in L1.
 *
 * Redis is asked, if it can be trusted.  Otherwise, or if it does not have the
 * answer, the query is run, and the answer is stored where it can be.  The head of
 * lookup.c, steps 3 and 4, tells why this is right.
 *
 * Model: as lookup.c.
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
#include "read/families.h"
#include "read/fetch.h"
#include "read/hits.h"
#include "read/key_conflicts.h"
#include "read/lookup_trust.h"
#include "read/redis_lookup.h"
#include "read/standby.h"
#include "redis/trust.h"
#include "rule/row_json.h"
#include "rule/rule_catalog.h"
#include "rule/ttl.h"
#include "stats.h"

/* Longest arguments, in bytes, that are part of a fingerprint as they are. */
#define MAX_PLAIN_ARGS	32

/* How often to ask for a value that another server's reader is computing. */
#define POLL_MIN_MS		1
#define POLL_MAX_MS		50

/* What Redis is asked for, and on what grounds it is believed. */
typedef struct Request
{
	RtcTrust	trust;
	RtcWanted	wanted;
	char		fingerprint[RTC_MAX_FINGERPRINT];
	char		token[RTC_TOKEN_LEN];	/* of the lease */
	int64		leased_at_ms;	/* rtc_clock_ms() before it was asked for */
	int			lease_ms;		/* how long it lasts */
	int64		ttl_ms;			/* of what we store; 0 = it does not expire */
} Request;

/* ---------------- looking ---------------- */

/* Appends bytes in hexadecimal; returns the end. */
static char *
append_hex(char *out, const void *bytes, size_t len)
{
	hex_encode(bytes, len, out);
	return out + 2 * len;
}

/*
 * Names what we look for in Redis.  The fingerprint decides whether an answer
 * is given, so it must not be possible to forge it by choosing arguments: they
 * are in it as they are, or by a cryptographic hash, which costs more than all
 * the rest of this.
 */
static void
name_wanted(Request *request, const RtcQuestion *question,
			const RtcLookupNames *names)
{
	const RtcL1Question *q = &question->l1;
	const RtcTrust *trust = &request->trust;
	char	   *end = request->fingerprint;

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

	rtc_cmd_want(&request->wanted, trust->name.data, trust->name.len,
				 trust->name.len - q->keylen, names->dep,
				 names->owned ? 0 : names->ndeps, trust->lsn, trust->epoch);
	request->wanted.fingerprint = request->fingerprint;
	request->wanted.fingerprintlen = end - request->fingerprint;
	request->wanted.owned = names->owned;
	request->wanted.stale_ms = question->stale_ms;
}

/*
 * Makes an answer of a value found in Redis, and tells what computing it has
 * taken.  NULL = it is corrupt.  Raises
 * what the query would raise if this user may not have the answer.
 */
static Jsonb *
read_value(const RtcQuestion *question, const RtcValue *value,
		   uint32 *computed_us)
{
	Jsonb	   *answer;
	bool		fits;
	int64		us = -1;

	/* first of all: who may not read must not drop either */
	rtc_query_check_access(question->query);
	rtc_stat_add(RTC_STAT_BYTES_READ, value->len);
	answer = rtc_parse_value(value);
	fits = answer != NULL &&
		(value->companion != NULL || JB_ROOT_IS_OBJECT(answer)) &&
		(question->l1.one_row ||
		 (JB_ROOT_IS_ARRAY(answer) && !JB_ROOT_IS_SCALAR(answer)));
	if (!fits)
	{
		rtc_stat_inc(RTC_STAT_CORRUPT);
		return NULL;
	}
	if (value->companion != NULL)
		us = rtc_companion_computed(value->companion, value->companionlen);
	if (question->again)
		*computed_us = Max(us, 0);
	else
	{
		rtc_stat_inc(RTC_STAT_L2_HITS);
		*computed_us = rtc_family_l2_hit(question->l1.key, question->l1.keylen,
										 us);
	}
	return answer;
}

/*
 * Tells writers that what this answer depends on is registered in Redis, or
 * is about to be.  False = there may be one who did not get to know it.
 *
 * A writer raises its stamps and then looks whether anybody is interested.  We
 * say that we are, and then look at the stamps again.  So it finds us, and its
 * drop, which the relay makes when its write is visible, deletes our lease; or
 * we find it pending; or it was over before we looked.  Then the version has
 * moved, unless it was over when we took the stamps, so that our snapshot has its
 * write.
 */
static bool
register_interest(const RtcWanted *wanted, const RtcLookupNames *names)
{
	if (wanted->ntags == 0)
		return true;
	rtc_interest_register(names->dep, names->ndeps);
	RTC_INJECT("interest_registered");
	return rtc_stamp_read_valid(&names->stamps);
}

/*
 * May Redis be given what the query returns now?  Only if the position there
 * tells of every commit that the answer may show, even of those that had no op
 * for Redis.  Else the server could crash before such a commit is flushed, or be
 * replaced by one that does not have it, and the position would fit all the same.
 *
 * What becomes visible later moves a version, and we do not fill.
 */
static bool
may_fill(RtcWanted *wanted, const RtcLookupNames *names)
{
	XLogRecPtr	lsn = rtc_stamp_read_commit(&names->stamps);

	if (!rtc_trust_stored(lsn))
		return false;
	wanted->lsn = Max(wanted->lsn, lsn);
	return true;
}

/* Waits a while for another server's reader, longer each time; how long (ms). */
static int
wait_for_lease(int waited)
{
	static uint32 wait_event = 0;
	int			delay = Min(waited + POLL_MIN_MS, POLL_MAX_MS);

	delay = Min(delay, rtc_fill_wait - waited);
	if (wait_event == 0)
		wait_event = WaitEventExtensionNew_compat("RtcacheFillPoll");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 delay, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return delay;
}

/*
 * Asks for the lease, after all that has to be done before.  If that cannot be
 * done, sets *reason to what a lookup without L1 counts, and returns FAILED.
 */
static RtcGetResult
ask_lease(Request *request, const RtcQuestion *question,
		  const RtcLookupNames *names, bool first, RtcValue *value,
		  RtcCounter *reason)
{
	RtcGetResult found;

	*reason = RTC_STAT_BYPASS_LAG;
	if (first && !may_fill(&request->wanted, names))
		return RTC_GET_FAILED;
	*reason = RTC_STAT_BYPASS_PENDING;
	if (first && !register_interest(&request->wanted, names))
		return RTC_GET_FAILED;
	*reason = RTC_STAT_BYPASS_ERROR;
	request->lease_ms = rtc_lease_ttl;
	request->leased_at_ms = rtc_clock_ms();
	found = rtc_cmd_lease(&request->wanted, request->token, request->lease_ms,
						  question->ttl_ms, value);
	RTC_INJECT("leased");
	return found;
}

/*
 * Looks for the answer in Redis: a HIT sets it and its *ttl_ms; LEASED means
 * that we may store it.  Otherwise *reason is what a lookup without L1 counts.
 */
static RtcGetResult
ask_redis(Request *request, const RtcQuestion *question,
		  const RtcLookupNames *names, RtcAnswer *answer, int64 *ttl_ms,
		  RtcCounter *reason)
{
	const RtcTrust *trust = &request->trust;
	const RtcWanted *wanted = &request->wanted;
	RtcGetResult found;
	RtcValue	value;
	int			waited = 0;
	bool		first = true;

	if (!rtc_trust_redis(&request->trust, &names->stamps, question->l1.key,
						 question->l1.keylen, reason))
		return RTC_GET_FAILED;

	RTC_INJECT("trusted");
	name_wanted(request, question, names);
	*reason = RTC_STAT_BYPASS_ERROR;
	found = rtc_cmd_get(wanted, &value);
	if (found == RTC_GET_OTHER)
	{
		rtc_key_conflict(question->l1.key, question->l1.keylen);
		found = RTC_GET_MISS;
	}
	RTC_INJECT("got");
	for (;; first = false)
	{
		if (found == RTC_GET_HIT && rtc_trust_holds(trust))
		{
			answer->value = read_value(question, &value, &answer->computed_us);
			if (answer->value != NULL)
			{
				/* its last millisecond is 0 in Redis, which is no end for L1 */
				*ttl_ms = value.ttl_ms == 0 ? 1 : value.ttl_ms;
				return found;
			}
			rtc_cmd_drop(wanted->key, wanted->keylen, value.value, value.len);
		}
		else if (found == RTC_GET_CORRUPT)
		{
			rtc_stat_inc(RTC_STAT_CORRUPT);
			if (!rtc_cmd_drop(wanted->key, wanted->keylen, NULL, 0))
				break;
		}
		else if (found == RTC_GET_BUSY)
		{
			if (waited == 0)
				rtc_stat_inc(RTC_STAT_LEASE_BUSY);
			if (waited >= rtc_fill_wait || !rtc_trust_holds(trust))
				break;
			waited += wait_for_lease(waited);
		}
		else if (found != RTC_GET_MISS)
			break;
		found = ask_lease(request, question, names, first, &value, reason);
	}

	if (found == RTC_GET_FAILED)
		return found;
	*reason = RTC_STAT_MISSES;
	/* a hit that was not taken above is none */
	if (found != RTC_GET_HIT && rtc_trust_holds(trust))
		return found;
	*reason = RTC_STAT_BYPASS_NOT_READY;
	if (found == RTC_GET_LEASED)
		rtc_cmd_unlease(wanted, request->token);
	return RTC_GET_FAILED;
}

/*
 * Looks for the answer in Redis on a standby.  NULL = it is not there.
 */
static Jsonb *
ask_on_standby(const RtcQuestion *question, const RtcLookupNames *names,
			   uint32 *computed_us)
{
	RtcValue	value;

	/* only rules write what the position tells of */
	if (names->owned &&
		rtc_standby_get(question->l1.key, question->l1.keylen, &value) &&
		rtc_is_row_text(value.value, value.len))
		return read_value(question, &value, computed_us);
	return NULL;
}

/* ---------------- storing ---------------- */

static void
count_family(const RtcQuestion *question, RtcFamilyCounter counter, uint64 n)
{
	rtc_family_add(question->l1.key, question->l1.keylen, counter, n);
}

static void
count_miss(const RtcQuestion *question, const RtcAnswer *answer)
{
	count_family(question, RTC_FAMILY_MISSES, 1);
	count_family(question, RTC_FAMILY_COMPUTED_US, answer->computed_us);
}

static void
count_fill(const RtcQuestion *question, size_t bytes)
{
	rtc_stat_inc(RTC_STAT_FILLS);
	count_family(question, RTC_FAMILY_FILLS, 1);
	count_family(question, RTC_FAMILY_BYTES, bytes);
}

static void
count_refused(const RtcQuestion *question)
{
	rtc_stat_inc(RTC_STAT_FILLS_REFUSED);
	count_family(question, RTC_FAMILY_REFUSED, 1);
}

/* Runs the query, and notes what that takes. */
static void
run(const RtcQuestion *question, StringInfo text, RtcAnswer *answer)
{
	int64		begin = rtc_clock_us();

	answer->value = rtc_question_run(question, text);
	answer->computed_us = Min(rtc_clock_us() - begin, PG_UINT32_MAX);
}

/*
 * Is this an answer that could be taken for a row that a rule has stored, under
 * a key of that rule?  A value that has lost its companion is, if it looks like
 * one: so those that are not that row are marked.
 */
static bool
needs_mark(const RtcQuestion *question, const RtcLookupNames *names,
		   const StringInfo text)
{
	return !names->owned && rtc_is_row_text(text->data, text->len) &&
		rtc_rules_that_make(question->l1.key, question->l1.keylen) != NIL;
}

/*
 * Stores the text of an answer in Redis, if it is not too large and the lease is
 * still ours.
 */
static void
fill(const Request *request, const RtcQuestion *question,
	 const RtcLookupNames *names, StringInfo text, RtcAnswer *answer)
{
	const RtcWanted *wanted = &request->wanted;
	StringInfoData companion;
	int			stored;

	if (text->len == 0)
		appendStringInfoString(text, "null");	/* there was no row */
	if (needs_mark(question, names, text))
		appendStringInfoChar(text, RTC_NO_ROW_MARK);

	RTC_INJECT("fill_begins");
	if (text->len > RtcMaxValueBytes())
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		rtc_cmd_unlease(wanted, request->token);
		answer->too_large = true;
		return;
	}

	initStringInfo(&companion);
	rtc_companion_write(&companion, request->fingerprint,
						question->query->privileges, names->dep, wanted->ntags,
						answer->computed_us);
	stored = rtc_cmd_fill(wanted, request->token, text->data, text->len,
						  companion.data, companion.len, request->ttl_ms);
	if (stored == 0)
		count_refused(question);
	else if (stored > 0)
	{
		count_fill(question, text->len);
		rtc_stat_add(RTC_STAT_BYTES_WRITTEN, text->len);
	}
	answer->in_redis = stored > 0;
}

/* May an answer that was just computed be stored, as far as the query goes? */
static bool
may_store(const RtcQuestion *question)
{
	/* it has not written, and its text means what it did */
	return !TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
		rtc_query_is_current(question->query);
}

/*
 * Runs the query while we hold the lease, and stores the answer in Redis.
 */
static void
run_with_lease(const Request *request, const RtcQuestion *question,
			   const RtcLookupNames *names, RtcAnswer *answer)
{
	StringInfoData text;

	initStringInfo(&text);
	PG_TRY();
	{
		run(question, &text, answer);
	}
	PG_CATCH();
	{
		/* lest the next lookup wait for it to expire */
		rtc_cmd_unlease(&request->wanted, request->token);
		PG_RE_THROW();
	}
	PG_END_TRY();

	RTC_INJECT("answer_computed");
	if (rtc_clock_ms() - request->leased_at_ms >= request->lease_ms)
		count_refused(question);	/* it has expired */
	else if (!may_store(question) ||
			 !rtc_trust_holds(&request->trust) ||
			 !rtc_stamp_read_valid(&names->stamps))
	{
		/*
		 * The relay would not vouch for this any more, or the answer may show
		 * a commit from after may_fill(), which looked whether the position
		 * covers everything from before.
		 */
		count_refused(question);
		rtc_cmd_unlease(&request->wanted, request->token);
	}
	else
		fill(request, question, names, &text, answer);
	RTC_INJECT("filled");
	pfree(text.data);
}

/*
 * Stores an answer in L1.
 */
static void
store(const RtcQuestion *question, const RtcLookupNames *names,
	  RtcAnswer *answer, int64 ttl_ms, uint32 losses)
{
	RtcL1Stored stored;
	RtcL1Note	note;

	answer->in_vain = true;
	if (!may_store(question))
		return;
	if (answer->value != NULL && VARSIZE(answer->value) > RtcMaxValueBytes())
	{
		rtc_stat_inc(RTC_STAT_TOO_LARGE);
		return;
	}
	if (!rtc_stamp_read_valid(&names->stamps))
	{
		answer->in_vain = false;	/* nobody could use it, now is another
									 * time */
		return;
	}
	note.computed_us = answer->computed_us;
	/* what could not be put back is tried again, unless it never can be */
	note.losses = question->put_back && !answer->found && !answer->in_redis &&
		!answer->too_large ? 0 : losses;
	note.dropped = (answer->in_redis || answer->found) && !names->owned &&
		names->ndeps > 0;
	stored = rtc_l1_store(&question->l1, &names->stamps, answer->value, ttl_ms,
						  &note);
	if (stored == RTC_L1_REFUSED)
		return;
	answer->in_vain = false;
	answer->in_l1 = true;
	if (!answer->in_redis)
		count_fill(question, answer->value == NULL ? 0 : VARSIZE(answer->value));
	if (stored == RTC_L1_CONFLICT)
		rtc_key_conflict(question->l1.key, question->l1.keylen);
}

void
rtc_fetch(const RtcQuestion *question, const RtcLookupNames *names,
		  bool use_l1, RtcAnswer *answer)
{
	Request		request;
	RtcGetResult found;
	RtcCounter	reason;
	int64		ttl_ms = rtc_ttl_jittered(question->ttl_ms);

	/* before Redis is asked: what it loses from here on is put back */
	uint32		losses = rtc_redis_losses();

	request.ttl_ms = ttl_ms;
	answer->found = false;
	answer->in_l1 = false;
	answer->in_redis = false;
	answer->too_large = false;
	answer->in_vain = false;
	if (RecoveryInProgress())
	{
		answer->value = ask_on_standby(question, names, &answer->computed_us);
		if (answer->value != NULL)
			return;
		rtc_stat_inc(RTC_STAT_BYPASS_NOT_READY);
		answer->value = rtc_question_run(question, NULL);
		return;
	}

	found = ask_redis(&request, question, names, answer, &ttl_ms, &reason);
	answer->found = found == RTC_GET_HIT;
	if (answer->found)
	{
		if (rtc_hits_matter() && !question->again)
			rtc_hit(question, names, ttl_ms);
	}
	else if (question->again && found != RTC_GET_LEASED &&
			 (!use_l1 || question->put_back))
	{
		answer->value = NULL;
		return;
	}
	else
	{
		/* Without L1 there is no cache in this case. */
		if (use_l1)
			reason = RTC_STAT_MISSES;
		if (!question->again)
			rtc_stat_inc(reason);
		if (found == RTC_GET_LEASED)
			run_with_lease(&request, question, names, answer);
		else
			run(question, NULL, answer);
		if (reason == RTC_STAT_MISSES && !question->again)
			count_miss(question, answer);
		RTC_INJECT("l1_store_begins");
	}
	if (use_l1)
		store(question, names, answer, ttl_ms, losses);
}
