/*-------------------------------------------------------------------------
 *
 * row_image.c
 *		What a trigger is told of a row, and which versions of it exist.
 *
 * The tuple of an AFTER trigger on a heap table is the one on the page, so its
 * header is up to date.  Nobody else sees a new row yet, so nobody else can
 * have changed it.  A (sub)transaction that has rolled back is not "current".
 *
 * Model: runs in the backend that writes; no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "utils/rel.h"

#include "write/row_image.h"

void
rtc_row_change_get(TriggerData *trigdata, RtcRowChange *change)
{
	memset(change, 0, sizeof(*change));
	change->rel = trigdata->tg_relation;
	change->desc = RelationGetDescr(trigdata->tg_relation);

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		change->newrow = trigdata->tg_trigtuple;
		change->newslot = trigdata->tg_trigslot;
		return;
	}
	change->oldrow = trigdata->tg_trigtuple;
	change->oldslot = trigdata->tg_trigslot;
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		change->newrow = trigdata->tg_newtuple;
		change->newslot = trigdata->tg_newslot;
	}
}

bool
rtc_row_is_on_page(const RtcRowChange *change, TupleTableSlot *slot)
{
	return change->rel->rd_rel->relam == HEAP_TABLE_AM_OID &&
		TTS_IS_BUFFERTUPLE(slot);
}

bool
rtc_row_is_superseded(const RtcRowChange *change)
{
	HeapTupleHeader header = change->newrow->t_data;

	if (!rtc_row_is_on_page(change, change->newslot))
		return true;

	if ((header->t_infomask & HEAP_XMAX_INVALID) != 0 ||
		HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
		return false;
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(header));
}

/*
 * A version of an earlier transaction need not be named: no op of this one has
 * stored it.  The raw xmin is also right for rows that were frozen when
 * written (COPY FREEZE).
 */
void
rtc_row_versions(const RtcRowChange *change, bool left, bool came, RtcRow *row)
{
	memset(row, 0, sizeof(*row));
	row->relid = RelationGetRelid(change->rel);
	row->storage = change->rel->rd_rel->relfilenode;
	if (came)
	{
		if (rtc_row_is_on_page(change, change->newslot))
			row->made = change->newrow->t_self;
		else
			row->older = true;
	}
	if (left)
	{
		HeapTuple	old = change->oldrow;

		if (rtc_row_is_on_page(change, change->oldslot) &&
			TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(old->t_data)))
			row->gone = old->t_self;
		else
			row->older = true;
	}
}
