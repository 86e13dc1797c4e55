/*-------------------------------------------------------------------------
 *
 * judge_internal.h
 *		The judgement of one query, between judge.c, judge_function.c and
 *		judge_type.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JUDGE_INTERNAL_H
#define RTC_JUDGE_INTERNAL_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/hsearch.h"

#include "query/judge.h"

/* What is judged about an object. */
typedef enum RtcAspect
{
	RTC_ASPECT_CALL,			/* a function is called */
	RTC_ASPECT_OPERATOR,		/* an operator is used */
	RTC_ASPECT_FAMILY,			/* so is what is in an operator family */
	RTC_ASPECT_VALUES,			/* values of a type are there */
	RTC_ASPECT_READING,			/* text is read as a type */
	RTC_ASPECT_READING_KNOWN,	/* the same, but somebody looks at the text */
	RTC_ASPECT_MOMENTS,			/* nothing but whether 'now' is a word for it */
	RTC_ASPECT_CHECKS			/* constraints in a type are checked */
} RtcAspect;

typedef struct RtcJudgedKey
{
	RtcAspect	aspect;
	Oid			oid;			/* of the object */
} RtcJudgedKey;

/* One aspect of an object that has been judged. */
typedef struct RtcJudged
{
	RtcJudgedKey key;
	bool		moments;		/* RTC_ASPECT_MOMENTS: it is */
} RtcJudged;

/* Where something is called that the query does not name. */
typedef struct RtcPlace
{
	const char *what;			/* for people; NULL = in the query itself */
	Oid			classid;		/* catalog of the object */
	Oid			oid;			/* of the object */
} RtcPlace;

struct RtcJudge
{
	MemoryContext context;		/* of all this */
	const char *reason;			/* why not to cache, the first one; or NULL */
	HTAB	   *judged;			/* RtcJudged */
	HTAB	   *bodies;			/* those that were read; NULL = none yet */
	List	   *pending;		/* expressions to be judged, in their order */
	int			next;			/* index of the next one */
	RtcPlace	place;			/* what is being judged now */
};

/* Notes that an aspect is judged; sets *first if that is news. */
extern RtcJudged *rtc_judge_remember(RtcJudge *judge, RtcAspect aspect,
									 Oid oid, bool *first);

/* Goes to a place inside an object.  Returns where we were, to go back. */
extern RtcPlace rtc_judge_enter(RtcJudge *judge, const char *what,
								Oid classid, Oid oid);

/* Has an expression judged later, at a place.  "text": see RtcUnseen. */
extern void rtc_judge_later(RtcJudge *judge, Node *tree, const char *text,
							const char *what, Oid classid, Oid oid);

#endif							/* RTC_JUDGE_INTERNAL_H */
