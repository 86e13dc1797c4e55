/*-------------------------------------------------------------------------
 *
 * literal.h
 *		Literals in the source text of a query.  See literal.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_LITERAL_H
#define RTC_LITERAL_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * Finds the string literals of a text that has been parsed, in their order; for
 * rtc_literals_find().  In the current memory context.
 */
extern List *rtc_literals_scan(const char *text);

/*
 * Returns the string that the literal at a place stands for, in bytes from the
 * beginning of the text; NULL if there is no literal or no telling.
 */
extern const char *rtc_literals_find(const List *literals, int location);

/* Is one of the words 'now', 'today' and so on in the text of a value? */
extern bool rtc_text_names_moment(const char *text, size_t len);

#endif							/* RTC_LITERAL_H */
