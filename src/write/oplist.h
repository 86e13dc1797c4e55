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
 * Adds an op, whose key the caller has checked, to the current transaction.
 * Redis gets it when the transaction commits, unless this subtransaction rolls
 * back.  Copies key and value.  May write WAL (above rtcache.xact_buffer).
 * Raises in read-only transactions (25006), during recovery, in parallel mode,
 * and out of memory.
 */
extern void rtc_oplist_add(const RtcOp *op);

/*
 * Notes a change of what answers may depend on; they end at commit.  relid: the
 * table that it is one of, for statistics; invalid = none.  Returns false if it was
 * noted before.  Raises like rtc_oplist_add().
 */
extern bool rtc_oplist_add_dep(RtcDep dep, Oid relid);

/* ---- for xact.c only ---- */

/*
 * PRE_COMMIT, PRE_PREPARE, with the stamps pending: adds TAG ops for the
 * changes that concern somebody in Redis.  May write WAL, may raise.
 */
extern void rtc_oplist_add_tags(void);

/*
 * PRE_COMMIT, PRE_PREPARE: writes the ops to WAL, or that there is a gap if
 * the queue is off.  From then on every op is written at once.  May raise.
 */
extern void rtc_oplist_write(void);

/* Has this transaction had ops?  Changes that concern nobody are none. */
extern bool rtc_oplist_is_active(void);

/* Are some of them in WAL, so that the relay has to apply the commit? */
extern bool rtc_oplist_is_logged(void);

/* COMMIT, ABORT, PREPARE: forgets everything.  No allocation, no error. */
extern void rtc_oplist_reset(void);

/* PRE_COMMIT of a subtransaction: keeps the buffer's limit.  May raise. */
extern void rtc_oplist_pre_subcommit(void);

/* End of a subtransaction at this nest level.  No allocation, no error. */
extern void rtc_oplist_subcommit(int nestlevel);
extern void rtc_oplist_subabort(int nestlevel);

#endif							/* RTC_OPLIST_H */
