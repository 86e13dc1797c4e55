/*-------------------------------------------------------------------------
 *
 * fault.h
 *		What is wrong with an argument of a rule.
 *
 * The rule checker raises it.  A trigger that runs into it must not fail the
 * user's write, and warns instead.
 *
 * Model: pure functions.  Texts are translated already and live in the
 * current memory context.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FAULT_H
#define RTC_FAULT_H

#include "postgres.h"

typedef struct RtcFault
{
	int			sqlerrcode;
	const char *message;		/* NULL = nothing is wrong */
	const char *detail;			/* NULL = none */
	const char *hint;			/* NULL = none */
} RtcFault;

/* Fills *fault; returns NULL for brevity. */
static inline void *
rtc_fault_set(RtcFault *fault, int sqlerrcode, const char *message,
			  const char *detail, const char *hint)
{
	*fault = (RtcFault)
	{
		sqlerrcode, message, detail, hint
	};
	return NULL;
}

/* Raises a fault as an ERROR. */
static inline void
rtc_fault_raise(const RtcFault *fault)
{
	ereport(ERROR,
			(errcode(fault->sqlerrcode),
			 errmsg_internal("%s", fault->message),
			 fault->detail ? errdetail_internal("%s", fault->detail) : 0,
			 fault->hint ? errhint("%s", fault->hint) : 0));
}

#endif							/* RTC_FAULT_H */
