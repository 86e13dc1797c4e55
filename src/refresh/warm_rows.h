/*-------------------------------------------------------------------------
 *
 * warm_rows.h
 *		From the rows in some blocks of a table to keys, and to values.
 *		See warm_rows.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WARM_ROWS_H
#define RTC_WARM_ROWS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/block.h"
#include "utils/hsearch.h"
#include "utils/rel.h"

#include "dep/stamps.h"
#include "op.h"
#include "read/redis_many.h"

#define RTC_WARM_MAX_BATCH	10000	/* rows */

/* A table that is being warmed; its owner is the process that does it. */
typedef struct RtcWarm
{
	Oid			relid;			/* no partitioned table */
	const char *where;			/* condition of rows; NULL = all */
	int			batch;			/* rows that are wanted in a batch */
	BlockNumber next;			/* where the next batch begins, */
	BlockNumber end;			/* and where the table ended at the start */
	BlockNumber step;			/* blocks in a batch */
	Oid			storage;		/* file of the table; else it is another one
								 * now */
	uint64		rows;			/* rows looked at */
	uint64		stored;			/* values stored */
	uint64		there;			/* keys that Redis had */
	uint64		left;			/* keys that could not be filled */
} RtcWarm;

/* What is known of each key beside what redis_many.c has to know. */
typedef struct RtcWarmStamp
{
	uint32		bucket;
	uint64		version;
} RtcWarmStamp;

/* One try of one batch. */
typedef struct RtcWarmBatch
{
	Relation	rel;
	List	   *rules;			/* RtcRule *, which store its rows */
	bool		needs_pin;		/* one of them depends on settings */
	AttrNumber *keycols;		/* columns that keys are made of, */
	int			nkeycols;
	AttrNumber *allcols;		/* and these with those of the values */
	int			nallcols;
	Datum	   *values;			/* of the row at hand, NULL where not read */
	bool	   *nulls;
	RtcStampRead database;		/* its stamp */
	char		prefix[RTC_MAX_PREFIX_LEN];
	HTAB	   *items;			/* finds them by their hashes */
	RtcMany		many;			/* the keys, */
	int			max;			/* room for so many */
	RtcWarmStamp *stamp;		/* and their stamps */
	XLogRecPtr	lsn;			/* newest op on them */
	XLogRecPtr	commit_lsn;		/* newest commit */
	uint64		nrows;			/* rows read for their keys */
	Size		bytes;			/* of values */
	int64		stored;			/* values stored, */
	uint64		there;			/* keys that Redis had, */
	uint64		left;			/* and keys to be tried again */
	MemoryContext context;		/* of all this */
	MemoryContext row;			/* for what is made of one row */
} RtcWarmBatch;

/* Reads the rules of the table; false = there is none. */
extern bool rtc_warm_rules(RtcWarmBatch *b);

/*
 * Reads the keys of the rows, with their stamps; if there are too many, of fewer
 * blocks.  Errors: those of reading.
 */
extern void rtc_warm_keys(RtcWarm *warm, RtcWarmBatch *b);

/*
 * Reads the rows once more, with a fresh snapshot, and makes the values of those
 * whose keys are leased.  Errors: those of reading.
 */
extern void rtc_warm_values(RtcWarm *warm, RtcWarmBatch *b);

#endif							/* RTC_WARM_ROWS_H */
