/*-------------------------------------------------------------------------
 *
 * wrong.c
 *		Counts what the torture checker finds to be wrong.
 *
 * MODEL: called by all threads, under a mutex of its own; the numbers are read
 * by the main thread when no other runs.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "torture.h"

#define MAX_SHOWN	5			/* of each kind, unless all are wanted */

const char *const wrong_names[] = {
	"stale", "uncommitted", "backward", "older than Redis", "absent", "torn",
	"other question", "own writes", "snapshot", "Redis older than confirmed",
	"Redis uncommitted", "differs at rest", "commit lost",
	"written behind", "entries"
};

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static long long wrong[WRONG_COUNT];
static int64_t first_wrong = NEVER;

/*
 * Counts a wrong read, and tells of the first few.
 */
void
wrong_report(Wrong kind, int64_t at, const char *format,...)
{
	va_list		args;

	pthread_mutex_lock(&report_lock);
	if (at < first_wrong)
		first_wrong = at;
	if (wrong[kind]++ < MAX_SHOWN || options.verbose)
	{
		printf("WRONG (%s): ", wrong_names[kind]);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		putchar('\n');
	}
	pthread_mutex_unlock(&report_lock);
}

long long
wrong_count(Wrong kind)
{
	return wrong[kind];
}

long long
wrong_total(void)
{
	long long	total = 0;

	for (int i = 0; i < WRONG_COUNT; i++)
		total += wrong[i];
	return total;
}

int64_t
wrong_first(void)
{
	return first_wrong;
}
