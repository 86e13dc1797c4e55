/*-------------------------------------------------------------------------
 *
 * prefix_table.c
 *		Which database has which key prefix in Redis: what the relay and
 *		readers share of it.
 *
 * A reader enters its database; the relay registers the prefix in Redis and
 * makes the entry READY (prefix.c), or closes it (closed.c).
 *
 * Model: any backend, and the relay.  Entries are protected by one lock, which
 * is never held over I/O; the generation lets readers do without it as long as
 * nothing changes.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"

#include "base/catalog_rows.h"
#include "base/key.h"
#include "base/relay_latch.h"
#include "guc.h"
#include "redis/prefix_table.h"

RtcPrefixTable *rtc_prefixes = NULL;
static LWLockPadded *lock = NULL;

static void
init(void)
{
	pg_atomic_init_u64(&rtc_prefixes->generation, 1);
	pg_atomic_init_u32(&rtc_prefixes->nclearing, 0);
}

const RtcSharedRoom rtc_prefix_room = {
	.name = "rtcache_prefixes",
	.place = &rtc_prefixes,
	.size = sizeof(RtcPrefixTable),
	.locks = &lock,
	.nlocks = 1,
	.init = init
};

/* ---------------- readers ---------------- */

/*
 * Enters the current database under its name, unless it is there; returns
 * whether the relay has to act.  Needs the lock, exclusive.
 */
static bool
request(const char *dbname)
{
	RtcPrefix  *entry = rtc_prefix_entry(MyDatabaseId);
	char		expanded[RTC_MAX_PREFIX_LEN];

	if (entry == NULL)
	{
		entry = rtc_prefix_new_entry(MyDatabaseId);
		if (entry == NULL)
			return false;
	}
	else if (strcmp(entry->dbname, dbname) == 0)
		return false;
	else if (entry->state == RTC_PREFIX_READY && entry->dbname[0] == '\0' &&
			 rtc_prefix_expand(rtc_key_prefix, dbname, expanded) &&
			 strcmp(expanded, entry->prefix) == 0)
	{
		/* known from the position in Redis, which does not tell the name */
		strlcpy(entry->dbname, dbname, sizeof(entry->dbname));
		entry->named_at = GetXLogInsertRecPtr();
		return false;
	}
	else if (entry->state == RTC_PREFIX_REQUESTED && entry->dbname[0] != '\0')
		return false;
	else
		/* renamed: the relay clears what has the old prefix */
		pg_atomic_fetch_add_u64(&rtc_prefixes->generation, 1);

	entry->state = RTC_PREFIX_REQUESTED;
	entry->named_at = GetXLogInsertRecPtr();
	strlcpy(entry->dbname, dbname, sizeof(entry->dbname));
	return true;
}

/*
 * The answer is kept as long as nothing changes, so that a lookup does not
 * take the lock.
 */
bool
rtc_my_prefix(char prefix[RTC_MAX_PREFIX_LEN])
{
	static char kept[RTC_MAX_PREFIX_LEN];
	static uint64 kept_generation = 0;
	const char *dbname;
	const RtcPrefix *entry;
	bool		requested;

	if (kept_generation != rtc_prefix_generation())
	{
		dbname = rtc_database_name();
		kept_generation = 0;
		rtc_prefix_lock(LW_EXCLUSIVE);
		requested = request(dbname);
		entry = rtc_prefix_entry(MyDatabaseId);
		if (entry != NULL && entry->state == RTC_PREFIX_READY &&
			strcmp(entry->dbname, dbname) == 0)
		{
			strlcpy(kept, entry->prefix, sizeof(kept));
			kept_generation = rtc_prefix_generation();
		}
		rtc_prefix_unlock();
		if (requested)
			rtc_wake_relay();
		if (kept_generation == 0)
			return false;
	}
	strlcpy(prefix, kept, RTC_MAX_PREFIX_LEN);
	return true;
}

uint64
rtc_prefix_generation(void)
{
	uint64		generation = pg_atomic_read_u64(&rtc_prefixes->generation);

	pg_read_barrier();
	return generation;
}

bool
rtc_prefix_is_clearing(XLogRecPtr lsn)
{
	const RtcPrefix *entry;
	bool		clearing;

	/* the caller has read applied_lsn, which moves behind the count */
	pg_read_barrier();
	if (pg_atomic_read_u32(&rtc_prefixes->nclearing) == 0)
		return false;
	rtc_prefix_lock(LW_SHARED);
	entry = rtc_prefix_entry(MyDatabaseId);
	clearing = entry != NULL && entry->state == RTC_PREFIX_CLEARING &&
		entry->closed_at <= lsn;
	rtc_prefix_unlock();
	return clearing;
}

/* ---------------- entries ---------------- */

bool
rtc_prefix_copy(Oid dboid, RtcPrefix *copy)
{
	const RtcPrefix *entry;

	rtc_prefix_lock(LW_SHARED);
	entry = rtc_prefix_entry(dboid);
	if (entry != NULL)
		*copy = *entry;
	rtc_prefix_unlock();
	return entry != NULL;
}

RtcPrefixState
rtc_prefix_state(Oid dboid)
{
	RtcPrefix	copy;

	return rtc_prefix_copy(dboid, &copy) ? copy.state : RTC_PREFIX_FREE;
}

void
rtc_prefix_lock(LWLockMode mode)
{
	LWLockAcquire(&lock->lock, mode);
}

void
rtc_prefix_unlock(void)
{
	LWLockRelease(&lock->lock);
}

RtcPrefix *
rtc_prefix_change(Oid dboid)
{
	rtc_prefix_lock(LW_EXCLUSIVE);
	return rtc_prefix_entry(dboid);
}

RtcPrefix *
rtc_prefix_entry(Oid dboid)
{
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
		if (rtc_prefixes->entry[i].state != RTC_PREFIX_FREE &&
			rtc_prefixes->entry[i].dboid == dboid)
			return &rtc_prefixes->entry[i];
	return NULL;
}

RtcPrefix *
rtc_prefix_new_entry(Oid dboid)
{
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
	{
		RtcPrefix  *entry = &rtc_prefixes->entry[i];

		if (entry->state != RTC_PREFIX_FREE)
			continue;
		memset(entry, 0, sizeof(*entry));
		entry->state = RTC_PREFIX_REQUESTED;
		entry->dboid = dboid;
		return entry;
	}
	return NULL;
}

void
rtc_prefix_changed(void)
{
	uint32		n = 0;

	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
		if (rtc_prefixes->entry[i].state == RTC_PREFIX_CLEARING)
			n++;
	pg_atomic_write_u32(&rtc_prefixes->nclearing, n);
	pg_atomic_fetch_add_u64(&rtc_prefixes->generation, 1);
	rtc_prefix_unlock();
}
