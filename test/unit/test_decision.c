/*-------------------------------------------------------------------------
 *
 * test_decision.c
 *		What the relay does with a Redis, by the position in it.
 *
 * rooms: relay/decision
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "relay/decision.h"
#include "unit.h"

/* Our server: on timeline 3, which is at 1000. */
static const RtcOurs us = {
	.timeline = 3, .begin = 500, .end = 1000, .owner = "we", .key_id = "seal"
};

/* Timeline 2 began at 100 and ended at 500, where ours begins. */
static const RtcOurs us_behind_2 = {
	.timeline = 3, .begin = 100, .end = 500, .owner = "we", .key_id = "seal"
};

/* Our position, as we left it. */
static const RtcPosition ours = {
	.found = true, .timeline = 3, .timeline_begin = 500, .owner = "we",
	.key_id = "seal",
	.at = {.lsn = 900, .verified_lsn = 890, .restart_lsn = 880, .commit_lsn = 900}
};

/* Does a position lead to that decision, for a reason with that text? */
static void
expect(const RtcPosition *pos, const RtcOurs *compared, int more,
	   RtcDecision decision, const char *text, const char *what)
{
	int			facts = rtc_decision_facts(pos, compared) | more;
	char		reason[200];

	ok(rtc_decide(facts, pos, reason, sizeof(reason)) == decision, "%s", what);
	ok(strstr(reason, text) != NULL, "since: %s", reason);
}

static void
test_ours(void)
{
	RtcPosition pos = ours;
	RtcOurs		compared = us;

	expect(&pos, &us, 0, RTC_DECIDE_RESUME, "", "our own position");
	expect(&pos, &us, RTC_FACT_WAL_GONE, RTC_DECIDE_CLEAR,
		   "WAL from 0/370 on has been removed", "WAL is gone");
	pos.at.mark.lsn = 0x380;
	expect(&pos, &us, RTC_FACT_WAL_OTHER, RTC_DECIDE_CLEAR,
		   "WAL at 0/380 is not what it was", "WAL is another one");

	pos = ours;
	pos.found = false;
	expect(&pos, &us, 0, RTC_DECIDE_CLEAR, "no position", "no position");

	pos = ours;
	strlcpy(pos.key_id, "other", sizeof(pos.key_id));
	expect(&pos, &us, 0, RTC_DECIDE_CLEAR, "key of WAL messages",
		   "another seal");

	pos = ours;
	pos.at.horizon = 5;
	expect(&pos, &us, 0, RTC_DECIDE_CLEAR, "not finished",
		   "a clear that was cut off");
	compared.cleared = true;
	expect(&pos, &compared, 0, RTC_DECIDE_RESUME, "",
		   "one whose deletions were done by this relay");

	pos = ours;
	pos.at.lsn = 1001;
	expect(&pos, &us, 0, RTC_DECIDE_CLEAR, "up to 0/3E9, which this database",
		   "a position that we have lost");
	pos = ours;
	pos.at.commit_lsn = 1001;
	expect(&pos, &us, 0, RTC_DECIDE_CLEAR, "up to 0/3E9, which this database",
		   "a commit, sent in part, that we have lost");
	pos = ours;
	pos.timeline_begin = 400;
	expect(&pos, &us, 0, RTC_DECIDE_CLEAR, "another timeline 3",
		   "a timeline of the same number, from elsewhere");
}

static void
test_others(void)
{
	RtcPosition pos = ours;
	RtcOurs		compared = us;

	/* a copy of this server */
	strlcpy(pos.owner, "they", sizeof(pos.owner));
	compared.alive = true;
	expect(&pos, &compared, 0, RTC_DECIDE_FENCED, "same timeline 3",
		   "a copy that is alive");
	expect(&pos, &us, 0, RTC_DECIDE_CLEAR, "another data directory",
		   "a copy that is gone");

	/* a server that has replaced us */
	pos.timeline = 4;
	compared.end = InvalidXLogRecPtr;
	expect(&pos, &compared, 0, RTC_DECIDE_FENCED, "timeline 4, younger",
		   "a successor that is alive");
	compared.alive = false;
	expect(&pos, &compared, 0, RTC_DECIDE_CLEAR, "not in the history",
		   "a successor that is gone");

	/* one that says that it will */
	pos = ours;
	pos.successor = 4;
	compared = us;
	compared.alive = true;
	expect(&pos, &compared, 0, RTC_DECIDE_FENCED, "timeline 4, younger",
		   "a successor that is about to take over");
	expect(&pos, &us, 0, RTC_DECIDE_RESUME, "", "it never did");
	pos.successor = 3;
	expect(&pos, &compared, 0, RTC_DECIDE_RESUME, "", "it was us");
}

static void
test_predecessor(void)
{
	RtcPosition pos = ours;
	RtcOurs		compared = us_behind_2;

	strlcpy(pos.owner, "they", sizeof(pos.owner));
	pos.timeline = 2;
	pos.timeline_begin = 100;
	pos.at.lsn = pos.at.commit_lsn = 500;
	compared.alive = true;
	expect(&pos, &compared, 0, RTC_DECIDE_RESUME, "",
		   "our predecessor, up to where we left it, dead or alive");
	pos.at.commit_lsn = 501;
	expect(&pos, &compared, 0, RTC_DECIDE_CLEAR, "up to 0/1F5",
		   "a predecessor that went on");
	pos.at.commit_lsn = 500;
	pos.timeline_begin = 90;
	expect(&pos, &compared, 0, RTC_DECIDE_CLEAR, "timeline 2 of Redis",
		   "a timeline that began elsewhere");
	pos.timeline_begin = 100;
	strlcpy(pos.owner, "we", sizeof(pos.owner));
	expect(&pos, &compared, 0, RTC_DECIDE_RESUME, "",
		   "ourselves, before we were promoted");
}

int
main(void)
{
	test_ours();
	test_others();
	test_predecessor();
	return done_testing();
}
