/*-------------------------------------------------------------------------
 *
 * collect.h
 *		The rows of a query as jsonb.  See collect.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_COLLECT_H
#define RTC_COLLECT_H

#include "postgres.h"

#include "tcop/dest.h"
#include "utils/jsonb.h"

/*
 * Makes a receiver for the rows of one execution, in the current memory
 * context.  one_row: raises 21000 at the second row.
 */
extern DestReceiver *rtc_collector_create(bool one_row);

/*
 * The answer, copied into a memory context; call it once.  one_row: the row,
 * or NULL if there was none; else an array of all rows.
 */
extern Jsonb *rtc_collector_result(DestReceiver *receiver,
								   MemoryContext context);

#endif							/* RTC_COLLECT_H */
