/*-------------------------------------------------------------------------
 *
 * judge_type.h
 *		What operators, and values of a type, make the executor call.
 *		See judge_type.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JUDGE_TYPE_H
#define RTC_JUDGE_TYPE_H

#include "query/judge.h"

/* Judges that an operator may be used, or what may stand in for it. */
extern void rtc_judge_operator(RtcJudge *judge, Oid opno);

/* Judges that values of a type are written, compared and hashed. */
extern void rtc_judge_values(RtcJudge *judge, Oid typid);

/*
 * Judges that text is read as a type.  "known": the caller looks for words like
 * 'now' in the text, if rtc_judge_moments() says that the type reads them.
 */
extern void rtc_judge_reading(RtcJudge *judge, Oid typid, bool known);

/* Are there words like 'now' for a type? */
extern bool rtc_judge_moments(RtcJudge *judge, Oid typid);

/* Judges that values become those of a type with constraints. */
extern void rtc_judge_checks(RtcJudge *judge, Oid typid);

#endif							/* RTC_JUDGE_TYPE_H */
