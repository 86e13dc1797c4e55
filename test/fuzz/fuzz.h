/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *		What the fuzz targets share.
 *
 * A target is one file.  It has fuzz_one(), which is called with hostile bytes.
 * The line "rooms:" of its head names the rooms of src/ that are linked to it.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_FUZZ_H
#define RTC_FUZZ_H

#include "postgres.h"

#include "server_shim.h"

/* The target.  It may raise an ERROR, and need not free its memory. */
extern void fuzz_one(const uint8 *data, size_t size);

/* A NUL-terminated copy of the input. */
extern char *fuzz_text(const uint8 *data, size_t size);

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

#endif							/* RTC_FUZZ_H */
