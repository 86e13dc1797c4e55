/*-------------------------------------------------------------------------
 *
 * args.h
 *		Arguments of a query, read one by one.  See args.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_ARGS_H
#define RTC_ARGS_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/array.h"

/* How to read an argument of a query. */
typedef struct RtcArg
{
	int			number;			/* counted from 1; 0 = none */
	bool		is_text;		/* the text itself is the value */
	FmgrInfo	input;			/* else this makes it */
	Oid			ioparam;
} RtcArg;

/* Prepares to read what a parameter stands for; context: where that lives. */
extern void rtc_arg_init(RtcArg *arg, const Param *param,
						 MemoryContext context);

/*
 * Reads it from the arguments (text[]); false = NULL.  Settings must be pinned
 * by the caller as for the query.  Errors: those of the input function.
 */
extern bool rtc_arg_read(RtcArg *arg, ArrayType *args, Datum *value);

#endif							/* RTC_ARGS_H */
