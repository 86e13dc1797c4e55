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

#include "nodes/pg_list.h"
#include "nodes/primnodes.h"
#include "utils/hsearch.h"

/* What is judged about an object. */
typedef enum RtcAspect
{
	RTC_ASPECT_CALL,			/* a function is called */
	RTC_ASPECT_OPERATOR,		/* an operator is used */
	RTC_ASPECT_FAMILY,			/* members of an operator family are used */
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

/* A function or an expression that waits to be judged. */
typedef struct RtcUnseen
{
	const char *place;			/* as in RtcJudge */
	Oid			funcid;			/* a function that is called */
	Node	   *tree;			/* else an expression, or a query */
	const char *text;			/* its source text; NULL = none */
} RtcUnseen;

/* The judgement of one query. */
typedef struct RtcJudge
{
	const char *reason;			/* the first one not to cache; NULL = none */
	HTAB	   *judged;			/* RtcJudged by RtcJudgedKey */
	List	   *functions;		/* OIDs of what is called, each once; some of
								 * the server's functions are left out */
	List	   *types;			/* OIDs of types, once for each aspect */
	List	   *bodies;			/* of judge_function.c */
	List	   *pending;		/* RtcUnseen, in the order of their coming */
	int			next;			/* index of the next one */
	const char *place;			/* what is being judged now, for people; NULL
								 * = the query itself */
} RtcJudge;

/* Begins a judgement, in the current memory context. */
extern RtcJudge *rtc_judge_begin(void);

/* Notes a reason not to cache (NULL = none), found at the current place. */
extern void rtc_judge_object(RtcJudge *judge, const char *reason);

/* Notes that an aspect is judged.  *first: it was not before. */
extern RtcJudged *rtc_judge_remember(RtcJudge *judge, RtcAspect aspect,
									 Oid oid, bool *first);

/*
 * Has a function, or an expression (tree) of a source text, judged later, at a
 * place (see RtcUnseen).
 */
extern void rtc_judge_later(RtcJudge *judge, Oid funcid, Node *tree,
							const char *text, const char *place);

/* ---- judge_function.c ---- */

/* Judges that a function is called.  call: the expression; NULL = none. */
extern void rtc_judge_call(RtcJudge *judge, Oid funcid, Node *call);

/* Judges the values that a function returns, also those in a record. */
extern void rtc_judge_returned(RtcJudge *judge, FuncExpr *func);

/*
 * Judges pending functions, and returns the next pending expression; NULL =
 * there is none, or a reason was found.
 */
extern const RtcUnseen *rtc_judge_next(RtcJudge *judge);

/* ---- judge_type.c ---- */

/* Judges that an operator may be used, or what may stand in for it. */
extern void rtc_judge_operator(RtcJudge *judge, Oid opno);

/*
 * Judges an aspect of a type, by its parts.  For moments and reading, returns
 * whether 'now' is a word for what reads text as this type.
 */
extern bool rtc_judge_type(RtcJudge *judge, Oid typid, RtcAspect aspect);

#endif							/* RTC_JUDGE_H */
