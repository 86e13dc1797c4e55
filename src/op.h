/*-------------------------------------------------------------------------
 *
 * op.h
 *		Words that every room of rtcache shares.
 *
 * A room is one .c file with a header beside it; this header holds only what
 * has no room of its own: the cache operation (op) and a few limits.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_OP_H
#define RTC_OP_H

#include "postgres.h"

#include "storage/itemptr.h"

/* Prefix of our WAL messages, name of our slot, our LWLock tranche. */
#define RTC_NAME "rtcache"

/* Longest cache key in bytes, without the prefix. */
#define RTC_MAX_KEY_LEN		65536

/* Longest expanded key prefix in bytes, terminating NUL included. */
#define RTC_MAX_PREFIX_LEN	256

/* Longest text of an error of Redis or of the relay, NUL included. */
#define RTC_ERROR_LEN		512

/* What one op does to Redis.  The values are part of the WAL format. */
typedef enum RtcOpKind
{
	RTC_OP_SET = 1,				/* store value under key, for ttl_ms */
	RTC_OP_DEL = 2,				/* delete key */
	RTC_OP_PATTERN = 3,			/* delete every key that matches the glob */
	RTC_OP_CLEAR = 4,			/* delete every key of the database */
	RTC_OP_TAG = 5,				/* delete every key that depends on dep */
	RTC_OP_PUT = 6,				/* as SET; the value is no row, but what a
								 * user gave */
	RTC_OP_ROW = 7,				/* as SET, as long as the row version that the
								 * value shows is not gone; see op_merge.c */
	RTC_OP_GONE = 8,			/* a row version has left the key: delete it,
								 * unless another one has it */
	RTC_OP_FOLD = 9,			/* as SET; what was written behind to the key,
								 * and the value lacks, is applied to it */
	RTC_OP_ROUND = 10			/* rows that come from here on contain what
								 * was written behind up to this id, the
								 * value; the key is RTC_ROUND_KEY */
} RtcOpKind;

/* Does an op of this kind store a value? */
#define RtcOpStores(kind) \
	((kind) == RTC_OP_SET || (kind) == RTC_OP_PUT || (kind) == RTC_OP_ROW || \
	 (kind) == RTC_OP_FOLD)

/* Does it have a value? */
#define RtcOpHasValue(kind) (RtcOpStores(kind) || (kind) == RTC_OP_ROUND)

/* Is it about a row version? */
#define RtcOpHasRow(kind) ((kind) == RTC_OP_ROW || (kind) == RTC_OP_GONE)

/* Is it about one key of a user? */
#define RtcOpHasKey(kind) \
	(RtcOpStores(kind) || (kind) == RTC_OP_DEL || (kind) == RTC_OP_GONE)

/* The row versions that an op on a key is about.  Part of the WAL format. */
typedef struct RtcRow
{
	Oid			relid;			/* their table */
	Oid			storage;		/* its relfilenode, in which they lie */
	ItemPointerData made;		/* the version that has come to the key; ROW:
								 * the value shows it */
	ItemPointerData gone;		/* the version that has left the key; invalid
								 * unless this transaction has made it */
	bool		older;			/* a version of an earlier transaction has
								 * left the key, or it is not known which */
	bool		unstored;		/* GONE: "made" has no value that can be
								 * stored */
	bool		alone;			/* no other rule stores rows of the table */
	bool		behind;			/* ROW: it is stored as FOLD, not SET */
} RtcRow;

/*
 * One cache operation.  Keys carry no prefix: the relay adds it, so that one
 * process alone decides which prefix is in force.  Neither key nor value is
 * NUL-terminated; both point into memory of whoever made the op.
 */
typedef struct RtcOp
{
	RtcOpKind	kind;
	int64		ttl_ms;			/* if it stores: time to live, 0 = does not
								 * expire */
	const char *key;			/* the key; PATTERN: the glob */
	uint32		keylen;
	const char *value;			/* if it stores: JSON text; ROUND: an id */
	uint32		vallen;
	uint64		dep;			/* TAG: an RtcDep (dep.h) */
	RtcRow		row;			/* ROW, GONE; DEL: if a rule has made it, the
								 * table, and that alone, until it is in WAL */
} RtcOp;

#endif							/* RTC_OP_H */
