/*-------------------------------------------------------------------------
 *
 * fetch.h
 *		The second half of the read path.  See fetch.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FETCH_H
#define RTC_FETCH_H

#include "read/lookup_names.h"
#include "read/question.h"

typedef struct RtcAnswer
{
	Jsonb	   *value;			/* NULL = the query returns no row */
	bool		found;			/* in Redis */
	bool		in_l1;			/* we have stored it there, */
	bool		in_redis;		/* and there */
	bool		too_large;		/* for Redis; its text may be longer than what
								 * L1 has */
	uint32		computed_us;	/* microseconds that computing it has taken,
								 * whoever did */
	bool		in_vain;		/* it is not in L1, and would not be next time */
} RtcAnswer;

/*
 * Gets the answer from Redis or from the query, and stores it, in L1 if use_l1.
 * The question is locked, and the stamps in "names" are taken.  If a worker asks
 * and the answer could not be stored, the query is not run.  Errors: those of the
 * query.
 */
extern void rtc_fetch(const RtcQuestion *question,
					  const RtcLookupNames *names, bool use_l1,
					  RtcAnswer *answer);

#endif							/* RTC_FETCH_H */
