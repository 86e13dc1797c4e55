/*-------------------------------------------------------------------------
 *
 * rtcache.h
 *		Words that every room of rtcache shares.
 *
 * A room is one .c file with a header beside it; this header holds only what
 * has no room of its own: the cache operation (op) and a few limits.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTCACHE_H
#define RTCACHE_H

#include "postgres.h"

/* Prefix of our WAL messages, name of our slot, our LWLock tranche. */
#define RTC_NAME "rtcache"

/* Longest cache key in bytes, without the prefix. */
#define RTC_MAX_KEY_LEN		65536

/* Longest expanded key prefix in bytes, terminating NUL included. */
#define RTC_MAX_PREFIX_LEN	256

/* What one op does to Redis.  The values are part of the WAL format. */
typedef enum RtcOpKind
{
	RTC_OP_SET = 1,				/* store value under key, for ttl_ms */
	RTC_OP_DEL = 2,				/* delete key */
	RTC_OP_PATTERN = 3,			/* delete every key that matches the glob */
	RTC_OP_CLEAR = 4,			/* delete every key of the database */
	RTC_OP_TAG = 5,				/* delete every key that depends on dep */
	RTC_OP_PUT = 6				/* as SET; the value is no row, but what a
								 * user gave */
} RtcOpKind;

/* Does an op of this kind store a value? */
#define RtcOpStores(kind) ((kind) == RTC_OP_SET || (kind) == RTC_OP_PUT)

/*
 * One cache operation.  Keys carry no prefix: the relay adds it, so that one
 * process alone decides which prefix is in force.  Neither key nor value is
 * NUL-terminated; both point into memory of whoever made the op.
 */
typedef struct RtcOp
{
	RtcOpKind	kind;
	int64		ttl_ms;			/* SET: time to live, 0 = does not expire */
	const char *key;			/* SET, DEL: the key; PATTERN: the glob */
	uint32		keylen;
	const char *value;			/* SET: JSON text */
	uint32		vallen;
	uint64		dep;			/* TAG: an RtcDep (dep.h) */
} RtcOp;

#endif							/* RTCACHE_H */
