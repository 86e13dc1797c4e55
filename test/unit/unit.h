/*-------------------------------------------------------------------------
 *
 * unit.h
 *		What unit tests print: TAP.
 *
 * A unit test is one file, test_X.c.  Its line "rooms:" names the rooms of src/
 * that are linked to it, without a server.  Its main() makes checks and returns
 * done_testing().
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_UNIT_H
#define RTC_UNIT_H

#include "postgres.h"

#include "server_shim.h"

/* One check, with a name like that of printf().  Returns the result. */
extern bool ok(bool result, const char *name,...) pg_attribute_printf(2, 3);

/* The same, for a number and for a text that may be NULL. */
extern bool is_int(int64 got, int64 expected, const char *name,...) pg_attribute_printf(3, 4);
extern bool is_text(const char *got, const char *expected, const char *name,...) pg_attribute_printf(3, 4);

/*
 * Does a statement raise this error?  It is told as SQLSTATE and message, and no
 * error as "".
 */
#define raises(statement, expected, ...) \
	do { \
		const char *volatile raised = ""; \
		PG_TRY(); \
		{ \
			statement; \
		} \
		PG_CATCH(); \
		{ \
			raised = shim_error(); \
		} \
		PG_END_TRY(); \
		is_text(raised, expected, __VA_ARGS__); \
	} while (0)

/* Prints the plan; returns the exit status for main(). */
extern int	done_testing(void);

#endif							/* RTC_UNIT_H */
