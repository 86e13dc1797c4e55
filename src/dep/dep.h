/*-------------------------------------------------------------------------
 *
 * dep.h
 *		Dependencies: what a cached answer was computed from.  See dep.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_DEP_H
#define RTC_DEP_H

#include "postgres.h"

#include "access/attnum.h"

/*
 * A dependency, by its hash.  Two that collide cost a hit and never an answer.
 * Its lower bits are its stamp bucket (stamps.h), all of it the name of its
 * tag set in Redis (key.h).
 */
typedef uint64 RtcDep;

/*
 * Which query it is: the same for the same text with the same meaning (tables
 * and their columns, functions, search_path), whoever asks.  Nobody can make
 * another query with the same id.
 */
typedef struct RtcQueryId
{
	uint64		part[2];		/* of a SHA-256 */
} RtcQueryId;

/* One cache key of the current database. */
extern RtcDep rtc_dep_key(const char *key, size_t len);

/* Every key of the current database; every answer depends on it. */
extern RtcDep rtc_dep_database(void);

/* A tag that the user names. */
extern RtcDep rtc_dep_tag(const char *tag, size_t len);

/* Any row of a relation: every write to it moves this one. */
extern RtcDep rtc_dep_relation(Oid relid);

/*
 * Any change of a relation that is not one row by row: TRUNCATE, DDL, and
 * transactions that touch too many rows to name them.  An answer that depends
 * on some rows of a relation also depends on this.
 */
extern RtcDep rtc_dep_bulk(Oid relid);

/*
 * The definition of a function or a type (its catalog and OID), of any cast
 * (CastRelationId, 0), of what text search is made of (TSConfigRelationId, 0), or
 * of any of these (0, 0).  A writer that changes one names it and the last.
 */
extern RtcDep rtc_dep_definition(Oid classid, Oid objid);

/*
 * The rows whose column has a value.  hash: its extended hash by the type (seed
 * 0, collation of the column).
 */
extern RtcDep rtc_dep_value(Oid relid, AttrNumber attnum, uint64 hash);

#endif							/* RTC_DEP_H */
