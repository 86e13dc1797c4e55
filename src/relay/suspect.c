/*-------------------------------------------------------------------------
 *
 * suspect.c
 *		Finds the op that Redis refuses.
 *
 * Redis may refuse one op for a reason that stays: a value above
 * proto-max-bulk-len, at which it hangs up; a key that the ACL of our user
 * lacks; whatever a proxy in between does not like.  The op must not keep all that
 * come behind it from being applied.
 *
 * It is found by experiment, not by the text of the error.  Each connection
 * begins by storing the position alone.  If that succeeds, and a batch fails
 * then, the batch is at fault, or it was chance.  WAL is read again, and
 * batches are half as large.  When one op alone fails repeatedly it is refused: a
 * SET becomes a DEL, which is always safe.  A DEL or the drop of a tag set may
 * leave an old value behind, so its database is given up (closed.c): its readers
 * stay away from Redis, and its ops are left out.  A Redis that refuses everything
 * does not get that far, since it refuses the position, too.
 *
 * Batches grow again when all that was sent with the failed one is verified.
 *
 * Model: the relay alone; nothing outlives it.  What is remembered is bounded: a
 * database with too many refused SETs is given up.  Raises out of memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "guc.h"
#include "op.h"
#include "redis/prefix_table.h"
#include "relay/closed.h"
#include "relay/suspect.h"
#include "stats.h"

/* So often one op alone has to fail before it is refused. */
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
	char	   *key;			/* without prefix */
	size_t		keylen;
} Refused;

static MemoryContext context = NULL;	/* holds the list and its members */
static List *refused = NIL;		/* of Refused */
static Oid	refused_dboid = InvalidOid; /* the database of the last one */
static int	refused_in_row = 0; /* and none of its SETs went well since */

static int	limit = 0;			/* ops in a batch; 0 = no other than usual */
static XLogRecPtr until = InvalidXLogRecPtr;	/* at least up to here */
static int	good = 0;			/* batches that went well since then */

/* The op that failed alone. */
static char *alone = NULL;		/* its full name */
static size_t alonelen;
static bool alone_is_set;
static int	tries;

static bool searching = false;	/* "until" has not been reached */
static bool learned = false;

static bool is_the_same(const RtcCulprit *culprit);
static void remember(const RtcCulprit *culprit);
static void forget(void);
static int	count_refused(Oid dboid);
static void refuse_set(const RtcCulprit *culprit, XLogRecPtr lsn,
					   const char *error);
static void give_up(const RtcCulprit *culprit, XLogRecPtr lsn,
					const char *error);
static void append_key(StringInfo buf, const char *key, size_t len);
static void database_name(Oid dboid, char name[NAMEDATALEN]);

int
rtc_suspect_limit(void)
{
	return limit > 0 ? Min(limit, rtc_batch_size) : rtc_batch_size;
}

void
rtc_suspect_failed(RtcBatch *batch, XLogRecPtr lsn, const char *error)
{
	RtcCulprit	culprit;
	int			nops = rtc_batch_ops(batch);

	learned = true;
	searching = true;
	until = Max(until, lsn);
	good = 0;
	if (nops > 1)
	{
		limit = Max(Min(nops, rtc_suspect_limit()) / 2, 1);
		return;
	}
	limit = 1;
	rtc_batch_culprit(batch, &culprit);
	/* a large tag set may take several connections */
	if (!is_the_same(&culprit) || culprit.progressed)
		remember(&culprit);
	if (++tries < (culprit.is_set ? SET_TRIES : DEL_TRIES))
		return;
	if (culprit.is_set)
		refuse_set(&culprit, lsn, error);
	else
		give_up(&culprit, lsn, error);
	forget();
}

void
rtc_suspect_applied(RtcBatch *batch, XLogRecPtr verified)
{
	ListCell   *lc;

	if (refused_in_row > 0 && rtc_batch_sets_of(batch, refused_dboid))
		refused_in_row = 0;
	foreach(lc, refused)
	{
		Refused    *it = lfirst(lc);

		if (it->lsn > verified)
			continue;
		refused = foreach_delete_current(refused, lc);
		pfree(it->key);
		pfree(it);
	}
	if (verified < until)
		return;
	searching = false;
	forget();
	if (limit == 0 || rtc_batch_ops(batch) == 0 || ++good < GOOD_BATCHES)
		return;
	good = 0;
	limit *= 2;
	if (limit >= rtc_batch_size)
		limit = 0;
}

bool
rtc_suspect_is_refused(Oid dboid, const RtcOp *op, XLogRecPtr lsn)
{
	ListCell   *lc;

	foreach(lc, refused)
	{
		Refused    *it = lfirst(lc);

		if (it->dboid == dboid && lsn <= it->lsn && it->keylen == op->keylen &&
			memcmp(it->key, op->key, op->keylen) == 0)
			return true;
	}
	return false;
}

void
rtc_suspect_learned(void)
{
	learned = true;
}

bool
rtc_suspect_has_learned(void)
{
	bool		result = learned;

	learned = false;
	return result;
}

bool
rtc_suspect_is_searching(void)
{
	return searching;
}

/* ---------------- one op alone ---------------- */

static bool
is_the_same(const RtcCulprit *culprit)
{
	return alone != NULL && alonelen == culprit->keylen &&
		alone_is_set == culprit->is_set &&
		memcmp(alone, culprit->key, alonelen) == 0;
}

static void
remember(const RtcCulprit *culprit)
{
	forget();
	alone = MemoryContextAlloc(TopMemoryContext, culprit->keylen);
	memcpy(alone, culprit->key, culprit->keylen);
	alonelen = culprit->keylen;
	alone_is_set = culprit->is_set;
}

static void
forget(void)
{
	if (alone != NULL)
		pfree(alone);
	alone = NULL;
	tries = 0;
}

/*
 * Refused SETs of a database that may have to be applied again.
 */
static int
count_refused(Oid dboid)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, refused)
		if (((Refused *) lfirst(lc))->dboid == dboid)
		n++;
	return n;
}

static void
refuse_set(const RtcCulprit *culprit, XLogRecPtr lsn, const char *error)
{
	MemoryContext old;
	Refused    *it;
	StringInfoData text;
	char		dbname[NAMEDATALEN];

	refused_in_row = culprit->dboid == refused_dboid ? refused_in_row + 1 : 1;
	refused_dboid = culprit->dboid;
	rtc_stat_inc(RTC_STAT_SETS_REFUSED);
	if (refused_in_row >= MAX_REFUSED ||
		count_refused(culprit->dboid) >= MAX_REFUSED)
	{
		refused_in_row = 0;
		give_up(culprit, lsn, error);
		return;
	}

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "rtcache refused ops",
										ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	it = palloc(sizeof(Refused));
	it->dboid = culprit->dboid;
	it->lsn = lsn;
	it->keylen = culprit->keylen - culprit->prefixlen;
	it->key = palloc(it->keylen);
	memcpy(it->key, culprit->key + culprit->prefixlen, it->keylen);
	refused = lappend(refused, it);
	MemoryContextSwitchTo(old);

	initStringInfo(&text);
	append_key(&text, it->key, it->keylen);
	database_name(culprit->dboid, dbname);
	ereport(WARNING,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("Redis refuses the value of key \"%s\" of database \"%s\": %s",
					text.data, dbname, error),
			 errdetail("It has %zu bytes. The key is deleted instead.",
					   culprit->vallen)));
	pfree(text.data);
}

static void
give_up(const RtcCulprit *culprit, XLogRecPtr lsn, const char *error)
{
	StringInfoData why;

	initStringInfo(&why);
	appendStringInfo(&why, "Redis refuses to %s \"",
					 culprit->is_set ? "store key" :
					 culprit->is_tag ? "drop tag set" : "delete key");
	append_key(&why, culprit->key + culprit->prefixlen,
			   culprit->keylen - culprit->prefixlen);
	appendStringInfo(&why, "\": %s", error);
	(void) rtc_closed_give_up(culprit->dboid, NULL, lsn, why.data);
	pfree(why.data);
}

/*
 * A key for the log: cut, and what is not printable ASCII as \xNN.
 */
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

static void
database_name(Oid dboid, char name[NAMEDATALEN])
{
	RtcPrefix	entry;

	if (rtc_prefix_copy(dboid, &entry) && entry.dbname[0] != '\0')
		strlcpy(name, entry.dbname, NAMEDATALEN);
	else
		snprintf(name, NAMEDATALEN, "%u", dboid);
}
