/*-------------------------------------------------------------------------
 *
 * oplist.h
 *		The ops of the current transaction.  See oplist.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_OPLIST_H
#define RTC_OPLIST_H

#include "postgres.h"

#include "dep/dep.h"
#include "op.h"

/*
 * Adds an op to the current transaction.  It takes effect in Redis when the
 * transaction commits, and not at all if this subtransaction rolls back.
 * Copies key and value.  May write WAL (above rtcache.xact_buffer).
 * Raises in read-only transactions (25006), during recovery, in parallel
 * mode, and on out of memory.  Keys must have been checked.
 */
extern void rtc_oplist_add(const RtcOp *op);

/*
 * Says that the current transaction changes what answers may depend on: they
 * are dropped when it commits.  False if that was known.  Raises like
 * rtc_oplist_add().
 */
extern bool rtc_oplist_add_dep(RtcDep dep);

/* ---- for xact.c only ---- */

/*
 * PRE_COMMIT, PRE_PREPARE, when the stamps are pending: adds TAG ops for what
 * the transaction has changed and anybody depends on in Redis.  May write to WAL,
 * and may raise.
 */
extern void rtc_oplist_add_tags(void);

/*
 * PRE_COMMIT, PRE_PREPARE: writes the ops that are left to WAL, and from now on
 * every op at once.  If the queue is off, it writes that there is a gap.  May
 * raise.
 */
extern void rtc_oplist_write(void);

/* Has this transaction had ops?  Changes nobody was told of are none. */
extern bool rtc_oplist_is_active(void);

/* Has it written any to WAL?  The relay then has to apply its commit. */
extern bool rtc_oplist_is_logged(void);

/* COMMIT, ABORT, PREPARE: forgets everything.  No allocation, no error. */
extern void rtc_oplist_reset(void);

/* PRE_COMMIT of a subtransaction: keeps the buffer's limit.  May raise. */
extern void rtc_oplist_pre_subcommit(void);

/* End of a subtransaction at this nest level.  No allocation, no error. */
extern void rtc_oplist_subcommit(int nestlevel);
extern void rtc_oplist_subabort(int nestlevel);

#endif							/* RTC_OPLIST_H */
