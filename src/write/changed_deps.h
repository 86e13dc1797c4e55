/*-------------------------------------------------------------------------
 *
 * changed_deps.h
 *		What the current transaction changes.  See changed_deps.c.
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
 * Adds a dependency and touches its stamp.  relid: the table that it is one of;
 * invalid = none.  Returns true if it is new.  Allocates in TopTransactionContext;
 * may raise out of memory.
 */
extern bool rtc_depset_add(RtcDep dep, Oid relid);

/*
 * Returns the next one that was not returned before, and the table that it is one
 * of; *pos starts at 0.
 */
extern bool rtc_depset_next(uint32 *pos, RtcDep *dep, Oid *relid);

/* Have there been too many, so that the whole database counts as changed? */
extern bool rtc_depset_overflowed(void);

/* COMMIT, ABORT, PREPARE: forgets everything.  No allocation, no error. */
extern void rtc_depset_reset(void);

/*
 * Is a TAG op needed?  Only when the stamps are pending.  May write to WAL,
 * and may raise.
 */
extern bool rtc_depset_is_wanted(RtcDep dep);

#endif							/* RTC_CHANGED_DEPS_H */
