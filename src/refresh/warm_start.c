/*-------------------------------------------------------------------------
 *
 * warm_start.c
 *		What was asked most before a start is asked again by workers.
 *
 * When the gate has opened, so that L1 can be used, the relay reads the file of
 * questions (hot_file.c), and lets work wait for each of their databases.  A piece of
 * that work is one question: the most asked that is left.  So other work comes in
 * between, rtcache.refresh_load bounds the time, and an error ends one question only.
 * The next piece waits before the question is asked.
 *
 * If that piece is dropped, since the queue is full or no worker is allowed, a worker
 * that has nothing else to do goes on.
 *
 * The way is that of each kept question (ask.c): as the user who has asked, if that
 * one may still.  An answer that Redis has is taken from there.
 *
 * Model: rtc_warm_start() runs in the relay, in no transaction; the rest in workers.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/inject.h"
#include "read/hot.h"
#include "refresh/ask.h"
#include "refresh/hot_file.h"
#include "refresh/warm_start.h"
#include "refresh/warm_status.h"

/* Lets the next question of a database wait. */
static bool
put_next(Oid dboid)
{
	return rtc_work_put_bare(RTC_WORK_WARM_START, dboid, RTC_WORK_PRIORITY_WARM);
}

static void
found(Oid dboid)
{
	(void) put_next(dboid);
}

void
rtc_warm_start(void)
{
	rtc_hot_file_read(found);
}

void
rtc_warm_start_next(const RtcWork *work)
{
	static RtcWork question;
	static int	total = 0;
	static TimestampTz started_at;
	int			n = rtc_hot_take(&question);

	if (n > 0 && total == 0)
	{
		total = n;
		started_at = GetCurrentTimestamp();
	}
	if (n > 0)
	{
		rtc_warming_begin(InvalidOid, RTC_WARM_QUESTIONS, total, started_at);
		rtc_warming_report(RTC_WARM_QUESTIONS, Max(total - n, 0), total);
	}
	if (n > 1)
		(void) put_next(work->dboid);
	else
	{
		total = 0;
		rtc_warming_end();
	}
	RTC_INJECT("warm_start_next");
	if (n > 0 && rtc_ask_again(&question))
		rtc_hot_asked(&question);
}

bool
rtc_warm_start_resume(void)
{
	rtc_warming_end();
	return rtc_hot_is_left() && put_next(MyDatabaseId);
}
