/*-------------------------------------------------------------------------
 *
 * unit.c
 *		What unit tests print: TAP.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "unit.h"

static int	checks;
static int	failures;

/* Tells of failures on stderr as well, which prove shows. */
static bool
check(bool result, const char *name, va_list args)
{
	char		text[1024];

	vsnprintf(text, sizeof(text), name, args);
	printf("%sok %d - %s\n", result ? "" : "not ", ++checks, text);
	/* what a crash leaves in a buffer is lost */
	fflush(stdout);
	if (!result)
	{
		fprintf(stderr, "# Failed check %d: %s\n", checks, text);
		failures++;
	}
	return result;
}

bool
ok(bool result, const char *name,...)
{
	va_list		args;

	va_start(args, name);
	check(result, name, args);
	va_end(args);
	return result;
}

bool
is_int(int64 got, int64 expected, const char *name,...)
{
	va_list		args;

	va_start(args, name);
	if (!check(got == expected, name, args))
		fprintf(stderr, "# got " INT64_FORMAT ", expected " INT64_FORMAT "\n",
				got, expected);
	va_end(args);
	return got == expected;
}

bool
is_text(const char *got, const char *expected, const char *name,...)
{
	bool		same = got == expected ||
		(got != NULL && expected != NULL && strcmp(got, expected) == 0);
	va_list		args;

	va_start(args, name);
	if (!check(same, name, args))
		fprintf(stderr, "# got      \"%s\"\n# expected \"%s\"\n",
				got ? got : "(null)", expected ? expected : "(null)");
	va_end(args);
	return same;
}

int
done_testing(void)
{
	printf("1..%d\n", checks);
	return failures > 0;
}
