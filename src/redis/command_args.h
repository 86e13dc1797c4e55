/*-------------------------------------------------------------------------
 *
 * command_args.h
 *		The arguments of one command for Redis.  See command_args.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_COMMAND_ARGS_H
#define RTC_COMMAND_ARGS_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Zero it before the first use.  It may be used for many commands. */
typedef struct RtcArgs
{
	StringInfoData bytes;		/* the arguments, one behind the other */
	int			n;				/* number of arguments */
	int			max;			/* for which there is room in start */
	int		   *start;			/* where each begins in bytes */
} RtcArgs;

/* Begins a command, which has this one argument so far. */
extern void rtc_args_begin(RtcArgs *args, const char *command);

/*
 * Begins one more argument, which is what the caller appends to the result.
 */
extern StringInfo rtc_args_next(RtcArgs *args);

/* Add a whole argument: a C string, any bytes, a number in decimal. */
extern void rtc_args_text(RtcArgs *args, const char *text);
extern void rtc_args_bytes(RtcArgs *args, const char *bytes, size_t len);
extern void rtc_args_number(RtcArgs *args, int64 number);

/* Returns argument i, counted from 0, and its length in bytes. */
extern const char *rtc_args_get(const RtcArgs *args, int i, size_t *len);

/* Frees the memory; the struct may be used again. */
extern void rtc_args_free(RtcArgs *args);

#endif							/* RTC_COMMAND_ARGS_H */
