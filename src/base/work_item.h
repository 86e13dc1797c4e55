/*-------------------------------------------------------------------------
 *
 * work_item.h
 *		One piece of work for a background worker.
 *
 * To add a kind of work: give it a name in RtcWorkKind and a line in the table of
 * refresh/worker.c, which has the function that does it.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_WORK_ITEM_H
#define RTC_WORK_ITEM_H

#include "postgres.h"

typedef enum RtcWorkKind
{
	RTC_WORK_NONE,
	RTC_WORK_ASK,				/* ask a question again */
	RTC_WORK_WARM_RELATION,		/* store the rows of a table */
	RTC_WORK_WARM_DATABASE,		/* likewise, of all whose rules say so */
	RTC_WORK_WARM_START,		/* ask what was asked before a start */
	RTC_WORK_SAVE,				/* save what is asked most */
	RTC_WORK_NKINDS
} RtcWorkKind;

/* What some pieces of work are worth; those that hits count may be worth more. */
#define RTC_WORK_PRIORITY_WARM	1
#define RTC_WORK_PRIORITY_PUT_BACK	50
#define RTC_WORK_PRIORITY_ASK	100

/* Longest description of a piece of work, in bytes. */
#define RTC_WORK_MAX_BYTES	4000

/* One piece of work. */
typedef struct RtcWork
{
	RtcWorkKind kind;
	Oid			dboid;			/* the database in which it is to be done */
	uint32		priority;		/* what is higher is done first */
	uint32		len;			/* bytes of data */
	uint64		hash;			/* the same for equal work of one kind and
								 * database: it waits once */
	char		data[RTC_WORK_MAX_BYTES];	/* what to do, as its kind has it */
} RtcWork;

/* A set of kinds. */
#define RTC_WORK_KIND(kind)	((uint32) 1 << (kind))
#define RTC_WORK_ALL_KINDS	((uint32) ~0)

#endif							/* RTC_WORK_ITEM_H */
