/*-------------------------------------------------------------------------
 *
 * judge.h
 *		What the executor calls: functions, types, operators.  See judge.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JUDGE_H
#define RTC_JUDGE_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

#include "query/function_list.h"

/* Reasons; short and stable, as in cacheable.c. */
#define REASON_FUNCTION		"function that is not immutable"
#define REASON_TEMP_FUNCTION "temporary function"
#define REASON_UNKNOWN		"function whose argument types are not known"
#define REASON_RECORD		"record of unknown columns"

/* The judgement of one query. */
typedef struct RtcJudge RtcJudge;

/* An expression, or a query, that the executor runs besides the query. */
typedef struct RtcUnseen
{
	Node	   *tree;
	const char *text;			/* source that its locations refer to; NULL =
								 * it has none */
	bool		is_body;		/* of a function: the planner may compute it */
} RtcUnseen;

/*
 * Begins a judgement, in the current memory context.  It needs no end.  The
 * functions below read catalogs, and raise what reading them raises.
 */
extern RtcJudge *rtc_judge_begin(void);

/* Returns why not to cache, the first of all reasons; NULL = none was found. */
extern const char *rtc_judge_reason(const RtcJudge *judge);

/* Notes a reason (NULL = none). */
extern void rtc_judge_object(RtcJudge *judge, const char *reason);

/*
 * Judges that a function is called.  "call" is the expression that calls it;
 * NULL = it is called by something else.
 */
extern void rtc_judge_call(RtcJudge *judge, Oid funcid, Node *call);

/* Judges that an operator may be used, by all that may stand in for it. */
extern void rtc_judge_operator(RtcJudge *judge, Oid opno);

/* Judges that values of a type are there: written, compared, hashed. */
extern void rtc_judge_values(RtcJudge *judge, Oid typid);

/* The same, for what a function returns: a record may have any columns. */
extern void rtc_judge_returned(RtcJudge *judge, FuncExpr *func);

/*
 * Judges that text is read as a type.  "known": the caller looks for words like
 * 'now' in the text, if rtc_judge_moments() says that the type reads them.
 */
extern void rtc_judge_reading(RtcJudge *judge, Oid typid, bool known);

/* Are there words like 'now' for a type?  Judges nothing. */
extern bool rtc_judge_moments(RtcJudge *judge, Oid typid);

/* Judges that values become those of a type with constraints. */
extern void rtc_judge_checks(RtcJudge *judge, Oid typid);

/*
 * Lists the functions and the types (OIDs, each once, in their order) that have
 * been judged up to now, those of the server included.
 */
extern void rtc_judge_objects(const RtcJudge *judge, List **functions,
							  List **types);

/*
 * Returns the next expression that is run unseen, NULL if there is none, or if
 * it does not matter any more.  Objections are about it from now on.
 */
extern const RtcUnseen *rtc_judge_next(RtcJudge *judge);

#endif							/* RTC_JUDGE_H */
