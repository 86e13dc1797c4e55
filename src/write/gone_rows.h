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

/* "by" of a version if the op that has ended it is not known. */
#define RTC_GONE_BY_UNKNOWN PG_UINT32_MAX

/* Makes an empty set in a memory context, and gives it back. */
extern RtcGoneRows *rtc_gone_rows_create(MemoryContext context);
extern void rtc_gone_rows_destroy(RtcGoneRows *rows);

/*
 * Adds that row.gone has left the key of the op, if it names a version.  "by"
 * is a number that rtc_gone_rows_has() gives back.  True if that is news, and
 * nobody has said that it had come.
 */
extern bool rtc_gone_rows_add(RtcGoneRows *rows, const RtcOp *op, uint32 by);

/*
 * Adds that row.made had come to the key of the op, if it names a version, and
 * is gone again or will be.  True if it is news, and that it has gone was said.
 */
extern bool rtc_gone_rows_came(RtcGoneRows *rows, const RtcOp *op);

/*
 * Has row.made left the key of the op?  Also true if that cannot be told.  *by
 * is the number it was added with, or RTC_GONE_BY_UNKNOWN.
 */
extern bool rtc_gone_rows_has(RtcGoneRows *rows, const RtcOp *op, uint32 *by);

#endif							/* RTC_GONE_ROWS_H */
