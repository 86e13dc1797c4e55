/*-------------------------------------------------------------------------
 *
 * gone_rows.h
 *		Row versions that a transaction has made and ended again.
 *		See gone_rows.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_GONE_ROWS_H
#define RTC_GONE_ROWS_H

#include "postgres.h"

#include "op.h"

typedef struct RtcGoneRows RtcGoneRows;

/* The op that has ended a version is not known. */
#define RTC_GONE_BY_UNKNOWN PG_UINT32_MAX

/* Makes an empty set in a memory context, and gives it back. */
extern RtcGoneRows *rtc_gone_rows_create(MemoryContext context);
extern void rtc_gone_rows_destroy(RtcGoneRows *rows);

/*
 * Notes that row.gone, if the op names it, has left the key of the op.  "by"
 * is for rtc_gone_rows_has().  Returns true if neither that nor its coming was
 * noted before.
 */
extern bool rtc_gone_rows_add(RtcGoneRows *rows, const RtcOp *op, uint32 by);

/*
 * Notes that row.made, if the op names it, had come to the key of the op, and
 * has gone or will go.  Returns true if its going was noted, and its coming
 * was not.
 */
extern bool rtc_gone_rows_came(RtcGoneRows *rows, const RtcOp *op);

/*
 * Has row.made left the key of the op?  Also true if that cannot be told.  *by
 * is the number that it was added with, or RTC_GONE_BY_UNKNOWN.
 */
extern bool rtc_gone_rows_has(RtcGoneRows *rows, const RtcOp *op, uint32 *by);

#endif							/* RTC_GONE_ROWS_H */
