/*-------------------------------------------------------------------------
 *
 * portable.h
 *		Do functions, and types, depend on nothing but values?  See portable.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PORTABLE_H
#define RTC_PORTABLE_H

#include "postgres.h"

/* Reasons; short and stable, as in cacheable.c. */
#define REASON_VOLATILE		"volatile function"
#define REASON_FUNCTION		"function that is not immutable"
#define REASON_SESSION		"depends on the session"
#define REASON_TEMP_FUNCTION "temporary function"
#define RTC_UNCACHEABLE_TIME "depends on the time"

/* Why the use of a function spoils a query; NULL = it does not. */
extern const char *rtc_judge_function(Oid funcid);

/*
 * Why the way in which values of a type are written does: as that of regclass,
 * which looks names up, and of what has such a part.
 */
extern const char *rtc_judge_type(Oid typid);

/* Why reading a value of a type from text does: as of dates, from 'today'. */
extern const char *rtc_judge_input(Oid typid);

/* Is there a row type in it, which ALTER TYPE may give another attribute? */
extern bool rtc_type_has_rows(Oid typid);

/* Is it because words like 'now' and 'today' are read? */
extern bool rtc_type_reads_moments(Oid typid);

/* Is this a function of the server that reads text as the type it returns? */
extern bool rtc_reads_its_type(Oid funcid);

/* Is this a function of the server whose second argument is a pattern? */
extern bool rtc_is_pattern_function(const char *name);

#endif							/* RTC_PORTABLE_H */
