/*-------------------------------------------------------------------------
 *
 * row_image.h
 *		What a trigger is told of a row, and which versions of it exist.
 *		See row_image.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ROW_IMAGE_H
#define RTC_ROW_IMAGE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"

#include "op.h"

/* The rows of an event; NULL where the event has none. */
typedef struct RtcRowChange
{
	Relation	rel;
	TupleDesc	desc;
	HeapTuple	oldrow;
	HeapTuple	newrow;
	TupleTableSlot *oldslot;	/* holds oldrow */
	TupleTableSlot *newslot;	/* holds newrow */
} RtcRowChange;

/* Reads the rows of an AFTER ROW event. */
extern void rtc_row_change_get(TriggerData *trigdata, RtcRowChange *change);

/*
 * Is the row in this slot on a page of its table, with a header that is up to
 * date?  Foreign tables and other table access methods give a copy.
 */
extern bool rtc_row_is_on_page(const RtcRowChange *change,
							   TupleTableSlot *slot);

/* Has this transaction ended the new row again?  Also true if unknown. */
extern bool rtc_row_is_superseded(const RtcRowChange *change);

/*
 * Fills in the versions for an op on a key: the old one if it has left the
 * key, the new one if it has come.
 */
extern void rtc_row_versions(const RtcRowChange *change, bool left, bool came,
							 RtcRow *row);

#endif							/* RTC_ROW_IMAGE_H */
