/*-------------------------------------------------------------------------
 *
 * query_deps.h
 *		What the answers of a query depend on.  See query_deps.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_QUERY_DEPS_H
#define RTC_QUERY_DEPS_H

#include "query/query_deps_eval.h"

/*
 * Analyzes the rewritten query trees of one statement, whose relations are
 * locked.  definition: what else the answers depend on, ndefinitions of them
 * (RTC_MAX_MEANING_DEPS at most).  The result is in the given memory context, and
 * NULL if more relations are involved than a lookup can name.
 */
extern RtcDepPlan *rtc_deps_analyze(List *queries, const RtcDep *definition,
									int ndefinitions, MemoryContext context);

#endif							/* RTC_QUERY_DEPS_H */
