/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *		What the fuzz targets share: a server that is only a shim.
 *
 * A target is one file.  It has fuzz_one(), which is called with hostile
 * bytes, and includes or links the rooms of src/ that it is about, as they
 * are.  shim.c gives them memory, errors and what else they need of a server.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FUZZ_H
#define RTC_FUZZ_H

#include "postgres.h"

/* Ends the run: what must be true is not. */
#define MUST(condition) \
	do { \
		if (!(condition)) \
		{ \
			fuzz_broken(#condition, __FILE__, __LINE__); \
		} \
	} while (0)

extern void fuzz_broken(const char *what, const char *file, int line) pg_attribute_noreturn();

/* The target.  It may raise an ERROR, and need not free its memory. */
extern void fuzz_one(const uint8 *data, size_t size);

/* A NUL-terminated copy of the input. */
extern char *fuzz_text(const uint8 *data, size_t size);

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

#endif							/* RTC_FUZZ_H */
