/*-------------------------------------------------------------------------
 *
 * rule_answer.h
 *		Is an answer what a rule stores anyway?  See rule_answer.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_RULE_ANSWER_H
#define RTC_RULE_ANSWER_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/array.h"

/* A query whose answer a rule of its only table stores. */
typedef struct RtcOwned RtcOwned;

/*
 * Analyzes the rewritten query trees of one statement, whose relations are
 * locked.  NULL = no rule stores the answer.  The result is in the given
 * context.
 */
extern RtcOwned *rtc_owned_analyze(List *queries, MemoryContext context);

/*
 * The key under which the rule stores the answer for these arguments (text[]);
 * NULL = none.  Errors: those of input and output functions.
 */
extern const char *rtc_owned_key(RtcOwned *owned, ArrayType *args,
								 size_t *keylen);

#endif							/* RTC_RULE_ANSWER_H */
