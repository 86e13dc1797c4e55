/*-------------------------------------------------------------------------
 *
 * slot.c
 *		The replication slot that keeps the WAL queue.
 *
 * A physical slot named like the extension holds back the removal of WAL
 * that is not applied yet, and rtcache.wal_keep more for repairs, but never
 * more than rtcache.max_wal_lag: the disk of the server is worth more than
 * the content of a cache.  What got lost that way is repaired by a clear.
 *
 * A slot outlives the server's restart, and so it is there on a standby that
 * was a primary before.  The relay moves it there, too, while it waits for a
 * promotion: what is left of it then may save a clear.
 *
 * Model: called by the relay alone, which holds the slot while it runs; but
 * anybody may ask how much WAL it holds.  May raise when the slot's file cannot
 * be written.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "replication/slot.h"
#include "storage/spin.h"

#include "base/inject.h"
#include "base/wal_bounds.h"
#include "compat.h"
#include "guc.h"
#include "op.h"
#include "wal/slot.h"

static void drop_slot(void);
static bool slot_is_usable(void);
static bool free_slot_exists(void);

bool
rtc_slot_ensure(const char **problem)
{
	ReplicationSlot *slot;

	*problem = "";
	if (MyReplicationSlot != NULL)
	{
		if (slot_is_usable())
			return true;
		/* the server has given it up (max_slot_wal_keep_size) */
		drop_slot();
	}

	if (!XLogIsNeeded())
	{
		*problem = "\"wal_level\" is minimal";
		return false;
	}
	if (max_replication_slots == 0)
	{
		*problem = "\"max_replication_slots\" is 0";
		return false;
	}

	slot = SearchNamedReplicationSlot(RTC_NAME, true);
	if (slot != NULL && (SlotIsLogical(slot) || slot_is_active_compat(slot)))
	{
		*problem = "somebody else uses replication slot \"rtcache\"";
		return false;
	}
	if (slot != NULL)
	{
		ReplicationSlotAcquire_compat(RTC_NAME, true);
		if (slot_is_usable())
			return true;
		drop_slot();
	}
	if (!free_slot_exists())
	{
		*problem = "all replication slots are in use";
		return false;
	}
	ReplicationSlotCreate_compat(RTC_NAME, false, RS_PERSISTENT);
	ReplicationSlotReserveWal();
	ReplicationSlotMarkDirty();
	ReplicationSlotSave();
	RTC_INJECT("slot_created");
	return true;
}

void
rtc_slot_advance(XLogRecPtr restart, XLogRecPtr applied)
{
	ReplicationSlot *slot = MyReplicationSlot;
	XLogRecPtr	keep = (XLogRecPtr) rtc_wal_keep * 1024 * 1024;
	XLogRecPtr	max_lag = (XLogRecPtr) rtc_max_wal_lag * 1024 * 1024;
	XLogRecPtr	end = rtc_wal_disk_end();
	XLogRecPtr	target = restart > keep ? restart - keep : InvalidXLogRecPtr;
	bool		changed = false;
	bool		noted;

	if (slot == NULL)
		return;
	if (end > max_lag && target < end - max_lag)
		target = end - max_lag;

	SpinLockAcquire(&slot->mutex);
	if (!XLogRecPtrIsInvalid(slot->data.restart_lsn) &&
		slot->data.restart_lsn < target)
	{
		slot->data.restart_lsn = target;
		changed = true;
	}
	noted = !XLogRecPtrIsInvalid(applied) &&
		slot->data.confirmed_flush != applied;
	if (noted)
		slot->data.confirmed_flush = applied;
	SpinLockRelease(&slot->mutex);
	if (noted && !changed)
		ReplicationSlotMarkDirty();
	if (changed)
	{
		RTC_INJECT("slot_moves");
		ReplicationSlotMarkDirty();
		ReplicationSlotsComputeRequiredLSN();
	}
}

void
rtc_slot_save(XLogRecPtr applied)
{
	rtc_slot_advance(InvalidXLogRecPtr, applied);
	if (MyReplicationSlot != NULL)
		ReplicationSlotSave();
}

XLogRecPtr
rtc_slot_applied(void)
{
	return MyReplicationSlot == NULL ? InvalidXLogRecPtr
		: MyReplicationSlot->data.confirmed_flush;
}

void
rtc_slot_hold(void)
{
	ReplicationSlot *slot;

	if (MyReplicationSlot == NULL)
	{
		slot = SearchNamedReplicationSlot(RTC_NAME, true);
		if (slot == NULL || SlotIsLogical(slot) || slot_is_active_compat(slot))
			return;
		ReplicationSlotAcquire_compat(RTC_NAME, true);
	}
	rtc_slot_advance(InvalidXLogRecPtr, InvalidXLogRecPtr);
}

int64
rtc_slot_held(void)
{
	ReplicationSlot *slot = SearchNamedReplicationSlot(RTC_NAME, true);
	XLogRecPtr	begin = InvalidXLogRecPtr;
	XLogRecPtr	end;

	if (slot == NULL)
		return -1;
	SpinLockAcquire(&slot->mutex);
	if (slot->in_use && !SlotIsLogical(slot) && !slot_is_invalid_compat(slot))
		begin = slot->data.restart_lsn;
	SpinLockRelease(&slot->mutex);
	if (XLogRecPtrIsInvalid(begin))
		return -1;
	end = rtc_wal_disk_end();
	return end > begin ? (int64) (end - begin) : 0;
}

void
rtc_slot_drop(void)
{
	ReplicationSlot *slot;

	if (MyReplicationSlot == NULL)
	{
		slot = SearchNamedReplicationSlot(RTC_NAME, true);
		if (slot == NULL || SlotIsLogical(slot) || slot_is_active_compat(slot))
			return;
	}
	drop_slot();
	ereport(LOG,
			(errmsg("dropped replication slot \"%s\": \"rtcache.redis_url\" is empty",
					RTC_NAME)));
}

/*
 * Drops the slot, acquired or not.
 */
static void
drop_slot(void)
{
	RTC_INJECT("slot_drops");
	if (MyReplicationSlot != NULL)
		ReplicationSlotRelease();
	ReplicationSlotDrop(RTC_NAME, true);
}

/*
 * Does the acquired slot still hold WAL?
 */
static bool
slot_is_usable(void)
{
	ReplicationSlot *slot = MyReplicationSlot;
	bool		usable;

	SpinLockAcquire(&slot->mutex);
	usable = !slot_is_invalid_compat(slot);
	SpinLockRelease(&slot->mutex);
	return usable;
}

/*
 * Is there room for one more slot?  Creating one would raise without.
 */
static bool
free_slot_exists(void)
{
	bool		found = false;

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots && !found; i++)
		found = !ReplicationSlotCtl->replication_slots[i].in_use;
	LWLockRelease(ReplicationSlotControlLock);
	return found;
}
