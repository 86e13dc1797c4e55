/*-------------------------------------------------------------------------
 *
 * digits.h
 *		Numbers as printable ASCII, short and quick.
 *
 * A number is written in digits of five bits, the lowest first.  The last
 * digit is one of the 32 characters from '0' on, and each before it is one of
 * the 32 behind these, from 'P' on.  So a number needs no terminator and no
 * length, and one below 32 takes one byte.  There is one way to write a
 * number: zeros at its end are no digits.
 *
 * Model: pure functions.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_DIGITS_H
#define RTC_DIGITS_H

#include "postgres.h"

/* The most bytes that a number takes. */
#define RTC_MAX_DIGITS	13

#define RTC_DIGIT_LAST	'0'		/* digits that end a number begin here */
#define RTC_DIGIT_MORE	'P'		/* and those that do not, here */

/* Writes n at p, and returns the end of it. */
static inline char *
rtc_put_number(char *p, uint64 n)
{
	while (n >= 32)
	{
		*p++ = RTC_DIGIT_MORE + (char) (n & 31);
		n >>= 5;
	}
	*p++ = RTC_DIGIT_LAST + (char) n;
	return p;
}

/*
 * Reads the number at *pos and moves *pos behind it.  False if there is none
 * before "end", or one that does not fit into 64 bits.
 */
static inline bool
rtc_get_number(const char **pos, const char *end, uint64 *n)
{
	const char *p = *pos;

	*n = 0;
	for (int shift = 0; p < end && shift <= 60; shift += 5)
	{
		int			digit = (unsigned char) *p++ - RTC_DIGIT_LAST;

		if (digit < 0 || digit >= 64 || (shift == 60 && digit >= 16))
			return false;
		*n |= (uint64) (digit & 31) << shift;
		if (digit >= 32)
			continue;
		if (digit == 0 && shift > 0)
			return false;
		*pos = p;
		return true;
	}
	return false;
}

/* The same for what must not be more than max. */
static inline bool
rtc_get_number_up_to(const char **pos, const char *end, uint64 max, uint64 *n)
{
	return rtc_get_number(pos, end, n) && *n <= max;
}

#endif							/* RTC_DIGITS_H */
