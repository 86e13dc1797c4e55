/*-------------------------------------------------------------------------
 *
 * command_args.c
 *		The arguments of one command for Redis.
 *
 * For commands whose arguments are not all C strings, or whose number is not
 * known beforehand.  The others go to rtc_conn_append_strings().
 *
 * Model: any process.  The arguments are copied into memory of the context
 * that is current at the first rtc_args_begin().  Raises only out of memory.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "redis/command_args.h"

void
rtc_args_begin(RtcArgs *args, const char *command)
{
	if (args->start == NULL)
	{
		initStringInfo(&args->bytes);
		args->max = 16;
		args->start = palloc(args->max * sizeof(int));
	}
	resetStringInfo(&args->bytes);
	args->n = 0;
	rtc_args_text(args, command);
}

StringInfo
rtc_args_next(RtcArgs *args)
{
	if (args->n == args->max)
	{
		args->max *= 2;
		args->start = repalloc(args->start, args->max * sizeof(int));
	}
	args->start[args->n++] = args->bytes.len;
	return &args->bytes;
}

void
rtc_args_text(RtcArgs *args, const char *text)
{
	appendStringInfoString(rtc_args_next(args), text);
}

void
rtc_args_bytes(RtcArgs *args, const char *bytes, size_t len)
{
	appendBinaryStringInfo(rtc_args_next(args), bytes, len);
}

void
rtc_args_number(RtcArgs *args, int64 number)
{
	appendStringInfo(rtc_args_next(args), INT64_FORMAT, number);
}

const char *
rtc_args_get(const RtcArgs *args, int i, size_t *len)
{
	int			end = i + 1 < args->n ? args->start[i + 1] : args->bytes.len;

	*len = end - args->start[i];
	return args->bytes.data + args->start[i];
}

void
rtc_args_free(RtcArgs *args)
{
	if (args->start == NULL)
		return;
	pfree(args->bytes.data);
	pfree(args->start);
	memset(args, 0, sizeof(*args));
}
