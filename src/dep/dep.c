/*-------------------------------------------------------------------------
 *
 * dep.c
 *		Dependencies: what a cached answer was computed from.
 *
 * A reader names what its answer depends on, a writer what it changes, and
 * they meet where both compute the same hash.  A reader that depends on all of
 * a relation names rtc_dep_relation(); one that depends on rows with a certain
 * value in a column names rtc_dep_value() and rtc_dep_bulk().  A writer names, for
 * each row, rtc_dep_relation() and the old and new rtc_dep_value() of each
 * column that a reader may name; or, if it cannot name rows,
 * rtc_dep_relation() and rtc_dep_bulk().
 *
 * Model: pure, but for MyDatabaseId, which is part of every hash.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "dep/dep.h"

/* Kinds; part of the hash, and so of the names of tag sets in Redis. */
typedef enum DepKind
{
	DEP_KEY = 1,
	DEP_DATABASE = 2,
	DEP_TAG = 3,
	DEP_RELATION = 4,
	DEP_BULK = 5,
	DEP_VALUE = 6,
	DEP_DEFINITION = 7
} DepKind;

static RtcDep
make_dep(DepKind kind, const void *name, size_t len)
{
	return hash_bytes_extended(name, len,
							   ((uint64) kind << 32) | MyDatabaseId);
}

RtcDep
rtc_dep_key(const char *key, size_t len)
{
	return make_dep(DEP_KEY, key, len);
}

RtcDep
rtc_dep_database(void)
{
	return make_dep(DEP_DATABASE, "", 0);
}

RtcDep
rtc_dep_tag(const char *tag, size_t len)
{
	return make_dep(DEP_TAG, tag, len);
}

RtcDep
rtc_dep_relation(Oid relid)
{
	return make_dep(DEP_RELATION, &relid, sizeof(relid));
}

RtcDep
rtc_dep_bulk(Oid relid)
{
	return make_dep(DEP_BULK, &relid, sizeof(relid));
}

RtcDep
rtc_dep_definition(Oid classid, Oid objid)
{
	Oid			name[] = {classid, objid};

	return make_dep(DEP_DEFINITION, name, sizeof(name));
}

RtcDep
rtc_dep_value(Oid relid, AttrNumber attnum, uint64 hash)
{
	struct
	{
		uint64		hash;
		Oid			relid;
		int32		attnum;
	}			name = {hash, relid, attnum};

	return make_dep(DEP_VALUE, &name, sizeof(name));
}
