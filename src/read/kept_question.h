/*-------------------------------------------------------------------------
 *
 * kept_question.h
 *		A question as bytes, which can be asked again.  See kept_question.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_KEPT_QUESTION_H
#define RTC_KEPT_QUESTION_H

#include "postgres.h"

#include "base/work.h"
#include "read/lookup_names.h"
#include "read/question.h"

/* A kept question, taken apart.  Texts have a final NUL. */
typedef struct RtcKeptQuestion
{
	uint64		who;			/* see rtc_kept_question_has_user() */
	Oid			userid;			/* who asks */
	Oid			function;		/* cache_get or cache_list, which that is to
								 * be allowed to call */
	RtcQueryId	id;				/* what the text meant to who has asked */
	int64		ttl_ms;			/* 0 = does not expire */
	int64		stale_ms;		/* see RtcQuestion */
	bool		one_row;
	bool		put_back;		/* likewise */
	bool		tagged;			/* dep[] are the tags of the caller */
	int			ndeps;
	RtcDep	   *dep;
	char	   *search_path;	/* the setting */
	char	   *key;
	uint32		keylen;
	char	   *query;
	uint32		querylen;
	ArrayType  *args;			/* NULL = none */
} RtcKeptQuestion;

/*
 * Makes work of a question, to be asked again by who asks now: all of *work but
 * its priority.  stale_ms, put_back: as in RtcQuestion.  False = it is too long.
 */
extern bool rtc_question_keep(RtcWork *work, const RtcQuestion *question,
							  const RtcLookupNames *names, int64 stale_ms,
							  bool put_back);

/*
 * Takes a kept question apart, in the current memory context.  False = it is
 * malformed, as what comes from a file may be.
 */
extern bool rtc_kept_question_read(RtcKeptQuestion *kept, const RtcWork *work);

/*
 * Is there a user with this OID, and are the names of user and database those that
 * they had when the question was kept?
 */
extern bool rtc_kept_question_has_user(const RtcKeptQuestion *kept);

/*
 * Makes a question of it, as the current user, under the current search_path.
 * "kept" must live as long.  False = the text means something else now, so that
 * the answer would be of no use.  Errors: those of rtc_query_prepare().
 */
extern bool rtc_kept_question_take(RtcQuestion *question,
								   RtcLookupNames *names,
								   const RtcKeptQuestion *kept);

#endif							/* RTC_KEPT_QUESTION_H */
