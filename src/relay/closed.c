/*-------------------------------------------------------------------------
 *
 * closed.c
 *		Databases whose readers have to stay away from Redis.
 *
 * There are two reasons.  A deletion takes long, and the position moves past it,
 * so that other databases need not wait (jobs.c).  Or Redis has refused an op for
 * good, so that an old value may be left behind (suspect.c).  A database that was
 * given up for that is registered again after a while.
 *
 * In the very EXEC that moves the position past the op, the field
 * "prefix:<prefix>" becomes "closed:<prefix>".  Whoever finds a database without
 * the first of them has to register its prefix, which deletes all its keys before
 * any lookup may use them (prefix.c): this relay after a restart, or that of a
 * standby after a promotion.  So nothing else needs to be remembered.  A hot
 * standby asks for that field with each lookup.
 *
 * Model: the relay alone, under the lock of the prefix table.  Raises nothing.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "guc.h"
#include "redis/names.h"
#include "redis/prefix_table.h"
#include "relay/closed.h"
#include "stats.h"

/* How long to wait before a closed database is tried again (ms). */
#define RETRY_MIN	1000
#define RETRY_MAX	60000

/* One that has been open for so long has nothing to do with before (ms). */
#define FORGET_AFTER	600000

static void note(RtcPrefix *entry);
static void retry_later(RtcPrefix *entry);

void
rtc_closed_while_clearing(Oid dboid, XLogRecPtr lsn)
{
	RtcPrefix  *entry = rtc_prefix_change(dboid);

	if (entry != NULL && entry->state == RTC_PREFIX_READY)
	{
		entry->state = RTC_PREFIX_CLEARING;
		entry->closed_at = lsn;
		note(entry);
	}
	else if (entry != NULL && entry->state != RTC_PREFIX_CLEARING)
		note(entry);
	rtc_prefix_changed();
}

void
rtc_closed_left_out(Oid dboid)
{
	RtcPrefix  *entry = rtc_prefix_change(dboid);

	if (entry != NULL)
		note(entry);
	rtc_prefix_changed();
}

bool
rtc_closed_give_up(Oid dboid, const char *prefix, XLogRecPtr lsn,
				   const char *why)
{
	RtcPrefix  *entry = rtc_prefix_change(dboid);
	char		dbname[NAMEDATALEN];
	bool		news = false;
	bool		first = false;

	if (entry == NULL && prefix != NULL &&
		(entry = rtc_prefix_new_entry(dboid)) != NULL)
		strlcpy(entry->prefix, prefix, sizeof(entry->prefix));
	if (entry != NULL)
	{
		if (entry->state == RTC_PREFIX_READY &&
			rtc_clock_ms() - entry->retry_ms > FORGET_AFTER)
		{
			entry->retries = 0;
			entry->why[0] = '\0';
		}
		news = entry->retries == 0 && strcmp(entry->why, why) != 0;
		first = entry->state == RTC_PREFIX_READY ||
			entry->state == RTC_PREFIX_CLEARING || entry->retries == 0;
		entry->state = RTC_PREFIX_CLOSED;
		note(entry);
		entry->closed_at = lsn;
		retry_later(entry);
		strlcpy(entry->why, why, sizeof(entry->why));
	}
	rtc_prefix_changed();
	if (first)
		rtc_stat_inc(RTC_STAT_CLOSINGS);
	if (!news)
		return entry != NULL;
	rtc_prefix_database_name(dboid, dbname);
	ereport(WARNING,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("the cache of database \"%s\" in Redis is closed: %s",
					dbname, why),
			 errdetail("Its lookups run their queries, and nothing is written for it. Who reads Redis without this server may find outdated values under its keys."),
			 errhint("It is tried again now and then; when Redis accepts it, its keys are deleted and it is opened. Look at the ACL and the limits of Redis.")));
	return true;
}

bool
rtc_closed_due(RtcPrefix *due)
{
	bool		found = false;

	rtc_prefix_lock(LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_PREFIXES && !found; i++)
	{
		RtcPrefix  *entry = &rtc_prefixes->entry[i];

		if (entry->state != RTC_PREFIX_CLOSED || entry->unnoted ||
			entry->dbname[0] == '\0' || entry->retry_ms > rtc_clock_ms())
			continue;
		entry->retries++;
		retry_later(entry);
		*due = *entry;
		found = true;
	}
	rtc_prefix_unlock();
	return found;
}

void
rtc_closed_retry(void)
{
	rtc_prefix_lock(LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
		if (rtc_prefixes->entry[i].state == RTC_PREFIX_CLOSED)
			rtc_prefixes->entry[i].retry_ms = 0;
	rtc_prefix_unlock();
}

RtcJobResult
rtc_closed_probe(RtcConn *conn, const char *prefix,
				 char error[RTC_ERROR_LEN])
{
	char		key[RTC_MAX_PREFIX_LEN + 8];
	RtcArgs		args = {0};
	RtcReply   *replies;
	int			nreplies;

	/* the caller deletes all such names next */
	snprintf(key, sizeof(key), "%s" RTC_PROBE_SUFFIX, prefix);
	rtc_conn_append_strings(conn, "SET", key, "1", "PX", "1", NULL);
	rtc_args_begin(&args, "UNLINK");
	rtc_args_text(&args, key);
	rtc_lease_name(rtc_args_next(&args), key, strlen(key));
	rtc_conn_append(conn, &args);
	replies = rtc_conn_exchange(conn, rtc_command_timeout, &nreplies);
	if (replies == NULL)
		return RTC_JOB_DOWN;
	for (int i = 0; i < nreplies; i++)
		if (replies[i].type == RTC_REPLY_ERROR)
		{
			strlcpy(error, replies[i].str, RTC_ERROR_LEN);
			return RTC_JOB_SKIPPED;
		}
	return RTC_JOB_DONE;
}

bool
rtc_closed_append(RtcConn *conn)
{
	/* only the relay writes what is read here, so it needs no lock */
	if (!rtc_prefixes->unnoted)
		return false;
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
	{
		const RtcPrefix *entry = &rtc_prefixes->entry[i];

		if (!entry->unnoted)
			continue;
		if (entry->prefix[0] != '\0')
			rtc_position_append_prefix(conn, entry->prefix, entry->dboid, true);
		if (entry->old[0] != '\0')
			rtc_position_append_prefix(conn, entry->old, entry->dboid, true);
	}
	return true;
}

void
rtc_closed_noted(void)
{
	rtc_prefix_lock(LW_EXCLUSIVE);
	rtc_prefixes->unnoted = false;
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
		rtc_prefixes->entry[i].unnoted = false;
	rtc_prefix_unlock();
}

/* The next EXEC is to tell.  Needs the lock. */
static void
note(RtcPrefix *entry)
{
	entry->unnoted = true;
	rtc_prefixes->unnoted = true;
}

static void
retry_later(RtcPrefix *entry)
{
	entry->retry_ms = rtc_clock_ms() +
		Min((int64) RETRY_MIN << Min(entry->retries, 10), RETRY_MAX);
}
