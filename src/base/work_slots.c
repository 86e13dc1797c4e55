/*-------------------------------------------------------------------------
 *
 * work_slots.c
 *		The pieces of work that wait.
 *
 * Equal work waits once.  If there is no room, what is worth least is dropped and
 * counted.
 *
 * Model: called by work.c alone, which holds its lock, in exclusive mode where
 * something is changed.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/work_slots.h"
#include "stats.h"

static void
free_slot(RtcWorkSlots *slots, RtcWorkHeader *h)
{
	h->dboid = InvalidOid;
	pg_atomic_write_u32(&slots->nwaiting,
						pg_atomic_read_u32(&slots->nwaiting) - 1);
}

bool
rtc_work_slots_has(const RtcWorkSlots *slots, Oid dboid)
{
	for (int i = 0; i < RTC_WORK_SLOTS; i++)
		if (slots->header[i].dboid == dboid)
			return true;
	return false;
}

/* Is this work done before that? */
static bool
comes_first(const RtcWorkHeader *h, const RtcWorkHeader *other)
{
	if (h->priority != other->priority)
		return h->priority > other->priority;
	return h->number < other->number;
}

/* Where a new piece of work goes; NULL = nowhere. */
static RtcWorkHeader *
find_room(RtcWorkSlots *slots, const RtcWork *work)
{
	RtcWorkHeader *last = NULL;

	for (int i = 0; i < RTC_WORK_SLOTS; i++)
	{
		RtcWorkHeader *h = &slots->header[i];

		if (!OidIsValid(h->dboid))
			return h;
		if (last == NULL || comes_first(last, h))
			last = h;
	}

	/* It is full: something is dropped. */
	rtc_stat_inc(RTC_STAT_WORK_DROPPED);
	if (last->priority >= work->priority)
		return NULL;
	free_slot(slots, last);
	return last;
}

bool
rtc_work_slots_enter(RtcWorkSlots *slots, const RtcWork *work)
{
	RtcWorkHeader *h;

	for (int i = 0; i < RTC_WORK_SLOTS; i++)
	{
		h = &slots->header[i];
		if (h->hash == work->hash && h->dboid == work->dboid &&
			h->kind == work->kind)
		{
			h->priority = Max(h->priority, work->priority);
			return true;
		}
	}

	h = find_room(slots, work);
	if (h == NULL)
		return false;
	h->hash = work->hash;
	h->number = ++slots->number;
	h->dboid = work->dboid;
	h->priority = work->priority;
	h->kind = work->kind;
	h->len = work->len;
	memcpy(slots->data[h - slots->header], work->data, work->len);
	pg_atomic_write_u32(&slots->nwaiting,
						pg_atomic_read_u32(&slots->nwaiting) + 1);
	return true;
}

bool
rtc_work_slots_take(RtcWorkSlots *slots, Oid dboid, uint32 kinds, RtcWork *work)
{
	RtcWorkHeader *first = NULL;

	for (int i = 0; i < RTC_WORK_SLOTS; i++)
	{
		RtcWorkHeader *h = &slots->header[i];

		if (h->dboid == dboid && (kinds & RTC_WORK_KIND(h->kind)) != 0 &&
			(first == NULL || comes_first(h, first)))
			first = h;
	}
	if (first == NULL)
		return false;
	work->kind = first->kind;
	work->dboid = first->dboid;
	work->priority = first->priority;
	work->len = first->len;
	work->hash = first->hash;
	memcpy(work->data, slots->data[first - slots->header], first->len);
	free_slot(slots, first);
	return true;
}

void
rtc_work_slots_forget(RtcWorkSlots *slots, Oid dboid)
{
	for (int i = 0; i < RTC_WORK_SLOTS; i++)
	{
		if (slots->header[i].dboid != dboid)
			continue;
		free_slot(slots, &slots->header[i]);
		rtc_stat_inc(RTC_STAT_WORK_DROPPED);
	}
}
