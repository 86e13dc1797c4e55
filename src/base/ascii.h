/*-------------------------------------------------------------------------
 *
 * ascii.h
 *		Texts for people, in every encoding.
 *
 * What is kept in shared memory may be read in a database of another encoding than
 * that in which it was written, and it may be cut in the middle of a character.
 *
 * Model: pure functions.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ASCII_H
#define RTC_ASCII_H

#include "postgres.h"

/* Makes each byte of a C string that is not printable ASCII a question mark. */
static inline void
rtc_keep_ascii(char *text)
{
	for (char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

#endif							/* RTC_ASCII_H */
