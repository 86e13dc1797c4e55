/*-------------------------------------------------------------------------
 *
 * suspect.c
 *		Finds the op that Redis refuses.
 *
 * Redis may refuse one op for a reason that stays: a value above
 * proto-max-bulk-len, at which it hangs up; a key that the ACL of our user
 * lacks.  All ops behind it have to be applied nevertheless.
 *
 * It is found by experiment, not by the text of the error.  Each connection
 * begins by storing the position alone.  If a batch fails then, the batch is at
 * fault, or it was chance.  WAL is read again, and batches are half as large.  An
 * op that fails alone, repeatedly, is refused.  A SET becomes a DEL, which is
 * always safe.  A DEL or the drop of a tag set may leave an old value behind, so
 * its database is given up (closed.c).  A Redis that refuses everything does not
 * get that far, since it refuses the position, too.
 *
 * Batches grow again when all that was sent with the failed one is verified.
 *
 * Model: the relay alone.  Memory is bounded: a database with too many refused
 * SETs is given up.  Raises out of memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "guc.h"
#include "op.h"
#include "relay/closed.h"
#include "relay/prefix.h"
#include "relay/suspect.h"
#include "stats.h"

/* Failures of one op alone before it is refused. */
#define SET_TRIES		2
#define DEL_TRIES		3

/* Refused SETs of one database before it is given up: in a row, and at a time. */
#define MAX_REFUSED		100

/* Batches that must go well before they may be twice as large. */
#define GOOD_BATCHES	16

/* Bytes of a key that the log shows. */
#define SHOWN_KEY		80

/* A SET that is applied as a DEL. */
typedef struct Refused
{
	Oid			dboid;
	XLogRecPtr	lsn;			/* if its commit ends here, or before */
	size_t		keylen;
	char		key[FLEXIBLE_ARRAY_MEMBER]; /* without prefix */
} Refused;

static void note_alone(RtcSuspect *suspect, const RtcBatchOp *op,
					   bool progressed);
static void forget_alone(RtcSuspect *suspect);
static bool has_too_many(const RtcSuspect *suspect);
static void refuse_set(RtcSuspect *suspect, const RtcBatchOp *op,
					   XLogRecPtr lsn, const char *error);
static void give_up(const RtcBatchOp *op, XLogRecPtr lsn, const char *error);
static void append_key(StringInfo buf, const char *key, size_t len);

RtcSuspect *
rtc_suspect_create(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "rtcache refused ops",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RtcSuspect *suspect = palloc0(sizeof(RtcSuspect));

	suspect->context = context;
	initStringInfo(&suspect->key);
	MemoryContextSwitchTo(old);
	return suspect;
}

int
rtc_suspect_limit(const RtcSuspect *suspect)
{
	return suspect->limit > 0 ? Min(suspect->limit, rtc_batch_size) :
		rtc_batch_size;
}

void
rtc_suspect_failed(RtcSuspect *suspect, const RtcBatch *batch,
				   const char *error)
{
	const RtcBatchOp *op = linitial(batch->ops);

	suspect->learned = true;
	suspect->searching = true;
	suspect->until = Max(suspect->until, batch->lsn);
	suspect->good = 0;
	suspect->limit = Max(Min(batch->nops, rtc_suspect_limit(suspect)) / 2, 1);
	if (batch->nops > 1)
		return;
	note_alone(suspect, op, batch->progressed);
	if (suspect->tries < (op->is_set ? SET_TRIES : DEL_TRIES))
		return;
	if (op->is_set)
		refuse_set(suspect, op, batch->lsn, error);
	else
		give_up(op, batch->lsn, error);
	forget_alone(suspect);
}

void
rtc_suspect_applied(RtcSuspect *suspect, const RtcBatch *batch,
					XLogRecPtr stored)
{
	ListCell   *lc;

	if (suspect->refused_in_row > 0)
		foreach(lc, batch->ops)
	{
		const RtcBatchOp *op = lfirst(lc);

		if (op->is_set && op->dboid == suspect->refused_dboid)
			suspect->refused_in_row = 0;
	}
	foreach(lc, suspect->refused)
	{
		Refused    *it = lfirst(lc);

		if (it->lsn > stored)
			continue;
		suspect->refused = foreach_delete_current(suspect->refused, lc);
		pfree(it);
	}
	if (stored < suspect->until)
		return;
	suspect->searching = false;
	forget_alone(suspect);
	if (suspect->limit == 0 || batch->nops == 0 ||
		++suspect->good < GOOD_BATCHES)
		return;
	suspect->good = 0;
	suspect->limit *= 2;
	if (suspect->limit >= rtc_batch_size)
		suspect->limit = 0;
}

bool
rtc_suspect_is_refused(const RtcSuspect *suspect, Oid dboid, const RtcOp *op,
					   XLogRecPtr lsn)
{
	ListCell   *lc;

	foreach(lc, suspect->refused)
	{
		Refused    *it = lfirst(lc);

		if (it->dboid == dboid && lsn <= it->lsn && it->keylen == op->keylen &&
			memcmp(it->key, op->key, op->keylen) == 0)
			return true;
	}
	return false;
}

/* ---------------- one op alone ---------------- */

/*
 * Counts how often this op has failed alone.  A large tag set may take several
 * connections, each of which does a part.
 */
static void
note_alone(RtcSuspect *suspect, const RtcBatchOp *op, bool progressed)
{
	if (progressed || suspect->is_set != op->is_set ||
		suspect->key.len != op->keylen ||
		memcmp(suspect->key.data, op->key, op->keylen) != 0)
	{
		forget_alone(suspect);
		appendBinaryStringInfo(&suspect->key, op->key, op->keylen);
		suspect->is_set = op->is_set;
	}
	suspect->tries++;
}

static void
forget_alone(RtcSuspect *suspect)
{
	resetStringInfo(&suspect->key);
	suspect->tries = 0;
}

/*
 * Are too many SETs refused of the database of the last one: in a row, or of
 * those that may have to be applied again?
 */
static bool
has_too_many(const RtcSuspect *suspect)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, suspect->refused)
		if (((Refused *) lfirst(lc))->dboid == suspect->refused_dboid)
		n++;
	return Max(n, suspect->refused_in_row) >= MAX_REFUSED;
}

static void
refuse_set(RtcSuspect *suspect, const RtcBatchOp *op, XLogRecPtr lsn,
		   const char *error)
{
	const char *key = op->key + op->prefixlen;
	size_t		keylen = op->keylen - op->prefixlen;
	MemoryContext old;
	Refused    *it;
	StringInfoData text;
	char		dbname[NAMEDATALEN];

	if (op->dboid != suspect->refused_dboid)
		suspect->refused_in_row = 0;
	suspect->refused_dboid = op->dboid;
	suspect->refused_in_row++;
	rtc_stat_inc(RTC_STAT_SETS_REFUSED);
	if (has_too_many(suspect))
	{
		suspect->refused_in_row = 0;
		give_up(op, lsn, error);
		return;
	}

	old = MemoryContextSwitchTo(suspect->context);
	it = palloc(offsetof(Refused, key) + keylen);
	it->dboid = op->dboid;
	it->lsn = lsn;
	it->keylen = keylen;
	memcpy(it->key, key, keylen);
	suspect->refused = lappend(suspect->refused, it);
	MemoryContextSwitchTo(old);

	initStringInfo(&text);
	append_key(&text, key, keylen);
	rtc_prefix_database_name(op->dboid, dbname);
	ereport(WARNING,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("Redis refuses the value of key \"%s\" of database \"%s\": %s",
					text.data, dbname, error),
			 errdetail("It has %zu bytes. The key is deleted instead.",
					   op->vallen)));
	pfree(text.data);
}

static void
give_up(const RtcBatchOp *op, XLogRecPtr lsn, const char *error)
{
	StringInfoData why;

	initStringInfo(&why);
	appendStringInfo(&why, "Redis refuses to %s \"",
					 op->is_set ? "store key" :
					 op->is_tag ? "drop tag set" : "delete key");
	append_key(&why, op->key + op->prefixlen,
			   op->keylen - op->prefixlen);
	appendStringInfo(&why, "\": %s", error);
	(void) rtc_closed_give_up(op->dboid, NULL, lsn, why.data);
	pfree(why.data);
}

/* A key for the log: cut, and what is not printable ASCII as \xNN. */
static void
append_key(StringInfo buf, const char *key, size_t len)
{
	for (size_t i = 0; i < Min(len, SHOWN_KEY); i++)
	{
		unsigned char c = key[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			appendStringInfo(buf, "\\x%02x", c);
		else
			appendStringInfoChar(buf, c);
	}
	if (len > SHOWN_KEY)
		appendStringInfoString(buf, "...");
}
