/*-------------------------------------------------------------------------
 *
 * decision.c
 *		What to do with a Redis that is at some position.
 *
 * The first line of the table all of whose facts are true decides.  So a Redis in
 * which somebody else is at work is left alone before anything in it is judged,
 * and WAL is asked only about a position that belongs to our history.
 *
 * Resume needs that WAL has everything from restart_lsn on, that the position's
 * timeline is in our history, and that we wrote it, or left that timeline behind
 * its LSN.  See store.c for the mark.
 *
 * Model: pure; called by the relay at each connect.  See position.c for the
 * facts, and test/unit/test_decision.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "relay/decision.h"

/* What a reason says besides its text. */
typedef enum Detail
{
	NOTHING,
	TIMELINE,					/* that of the position */
	SUCCESSOR,					/* the one of who takes over */
	NEWEST,						/* newest LSN of the position */
	RESTART,					/* restart_lsn */
	MARK						/* LSN of the mark */
} Detail;

typedef struct DecisionLine
{
	int			facts;			/* when all of these are true */
	RtcDecision decision;
	const char *reason;			/* %s = the detail */
	Detail		detail;
} DecisionLine;

static const DecisionLine table[] = {
	{RTC_FACT_NONE, RTC_DECIDE_CLEAR,
	"Redis holds no position of this server", NOTHING},

	{RTC_FACT_OTHERS | RTC_FACT_ALIVE | RTC_FACT_YOUNGER, RTC_DECIDE_FENCED,
		"a server on timeline %s, younger than ours, has taken over",
	TIMELINE},
	{RTC_FACT_OTHERS | RTC_FACT_ALIVE | RTC_FACT_SAME, RTC_DECIDE_FENCED,
		"a copy of this server on the same timeline %s is in charge",
	TIMELINE},
	{RTC_FACT_SUCCESSOR | RTC_FACT_ALIVE, RTC_DECIDE_FENCED,
		"a server on timeline %s, younger than ours, is taking over",
	SUCCESSOR},

	/*
	 * A copy, or another standby that was promoted to the same number: from
	 * where it left our history on its LSNs mean something else.
	 */
	{RTC_FACT_OTHERS | RTC_FACT_SAME, RTC_DECIDE_CLEAR,
		"another data directory has written to it on timeline %s",
	TIMELINE},
	{RTC_FACT_SEAL, RTC_DECIDE_CLEAR,
	"the key of WAL messages is a new one", NOTHING},
	{RTC_FACT_UNCLEARED, RTC_DECIDE_CLEAR,
	"an earlier clear was not finished", NOTHING},

	{RTC_FACT_SAME | RTC_FACT_FOREIGN, RTC_DECIDE_CLEAR,
		"Redis follows another timeline %s than ours",
	TIMELINE},
	{RTC_FACT_FOREIGN, RTC_DECIDE_CLEAR,
		"timeline %s of Redis is not in the history of ours",
	TIMELINE},
	{RTC_FACT_AHEAD, RTC_DECIDE_CLEAR,
		"Redis holds writes up to %s, which this database has lost",
	NEWEST},

	{RTC_FACT_WAL_GONE, RTC_DECIDE_CLEAR,
		"WAL from %s on has been removed",
	RESTART},
	{RTC_FACT_WAL_OTHER, RTC_DECIDE_CLEAR,
		"WAL at %s is not what it was when Redis got there",
	MARK},

	{0, RTC_DECIDE_RESUME, "", NOTHING}
};

int
rtc_decision_facts(const RtcPosition *pos, const RtcOurs *ours)
{
	int			facts = 0;

	if (!pos->found)
		return RTC_FACT_NONE;
	if (strcmp(pos->owner, ours->owner) != 0)
		facts |= RTC_FACT_OTHERS;
	if (ours->alive)
		facts |= RTC_FACT_ALIVE;
	if (pos->timeline == ours->timeline)
		facts |= RTC_FACT_SAME;
	if (pos->timeline > ours->timeline)
		facts |= RTC_FACT_YOUNGER;
	if (pos->successor > ours->timeline)
		facts |= RTC_FACT_SUCCESSOR;
	if (XLogRecPtrIsInvalid(ours->end) || pos->timeline_begin != ours->begin)
		facts |= RTC_FACT_FOREIGN;
	if (strcmp(pos->key_id, ours->key_id) != 0)
		facts |= RTC_FACT_SEAL;
	if (pos->at.horizon != 0 && !ours->cleared)
		facts |= RTC_FACT_UNCLEARED;
	if (Max(pos->at.lsn, pos->at.commit_lsn) > ours->end)
		facts |= RTC_FACT_AHEAD;
	return facts;
}

RtcDecision
rtc_decide(int facts, const RtcPosition *pos, char *reason, size_t size)
{
	const DecisionLine *line = table;
	char		detail[MARK + 1][32] = {""};

	while ((facts & line->facts) != line->facts)
		line++;
	snprintf(detail[TIMELINE], 32, "%u", pos->timeline);
	snprintf(detail[SUCCESSOR], 32, "%u", pos->successor);
	snprintf(detail[NEWEST], 32, "%X/%X",
			 LSN_FORMAT_ARGS(Max(pos->at.lsn, pos->at.commit_lsn)));
	snprintf(detail[RESTART], 32, "%X/%X", LSN_FORMAT_ARGS(pos->at.restart_lsn));
	snprintf(detail[MARK], 32, "%X/%X", LSN_FORMAT_ARGS(pos->at.mark.lsn));
	snprintf(reason, size, line->reason, detail[line->detail]);
	return line->decision;
}
