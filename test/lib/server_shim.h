/*-------------------------------------------------------------------------
 *
 * server_shim.h
 *		A server that is only a shim.  See server_shim.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SERVER_SHIM_H
#define RTC_SERVER_SHIM_H

#include "postgres.h"

/* Ends the process by SIGABRT unless the condition is true. */
#define MUST(condition) \
	do { \
		if (!(condition)) \
			shim_broken(#condition, __FILE__, __LINE__); \
	} while (0)

extern void shim_broken(const char *what, const char *file, int line) pg_attribute_noreturn();

/* The last ERROR: its SQLSTATE, a space and its message. */
extern const char *shim_error(void);

/*
 * Calls a function, which may raise an ERROR, and frees all memory.  Returns
 * false if it raised one.
 */
extern bool shim_run(void (*function) (void *), void *arg);

#endif							/* RTC_SERVER_SHIM_H */
