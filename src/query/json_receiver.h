/*-------------------------------------------------------------------------
 *
 * json_receiver.h
 *		The rows of a query as JSON.  See json_receiver.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_JSON_RECEIVER_H
#define RTC_JSON_RECEIVER_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"

/*
 * Makes a receiver for one execution, in the current memory context.  Appends
 * the answer to text, which must outlive it, as JSON: for one_row the row, or
 * nothing (raises 21000 at the second row); else an array of all rows.
 */
extern DestReceiver *rtc_collector_create(bool one_row, StringInfo text);

/*
 * The answer as jsonb, in the current memory context, after the last row; NULL
 * = no row.
 */
extern Jsonb *rtc_collector_result(DestReceiver *receiver);

#endif							/* RTC_JSON_RECEIVER_H */
