/*-------------------------------------------------------------------------
 *
 * prefix.c
 *		Which database owns which key prefix in Redis: the relay's side.
 *
 * Ops carry no prefix.  The relay alone expands rtcache.key_prefix, with the
 * name that the database had when it wrote, and shares the result with lookups.
 * A prefix belongs to a database's oid: when two databases swap names, the keys
 * of one must not be taken for the other's.
 *
 * Registering a prefix always clears it first: keys of another database, or from
 * a time when nobody kept them coherent, are gone when a lookup may use it.
 *
 * A hash "rtcache:owners" tells which database system has a prefix, so that two
 * servers with the same one do not destroy each other's keys: the second one is
 * refused while the first one is alive.
 *
 * Model: the relay alone.  The registry is the prefix table, under its lock.
 * Redis trouble is a result.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "lib/stringinfo.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/key.h"
#include "guc.h"
#include "redis/names.h"
#include "relay/prefix.h"

/* Longest name of a database system, with its final NUL. */
#define SYSID_LEN	64

static RtcJobResult store_prefix(RtcConn *conn, Oid dboid,
								 const char *prefix, const char *old,
								 bool closed);
static void open_entry(RtcPrefix *entry, RtcPrefixState state);
static RtcJobResult check_owner(RtcConn *conn, const char *prefix,
								char error[RTC_ERROR_LEN]);
static RtcConnResult find_owner(RtcConn *conn, const char *prefix,
								char owner[SYSID_LEN]);

void
rtc_prefix_adopt(const RtcPosition *pos, bool all, bool same)
{
	rtc_prefix_lock(LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
		if (rtc_prefixes->entry[i].state != RTC_PREFIX_FREE &&
			rtc_prefixes->entry[i].state != RTC_PREFIX_CLOSED &&
			!(same && rtc_prefixes->entry[i].state == RTC_PREFIX_CLEARING))
			rtc_prefixes->entry[i].state = RTC_PREFIX_REQUESTED;

	for (int i = 0; i < pos->nprefixes && !all; i++)
	{
		RtcPrefix  *entry = rtc_prefix_entry(pos->prefix_dboid[i]);

		/* the position may be older than the closing, also in another Redis */
		if (entry != NULL && (entry->state == RTC_PREFIX_CLOSED ||
							  entry->state == RTC_PREFIX_CLEARING ||
							  entry->unnoted))
		{
			if (strcmp(entry->prefix, pos->prefix[i]) != 0)
				strlcpy(entry->old, pos->prefix[i], sizeof(entry->old));
			entry->unnoted = rtc_prefixes->unnoted = true;
			continue;
		}
		if (entry == NULL)
			entry = rtc_prefix_new_entry(pos->prefix_dboid[i]);
		if (entry == NULL)
			continue;
		if (pos->prefix_closed[i])
		{
			/*
			 * A message or a lookup brings the name; then it is cleared. When
			 * a relay of 1.0 registers it, this field stays.
			 */
			if (entry->state != RTC_PREFIX_READY)
				strlcpy(entry->prefix[0] == '\0' ? entry->prefix : entry->old,
						pos->prefix[i], RTC_MAX_PREFIX_LEN);
		}
		else
		{
			char		expanded[RTC_MAX_PREFIX_LEN];

			/* one without a name is judged when it gets one */
			strlcpy(entry->prefix, pos->prefix[i], sizeof(entry->prefix));
			if (entry->dbname[0] == '\0' ||
				(rtc_prefix_expand(rtc_key_prefix, entry->dbname, expanded) &&
				 strcmp(expanded, entry->prefix) == 0))
				entry->state = RTC_PREFIX_READY;
		}
	}
	rtc_prefix_changed();
}

/*
 * If a database was renamed and a backend asked first, a message may be older than
 * the name in the table.  Its ops go to the prefix in force, where lookups look.
 */
bool
rtc_prefix_find(Oid dboid, const char *dbname, XLogRecPtr lsn,
				char prefix[RTC_MAX_PREFIX_LEN])
{
	char		expanded[RTC_MAX_PREFIX_LEN];
	RtcPrefix  *entry;
	bool		found = false;

	rtc_prefix_lock(LW_EXCLUSIVE);
	entry = rtc_prefix_entry(dboid);
	if (entry != NULL && (entry->state == RTC_PREFIX_READY ||
						  entry->state == RTC_PREFIX_CLEARING))
	{
		if (entry->dbname[0] == '\0' &&
			rtc_prefix_expand(rtc_key_prefix, dbname, expanded) &&
			strcmp(expanded, entry->prefix) == 0)
		{
			strlcpy(entry->dbname, dbname, sizeof(entry->dbname));
			entry->named_at = lsn;
		}
		found = entry->dbname[0] != '\0' &&
			(strcmp(entry->dbname, dbname) == 0 || lsn < entry->named_at);
		if (found)
			strlcpy(prefix, entry->prefix, RTC_MAX_PREFIX_LEN);
	}
	rtc_prefix_unlock();
	return found;
}

void
rtc_prefix_database_name(Oid dboid, char name[NAMEDATALEN])
{
	RtcPrefix	entry;

	if (rtc_prefix_copy(dboid, &entry) && entry.dbname[0] != '\0')
		strlcpy(name, entry.dbname, NAMEDATALEN);
	else
		snprintf(name, NAMEDATALEN, "%u", dboid);
}

bool
rtc_prefix_requested(RtcPrefix *requested)
{
	bool		found = false;

	rtc_prefix_lock(LW_SHARED);
	for (int i = 0; i < RTC_MAX_PREFIXES && !found; i++)
	{
		const RtcPrefix *entry = &rtc_prefixes->entry[i];

		/* without a name it can wait for a message or a lookup */
		found = entry->state == RTC_PREFIX_REQUESTED &&
			entry->dbname[0] != '\0';
		if (found)
			*requested = *entry;
	}
	rtc_prefix_unlock();
	return found;
}

RtcJobResult
rtc_prefix_begin(RtcConn *conn, Oid dboid, const char *dbname,
				 XLogRecPtr named_at, RtcRegistration *reg,
				 char error[RTC_ERROR_LEN])
{
	char		expanded[RTC_MAX_PREFIX_LEN];
	RtcPrefix  *entry;
	bool		usable;

	memset(reg, 0, sizeof(*reg));
	reg->dboid = dboid;
	strlcpy(reg->dbname, dbname, sizeof(reg->dbname));

	/* from here on until the end no lookup uses either prefix */
	entry = rtc_prefix_change(dboid);
	if (entry == NULL)
		entry = rtc_prefix_new_entry(dboid);
	if (entry == NULL)
	{
		rtc_prefix_unlock();
		snprintf(error, RTC_ERROR_LEN,
				 "more than %d databases use the cache", RTC_MAX_PREFIXES);
		return RTC_JOB_SKIPPED;
	}
	entry->state = RTC_PREFIX_REQUESTED;
	strlcpy(entry->dbname, dbname, sizeof(entry->dbname));
	entry->named_at = named_at;
	usable = rtc_prefix_expand(rtc_key_prefix, dbname, reg->prefix);
	if (!usable)
		snprintf(error, RTC_ERROR_LEN,
				 "\"rtcache.key_prefix\" gives no usable prefix for database \"%s\"",
				 dbname);
	if (strcmp(entry->prefix, reg->prefix) != 0)
		strlcpy(reg->old, entry->prefix, sizeof(reg->old));
	if (entry->old[0] != '\0' && strcmp(entry->old, reg->prefix) != 0)
		strlcpy(reg->old, entry->old, sizeof(reg->old));
	for (int i = 0; i < RTC_MAX_PREFIXES && usable; i++)
	{
		RtcPrefix  *other = &rtc_prefixes->entry[i];

		if (other == entry || other->state == RTC_PREFIX_FREE ||
			strcmp(other->prefix, reg->prefix) != 0)
			continue;

		/*
		 * A database that had this name before must not find our keys there.
		 * But if two names come out the same, the first one keeps the prefix.
		 */
		if (strcmp(other->dbname, dbname) == 0 ||
			!rtc_prefix_expand(rtc_key_prefix, other->dbname, expanded) ||
			strcmp(expanded, reg->prefix) != 0)
			memset(other, 0, sizeof(*other));
		else
		{
			usable = false;
			snprintf(error, RTC_ERROR_LEN,
					 "key prefix \"%s\" is used by database \"%s\" already",
					 reg->prefix, other->dbname);
		}
	}
	rtc_prefix_changed();

	/* its keys under an old prefix must not stay */
	if (!usable)
	{
		reg->prefix[0] = '\0';
		return RTC_JOB_DONE;
	}
	return check_owner(conn, reg->prefix, error);
}

RtcJobResult
rtc_prefix_finish(RtcConn *conn, const RtcRegistration *reg, uint64 deleted,
				  char error[RTC_ERROR_LEN])
{
	RtcPrefix  *entry;
	bool		usable = reg->prefix[0] != '\0';
	RtcJobResult result = RTC_JOB_DONE;

	RTC_INJECT("prefix_cleared");
	/* while we cleared it, somebody may have taken it */
	if (usable)
		result = check_owner(conn, reg->prefix, error);
	if (result == RTC_JOB_DONE)
		result = store_prefix(conn, reg->dboid, reg->prefix, reg->old, false);
	if (result != RTC_JOB_DONE)
		return result;

	RTC_INJECT("prefix_stored");
	entry = rtc_prefix_change(reg->dboid);
	if (entry != NULL)
	{
		strlcpy(entry->prefix, reg->prefix, sizeof(entry->prefix));
		entry->old[0] = '\0';
		/* a backend may have asked for a newer name meanwhile */
		if (strcmp(entry->dbname, reg->dbname) == 0)
			open_entry(entry, usable ? RTC_PREFIX_READY : RTC_PREFIX_UNUSABLE);
	}
	rtc_prefix_changed();

	if (!usable)
		return RTC_JOB_SKIPPED;
	ereport(LOG,
			(errmsg("registered key prefix \"%s\" of database \"%s\" in Redis",
					reg->prefix, reg->dbname),
			 errdetail("%llu old keys were deleted.",
					   (unsigned long long) deleted)));
	return RTC_JOB_DONE;
}

RtcJobResult
rtc_prefix_apply_early(RtcConn *conn, const RtcRegistration *reg,
					   XLogRecPtr lsn)
{
	RtcPrefix  *entry;
	RtcPrefix	before;
	RtcJobResult result;

	if (!rtc_prefix_copy(reg->dboid, &before) ||
		before.state != RTC_PREFIX_REQUESTED)
		return RTC_JOB_DONE;

	/* the new one is ours before we write there; the old one is not in use */
	result = store_prefix(conn, reg->dboid, reg->prefix, reg->old, true);
	if (result != RTC_JOB_DONE)
		return result;
	entry = rtc_prefix_change(reg->dboid);
	if (entry != NULL && entry->state == RTC_PREFIX_REQUESTED &&
		strcmp(entry->dbname, reg->dbname) == 0)
	{
		strlcpy(entry->prefix, reg->prefix, sizeof(entry->prefix));
		strlcpy(entry->old, reg->old, sizeof(entry->old));
		entry->state = RTC_PREFIX_CLEARING;
		entry->closed_at = lsn;
	}
	rtc_prefix_changed();
	return RTC_JOB_DONE;
}

RtcJobResult
rtc_prefix_reopen(RtcConn *conn, Oid dboid)
{
	RtcPrefix	before;
	RtcPrefix  *entry;
	RtcJobResult result;

	/* else it will be registered anew */
	if (!rtc_prefix_copy(dboid, &before) ||
		before.state != RTC_PREFIX_CLEARING)
		return RTC_JOB_DONE;

	result = store_prefix(conn, dboid, before.prefix, "", false);
	if (result != RTC_JOB_DONE)
		return result;
	entry = rtc_prefix_change(dboid);
	if (entry != NULL && entry->state == RTC_PREFIX_CLEARING)
		open_entry(entry, RTC_PREFIX_READY);
	rtc_prefix_changed();
	return RTC_JOB_DONE;
}

/*
 * Another database system may have taken over a prefix while this one was away.
 * Its keys are not for us to delete or to keep.
 */
RtcConnResult
rtc_prefix_forget_lost(RtcConn *conn, RtcPosition *pos)
{
	RtcArgs		args = {0};
	RtcReply   *owners;

	if (pos->nprefixes == 0)
		return RTC_CONN_OK;
	rtc_args_begin(&args, "HMGET");
	rtc_args_text(&args, RTC_OWNERS_KEY);
	for (int i = 0; i < pos->nprefixes; i++)
		rtc_args_text(&args, pos->prefix[i]);
	rtc_conn_append(conn, &args);
	owners = rtc_conn_ask(conn, rtc_command_timeout, NULL);
	if (owners == NULL)
		return RTC_CONN_FAILED;
	if (!rtc_reply_is_array(owners, pos->nprefixes))
	{
		rtc_conn_fail(conn, "unexpected reply to HMGET");
		return RTC_CONN_FAILED;
	}
	for (int i = pos->nprefixes - 1; i >= 0; i--)
	{
		const RtcReply *reply = &owners->elems[i];
		const char *owner = reply->type == RTC_REPLY_STRING ? reply->str : "";

		if (strcmp(owner, rtc_system_name()) == 0)
			continue;
		ereport(LOG,
				(errmsg("key prefix \"%s\" in Redis is not ours any more",
						pos->prefix[i]),
				 errdetail("Its owner is \"%s\".", owner)));
		rtc_prefix_lock(LW_EXCLUSIVE);
		for (int j = 0; j < RTC_MAX_PREFIXES; j++)
		{
			RtcPrefix  *entry = &rtc_prefixes->entry[j];

			if (strcmp(entry->prefix, pos->prefix[i]) != 0)
				continue;
			entry->prefix[0] = '\0';
			entry->state = RTC_PREFIX_REQUESTED;
		}
		rtc_prefix_changed();

		pos->nprefixes--;
		memmove(pos->prefix[i], pos->prefix[pos->nprefixes],
				RTC_MAX_PREFIX_LEN);
		pos->prefix_dboid[i] = pos->prefix_dboid[pos->nprefixes];
		pos->prefix_closed[i] = pos->prefix_closed[pos->nprefixes];
	}
	return RTC_CONN_OK;
}

void
rtc_prefix_register_again(RtcPrefixState state)
{
	rtc_prefix_lock(LW_EXCLUSIVE);
	for (int i = 0; i < RTC_MAX_PREFIXES; i++)
	{
		RtcPrefix  *entry = &rtc_prefixes->entry[i];

		if (entry->state != RTC_PREFIX_FREE &&
			(state == RTC_PREFIX_FREE || entry->state == state))
			entry->state = RTC_PREFIX_REQUESTED;
	}
	rtc_prefix_changed();
}

bool
rtc_prefix_is_ours(const char *prefix, size_t len)
{
	bool		found = false;

	rtc_prefix_lock(LW_SHARED);
	for (int i = 0; i < RTC_MAX_PREFIXES && !found; i++)
		found = rtc_prefixes->entry[i].state == RTC_PREFIX_READY &&
			strlen(rtc_prefixes->entry[i].prefix) == len &&
			memcmp(rtc_prefixes->entry[i].prefix, prefix, len) == 0;
	rtc_prefix_unlock();
	return found;
}

/* Ends what kept a database closed.  Needs the lock. */
static void
open_entry(RtcPrefix *entry, RtcPrefixState state)
{
	entry->state = state;
	entry->unnoted = false;
	/* if it is given up again soon, that is not the first time */
	entry->retry_ms = rtc_clock_ms();
}

/*
 * Enters the prefix in the position and drops the old one; closed: enters both as
 * ours, but not for readers.
 */
static RtcJobResult
store_prefix(RtcConn *conn, Oid dboid, const char *prefix, const char *old,
			 bool closed)
{
	const char *us = rtc_position_owner();

	rtc_conn_append_strings(conn, "MULTI", NULL);
	if (prefix[0] != '\0')
	{
		rtc_position_append_prefix(conn, prefix, dboid, closed);
		rtc_conn_append_strings(conn, "HSET", RTC_OWNERS_KEY, prefix,
								rtc_system_name(), NULL);
	}
	if (old[0] != '\0' && closed)
		rtc_position_append_prefix(conn, old, dboid, true);
	else if (old[0] != '\0')
	{
		rtc_position_append_drop(conn, old);
		rtc_conn_append_strings(conn, "HDEL", RTC_OWNERS_KEY, old, NULL);
	}
	switch (rtc_position_exec(conn, rtc_command_timeout, us, us))
	{
		case RTC_EXEC_DONE:
			return RTC_JOB_DONE;
		case RTC_EXEC_FULL:
			return RTC_JOB_FULL;
		case RTC_EXEC_FAILED:
		case RTC_EXEC_LOST:
			break;
	}
	return RTC_JOB_DOWN;
}

/* ---------------- owners ---------------- */

/* Which database system has the prefix?  "" = none. */
static RtcConnResult
find_owner(RtcConn *conn, const char *prefix, char owner[SYSID_LEN])
{
	RtcReply   *reply;

	owner[0] = '\0';
	rtc_conn_append_strings(conn, "HGET", RTC_OWNERS_KEY, prefix, NULL);
	reply = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	if (reply != NULL && rtc_reply_is_error(reply, "WRONGTYPE"))
	{
		/* somebody has stored something else there: it tells nothing */
		rtc_conn_append_strings(conn, "UNLINK", RTC_OWNERS_KEY, NULL);
		reply = rtc_conn_exchange(conn, rtc_command_timeout, NULL);
	}
	if (reply == NULL || rtc_conn_judge(conn, reply, 1) != RTC_CONN_OK)
		return RTC_CONN_FAILED;
	if (reply->type == RTC_REPLY_STRING)
		strlcpy(owner, reply->str, SYSID_LEN);
	return RTC_CONN_OK;
}

/* Makes sure that no other database system uses the prefix, and watches that. */
static RtcJobResult
check_owner(RtcConn *conn, const char *prefix, char error[RTC_ERROR_LEN])
{
	RtcReply   *reply;
	char		key[128];
	char		other[SYSID_LEN];
	int64		seen_ms;

	/* two may look at the same time: the EXEC of the second one fails */
	rtc_conn_append_strings(conn, "WATCH", RTC_OWNERS_KEY, NULL);
	if (rtc_conn_ask(conn, rtc_command_timeout, NULL) == NULL ||
		find_owner(conn, prefix, other) != RTC_CONN_OK)
		return RTC_JOB_DOWN;
	if (other[0] == '\0' || strcmp(other, rtc_system_name()) == 0)
		return RTC_JOB_DONE;

	snprintf(key, sizeof(key), RTC_POSITION_KEY "%s", other);
	rtc_conn_append_strings(conn, "HGET", key, RTC_POS_SEEN, NULL);
	reply = rtc_conn_ask(conn, rtc_command_timeout, NULL);
	if (reply == NULL)
		return RTC_JOB_DOWN;
	seen_ms = reply->type == RTC_REPLY_STRING
		? strtoi64(reply->str, NULL, 10) : 0;
	if (rtc_unix_ms() - seen_ms >= RTC_OWNER_SILENCE)
		return RTC_JOB_DONE;
	snprintf(error, RTC_ERROR_LEN,
			 "key prefix \"%s\" belongs to database system %s",
			 prefix, other);
	return RTC_JOB_FENCED;
}
