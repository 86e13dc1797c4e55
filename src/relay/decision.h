/*-------------------------------------------------------------------------
 *
 * decision.h
 *		What to do with a Redis that is at some position.  See decision.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_DECISION_H
#define RTC_DECISION_H

#include "postgres.h"

#include "relay/position.h"

/* What there is to know about a position; several may be true. */
typedef enum RtcFact
{
	RTC_FACT_NONE = 1 << 0,		/* there is no position */
	RTC_FACT_OTHERS = 1 << 1,	/* another data directory wrote it */
	RTC_FACT_ALIVE = 1 << 2,	/* the one that wrote it is alive */
	RTC_FACT_SAME = 1 << 3,		/* it was on our timeline, */
	RTC_FACT_YOUNGER = 1 << 4,	/* or on one with a greater number */
	RTC_FACT_SUCCESSOR = 1 << 5,	/* who is on such one is about to take
									 * over */
	RTC_FACT_FOREIGN = 1 << 6,	/* that timeline is not in our history, or
								 * began elsewhere than there */
	RTC_FACT_SEAL = 1 << 7,		/* the seal of messages was another one */
	RTC_FACT_UNCLEARED = 1 << 8,	/* a clear was begun, and this relay has
									 * not done its deletions */
	RTC_FACT_AHEAD = 1 << 9,	/* Redis has what our history never had */
	RTC_FACT_WAL_GONE = 1 << 10,	/* WAL that has to be read is gone */
	RTC_FACT_WAL_OTHER = 1 << 11	/* and another record than the one that
									 * was marked stands in its place */
} RtcFact;

typedef enum RtcDecision
{
	RTC_DECIDE_RESUME,			/* read WAL again, from restart_lsn on */
	RTC_DECIDE_CLEAR,			/* what Redis holds cannot be repaired */
	RTC_DECIDE_FENCED			/* somebody else owns it: hands off */
} RtcDecision;

/* What the position is compared with. */
typedef struct RtcOurs
{
	TimeLineID	timeline;		/* on which this server writes */
	XLogRecPtr	begin;			/* where the position's timeline left its
								 * parent, by our history; 0/0 = it is the
								 * first one, or not in there */
	XLogRecPtr	end;			/* how far our history follows it; invalid =
								 * not at all */
	const char *owner;			/* our data directory */
	const char *key_id;			/* the seal of our messages */
	bool		alive;			/* who wrote the position is alive */
	bool		cleared;		/* this relay has done the deletions of the
								 * clear that is not over */
} RtcOurs;

/* Finds the facts about a position, as an OR of RtcFact, but for those on WAL. */
extern int	rtc_decision_facts(const RtcPosition *pos, const RtcOurs *ours);

/* Decides by facts.  The reason, a clause for the log, goes to reason. */
extern RtcDecision rtc_decide(int facts, const RtcPosition *pos,
							  char *reason, size_t size);

#endif							/* RTC_DECISION_H */
