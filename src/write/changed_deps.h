/*-------------------------------------------------------------------------
 *
 * changed_deps.h
 *		The dependencies that the current transaction changes.  See changed_deps.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_CHANGED_DEPS_H
#define RTC_CHANGED_DEPS_H

#include "postgres.h"

#include "dep/dep.h"

/*
 * Adds a dependency and touches its stamp; true if it is new.  Allocates in
 * TopTransactionContext; may raise out of memory.
 */
extern bool rtc_depset_add(RtcDep dep);

/*
 * Steps through the set, from *pos = 0 on, and shows each dependency once:
 * what an earlier walk has shown is left out.
 */
extern bool rtc_depset_next(uint32 *pos, RtcDep *dep);

/* Have there been too many to name, so that all of the database counts? */
extern bool rtc_depset_overflowed(void);

/* COMMIT, ABORT, PREPARE: forgets everything.  No allocation, no error. */
extern void rtc_depset_reset(void);

/*
 * Is a TAG op needed?  Only when the stamps are pending.  May write to WAL, and
 * may raise.
 */
extern bool rtc_depset_is_wanted(RtcDep dep);

#endif							/* RTC_CHANGED_DEPS_H */
