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

/* The string literals of a parsed text, in the current memory context. */
extern List *rtc_literals_scan(const char *text);

/*
 * Returns the string of the literal that begins at this byte of the text; NULL
 * if there is none, or if it cannot be told.
 */
extern const char *rtc_literals_find(const List *literals, int location);

/* Does the text of a value contain a word like 'now' or 'today'? */
extern bool rtc_text_names_moment(const char *text, size_t len);

#endif							/* RTC_LITERAL_H */
