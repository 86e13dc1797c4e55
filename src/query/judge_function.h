/*-------------------------------------------------------------------------
 *
 * judge_function.h
 *		What the call of a function makes the executor call.
 *		See judge_function.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JUDGE_FUNCTION_H
#define RTC_JUDGE_FUNCTION_H

#include "nodes/primnodes.h"

#include "query/judge.h"

/*
 * Judges that a function is called.  "call" is the expression that calls it;
 * NULL = something else calls it.
 */
extern void rtc_judge_call(RtcJudge *judge, Oid funcid, Node *call);

/* Judges the values that a function returns: a record may have any columns. */
extern void rtc_judge_returned(RtcJudge *judge, FuncExpr *func);

/*
 * Judges functions that wait for it, up to the next expression that the caller
 * has to visit, and returns that.  NULL = there is none, or a reason was found.
 */
extern const RtcUnseen *rtc_judge_next(RtcJudge *judge);

#endif							/* RTC_JUDGE_FUNCTION_H */
