/*-------------------------------------------------------------------------
 *
 * lookup.h
 *		A lookup that a worker makes.  See lookup.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_LOOKUP_H
#define RTC_LOOKUP_H

#include "read/lookup_names.h"
#include "read/question.h"

typedef enum RtcAgainResult
{
	RTC_AGAIN_STORED,			/* computed, and stored */
	RTC_AGAIN_NOT_NEEDED,		/* somebody else has done that */
	RTC_AGAIN_OUTRUN,			/* a write came in between: not stored */
	RTC_AGAIN_IN_VAIN			/* it cannot be stored, so not asked */
} RtcAgainResult;

/*
 * Looks a question up for those who will ask it next: an answer is found or
 * computed, and stored, and nobody gets it.  What caches hold counts only if it
 * lasts longer than question->stale_ms.  Errors: those of the query.
 */
extern RtcAgainResult rtc_lookup_again(RtcQuestion *question,
									   RtcLookupNames *names);

#endif							/* RTC_LOOKUP_H */
