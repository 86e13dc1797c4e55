/*-------------------------------------------------------------------------
 *
 * op_merge.c
 *		What of a transaction's ops goes to WAL.
 *
 * The rule: a key holds what the last ROW, SET or PUT on it says, leaving out
 * each ROW whose version the transaction has ended itself.  The key is deleted
 * if none is left, if a DEL follows, or if a ROW or GONE follows the last SET
 * or PUT and none of these ROWs is left.
 *
 * So when rows exchange their keys, the order in which their triggers fire
 * does not matter: a GONE takes back only what was stored of that row.  A
 * version is stored only while it exists (trigger.c), so its GONE comes behind
 * its ROW.  Of two rows with one key the later one that is left is stored.
 *
 * A version that the transaction has both made and ended leaves nothing
 * behind: a key with no others is as before.  That can only be told if all of
 * it is found together; else the key is deleted, and misses a row that an
 * earlier transaction has left there.
 *
 * DEL, SET and PUT are absolute: they concern whatever row has the key.
 *
 * If all ops are here, one op is left on each key, a SET, FOLD, PUT or DEL.
 * If some are written early, we see a part only: a version may go that an
 * earlier message stores, and a version of this part may end later.  So ROWs
 * and GONEs are written as they are, except those that are certain to be of no
 * use, and the relay merges all of them (apply.c).  The relay keeps no record
 * of values, so it cannot take back a PUT that went out early because of a
 * later GONE.  A transaction that mixes the two gets plain DELs.
 *
 * PATTERN and CLEAR stay where they are.  An op on a key may be left out
 * across one of them: the later op on the key alone decides what the key
 * holds, and an earlier ROW that counts stays in front of it.
 *
 * Model: per backend, no state.  May raise out of memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "wal/message.h"
#include "write/gone_rows.h"
#include "write/op_merge.h"

#define RTC_NO_OP		PG_UINT32_MAX

/* A key on which ops were seen, going backwards. */
typedef struct RtcMergedKey
{
	const char *op;				/* one of the ops on it, in wire form */
	uint32		hash;
	uint32		last;			/* the last op on it that is written as GONE,
								 * if nothing behind it counts; or RTC_NO_OP */
	uint32		unmatched;		/* versions that have gone and not come */
	uint32		kept;			/* ops on it that are written */
	bool		row;			/* there is a ROW or GONE among them */
	bool		older;			/* the older value of the key must go */
	bool		decided;		/* no earlier op counts */
	char		status;			/* for simplehash */
} RtcMergedKey;

/* One merge. */
typedef struct RtcMerge
{
	const char *data;
	const char *end;			/* of the ops */
	bool		complete;		/* see rtc_op_merge() */
	const RtcListedOp *ops;
	uint8	   *kind;			/* RtcOpKind to write each op as; 0 = none */
	RtcGoneRows *gone;			/* versions that ops seen so far have ended */
} RtcMerge;

static void
decode(const RtcMerge *merge, const char *encoded, RtcOp *op)
{
	if (!rtc_op_decode(&encoded, merge->end, op))
		elog(ERROR, "cache op list is corrupted");
}

static uint32
hash_op_key(const RtcMerge *merge, const char *encoded)
{
	RtcOp		op;

	decode(merge, encoded, &op);
	return hash_bytes((const unsigned char *) op.key, op.keylen);
}

static bool
same_op_key(const RtcMerge *merge, const char *a, const char *b)
{
	RtcOp		x,
				y;

	decode(merge, a, &x);
	decode(merge, b, &y);
	return x.keylen == y.keylen && memcmp(x.key, y.key, x.keylen) == 0;
}

#define SH_PREFIX		merged
#define SH_ELEMENT_TYPE RtcMergedKey
#define SH_KEY_TYPE		const char *
#define SH_KEY			op
#define SH_HASH_KEY(tb, key) hash_op_key((tb)->private_data, key)
#define SH_EQUAL(tb, a, b) same_op_key((tb)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Notes what the op says of earlier versions on the key. */
static void
note_versions(RtcMerge *merge, RtcMergedKey *key, const RtcOp *op, uint32 i)
{
	if (op->row.older)
		key->older = true;
	if (rtc_gone_rows_add(merge->gone, op, i))
		key->unmatched++;
}

/*
 * A version has left the key.  The last such op remains, which deletes the
 * key, and those that name a version which the relay may have to take back.
 */
static RtcOpKind
merge_gone(RtcMerge *merge, RtcMergedKey *key, const RtcOp *op, uint32 i)
{
	bool		named = ItemPointerIsValid(&op->row.gone);
	bool		first = !key->row;
	uint32		by;

	key->row = true;
	if (op->row.unstored &&
		(!rtc_gone_rows_has(merge->gone, op, &by) || by == RTC_GONE_BY_UNKNOWN))
		key->older = true;
	/* another rule may have stored the version, in an earlier message */
	if (!merge->complete && !op->row.alone)
		key->older = true;
	note_versions(merge, key, op, i);
	if (rtc_gone_rows_came(merge->gone, op))
		key->unmatched--;
	if (first)
		key->last = i;
	return first || (named && !merge->complete) ? RTC_OP_GONE : 0;
}

/* A ROW counts unless its version has gone. */
static RtcOpKind
merge_row(RtcMerge *merge, RtcMergedKey *key, const RtcOp *op, uint32 i)
{
	uint32		by;

	if (rtc_gone_rows_has(merge->gone, op, &by))
	{
		uint8	   *kind = merge->kind;

		/* the relay never sees this version, and no other rule stores it */
		if (!merge->complete && op->row.alone && by != RTC_GONE_BY_UNKNOWN &&
			by != key->last && kind[by] == RTC_OP_GONE &&
			same_op_key(merge, merge->data + merge->ops[by].offset,
						merge->data + merge->ops[i].offset))
		{
			kind[by] = 0;
			key->kept--;
		}
		/* it may still be there; then the older value is outdated */
		if (by == RTC_GONE_BY_UNKNOWN)
			key->older = true;
		return merge_gone(merge, key, op, i);
	}

	if (merge->complete)
	{
		if (key->last != RTC_NO_OP)
			merge->kind[key->last] = 0;
		key->decided = true;
	}
	else
		note_versions(merge, key, op, i);
	key->row = true;
	return !merge->complete ? RTC_OP_ROW :
		op->row.behind ? RTC_OP_FOLD : RTC_OP_SET;
}

/*
 * SET, PUT or DEL: no earlier op counts.  If rows have left the key since, it
 * is deleted.
 */
static RtcOpKind
merge_absolute(RtcMerge *merge, RtcMergedKey *key, const RtcOp *op)
{
	key->decided = true;
	if (!key->row)
		return op->kind;
	return merge->complete ? 0 : RTC_OP_DEL;
}

/* Leaves out the ops on keys whose versions have all come and gone. */
static void
leave_out_untouched(RtcMerge *merge, merged_hash * keys)
{
	merged_iterator iter;
	RtcMergedKey *key;

	merged_start_iterate(keys, &iter);
	while ((key = merged_iterate(keys, &iter)) != NULL)
	{
		if (!key->decided && !key->older && key->unmatched == 0 &&
			key->kept == 1 && key->last != RTC_NO_OP)
			merge->kind[key->last] = 0;
	}
}

uint8 *
rtc_op_merge(const char *data, uint32 end, const RtcListedOp *ops,
			 uint32 nops, bool complete, bool puts)
{
	uint8	   *kind = palloc(Max(nops, 1));
	RtcMerge	merge = {data, data + end, complete, ops, kind};
	merged_hash *keys;

	merge.gone = rtc_gone_rows_create(CurrentMemoryContext);
	keys = merged_create(CurrentMemoryContext, Min(nops, 1024), &merge);

	/* backwards: what has ended a version is known before its ROW is seen */
	for (uint32 i = nops; i-- > 0;)
	{
		const char *encoded = data + ops[i].offset;
		RtcMergedKey *key;
		RtcOp		op;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		decode(&merge, encoded, &op);
		kind[i] = op.kind;
		if (!RtcOpHasKey(op.kind))
			continue;
		key = merged_insert(keys, encoded, &found);
		if (!found)
		{
			key->last = RTC_NO_OP;
			key->unmatched = 0;
			key->kept = 0;
			key->row = false;
			key->older = false;
			key->decided = false;
		}

		if (key->decided)
			kind[i] = 0;
		else if (op.kind == RTC_OP_ROW)
			kind[i] = merge_row(&merge, key, &op, i);
		else if (op.kind == RTC_OP_GONE)
			kind[i] = merge_gone(&merge, key, &op, i);
		else
			kind[i] = merge_absolute(&merge, key, &op);
		if (kind[i] != 0)
			key->kept++;
	}

	if (complete || !puts)
		leave_out_untouched(&merge, keys);
	for (uint32 i = 0; i < nops; i++)
	{
		if (kind[i] == RTC_OP_GONE && (complete || puts))
			kind[i] = RTC_OP_DEL;
	}
	rtc_gone_rows_destroy(merge.gone);
	merged_destroy(keys);
	return kind;
}
