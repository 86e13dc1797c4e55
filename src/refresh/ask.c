/*-------------------------------------------------------------------------
 *
 * ask.c
 *		Asks a kept question again.
 *
 * The worker becomes the user who has asked, under the same search_path, and goes
 * through the same lookup.  So that user's rights decide, and row-level security,
 * as if the user asked now.
 *
 * It stays a session of the superuser, though, and functions that say they are
 * immutable may do anything.  So they run as in a CREATE INDEX: they cannot become
 * somebody else again, nor leave anything in the session; what they set is taken
 * back; and the transaction is read-only.
 *
 * A question is dropped, and counted, if its user has been dropped, or may no
 * longer connect to the database or call the function.
 *
 * Model: a worker, in no transaction.  Errors are those of the query; the caller
 * ends the transaction then, which gives user and settings back.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"

#include "base/inject.h"
#include "compat.h"
#include "guc.h"
#include "read/hits.h"
#include "read/kept_question.h"
#include "read/lookup.h"
#include "refresh/ask.h"
#include "stats.h"

/* So often a question is asked if a writer is faster each time. */
#define ATTEMPTS		3

/* May the user still ask? */
static bool
may_ask(const RtcKeptQuestion *kept)
{
	return rtc_kept_question_has_user(kept) &&
		SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(kept->function)) &&
		database_aclcheck_compat(MyDatabaseId, kept->userid) == ACLCHECK_OK &&
		proc_aclcheck_compat(kept->function, kept->userid) == ACLCHECK_OK;
}

/* Shows in pg_stat_activity what is done. */
static void
report(const RtcKeptQuestion *kept)
{
	char	   *text = psprintf("refresh of %s: %s", kept->key, kept->query);

	pgstat_report_activity(STATE_RUNNING, text);
	pfree(text);
}

/* Asks, as the current user. */
static RtcAgainResult
ask(const RtcKeptQuestion *kept)
{
	RtcQuestion question;
	RtcLookupNames names;
	RtcAgainResult result = RTC_AGAIN_IN_VAIN;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (rtc_kept_question_take(&question, &names, kept))
		result = rtc_lookup_again(&question, &names);
	if (result == RTC_AGAIN_STORED)
	{
		rtc_hits_forget(&question);
		rtc_names_count_refresh(&names, &question);
	}
	PopActiveSnapshot();
	return result;
}

/* Asks in a transaction; the second half may raise. */
static RtcAgainResult
ask_as_user(const RtcKeptQuestion *kept)
{
	RtcAgainResult result;
	Oid			userid;
	int			context;
	int			nestlevel;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = true;
	if (!may_ask(kept))
	{
		CommitTransactionCommand();
		return RTC_AGAIN_IN_VAIN;
	}

	nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", kept->search_path, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(kept->userid, context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	enable_timeout_after(STATEMENT_TIMEOUT, rtc_refresh_statement_timeout);
	result = ask(kept);
	disable_timeout(STATEMENT_TIMEOUT, false);
	SetUserIdAndSecContext(userid, context);
	AtEOXact_GUC(false, nestlevel);
	CommitTransactionCommand();
	return result;
}

bool
rtc_ask_again(const RtcWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	RtcKeptQuestion kept;
	RtcAgainResult result = RTC_AGAIN_IN_VAIN;

	if (rtc_kept_question_read(&kept, work))
	{
		report(&kept);
		for (int i = 0; i < ATTEMPTS; i++)
		{
			result = ask_as_user(&kept);
			MemoryContextSwitchTo(context);
			if (result != RTC_AGAIN_OUTRUN)
				break;
		}
	}
	if (result == RTC_AGAIN_STORED)
		rtc_stat_inc(RTC_STAT_REFRESHES);
	else if (result == RTC_AGAIN_IN_VAIN)
		rtc_stat_inc(RTC_STAT_WORK_DROPPED);
	RTC_INJECT("asked_again");
	return result != RTC_AGAIN_IN_VAIN;
}
