/*-------------------------------------------------------------------------
 *
 * judge.h
 *		The judgement of one query.  See judge.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JUDGE_H
#define RTC_JUDGE_H

#include "postgres.h"

#include "nodes/nodes.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"

/* What is judged about an object. */
typedef enum RtcAspect
{
	RTC_ASPECT_CALL,			/* a function is called */
	RTC_ASPECT_OPERATOR,		/* an operator is used */
	RTC_ASPECT_FAMILY,			/* the members of an operator family are used */
	RTC_ASPECT_VALUES,			/* values of a type are there */
	RTC_ASPECT_READING,			/* text is read as a type */
	RTC_ASPECT_READING_KNOWN,	/* the same, but the caller checks the text */
	RTC_ASPECT_MOMENTS,			/* only whether 'now' is a word for the type */
	RTC_ASPECT_CHECKS			/* the constraints in a type are checked */
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

/* A place where something is called that the query does not name. */
typedef struct RtcPlace
{
	const char *what;			/* for people; NULL = in the query itself */
	Oid			classid;		/* catalog of the object */
	Oid			oid;			/* of the object */
} RtcPlace;

/* A function or an expression that waits to be judged. */
typedef struct RtcUnseen
{
	RtcPlace	place;			/* where it is */
	Oid			funcid;			/* a function that something calls */
	Node	   *tree;			/* else an expression, or a query */
	const char *text;			/* source that the locations in the tree refer
								 * to; NULL = it has none */
} RtcUnseen;

/* The judgement of one query. */
typedef struct RtcJudge
{
	MemoryContext context;		/* of all this */
	const char *reason;			/* the first reason not to cache; NULL = none
								 * was found */
	HTAB	   *judged;			/* RtcJudged by RtcJudgedKey */
	HTAB	   *bodies;			/* of judge_function.c; NULL = none yet */
	List	   *pending;		/* RtcUnseen, in the order of their coming */
	int			next;			/* index of the next one */
	RtcPlace	place;			/* what is being judged now */
} RtcJudge;

/*
 * Begins a judgement, in the current memory context.  It needs no end.
 */
extern RtcJudge *rtc_judge_begin(void);

/* Notes a reason not to cache (NULL = none), found at the current place. */
extern void rtc_judge_object(RtcJudge *judge, const char *reason);

/* Notes that an aspect is judged.  Sets *first if it was not before. */
extern RtcJudged *rtc_judge_remember(RtcJudge *judge, RtcAspect aspect,
									 Oid oid, bool *first);

/* Goes to a place inside an object.  Returns the former one, to go back. */
extern RtcPlace rtc_judge_enter(RtcJudge *judge, const char *what,
								Oid classid, Oid oid);

/*
 * Has a function judged later that is called by something else than an
 * expression, at the current place.
 */
extern void rtc_judge_function_later(RtcJudge *judge, Oid funcid);

/* Has an expression judged later, at a place.  "text": see RtcUnseen. */
extern void rtc_judge_tree_later(RtcJudge *judge, Node *tree,
								 const char *text, const char *what,
								 Oid classid, Oid oid);

/*
 * Lists the functions and the types (OIDs, sorted, each once) that have been
 * judged up to now, including those of the server.
 */
extern void rtc_judge_objects(const RtcJudge *judge, List **functions,
							  List **types);

#endif							/* RTC_JUDGE_H */
