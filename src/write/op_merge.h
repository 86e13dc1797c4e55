/*-------------------------------------------------------------------------
 *
 * op_merge.h
 *		What of a transaction's ops goes to WAL.  See op_merge.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_OP_MERGE_H
#define RTC_OP_MERGE_H

#include "postgres.h"

#include "op.h"

/* Ops in a buffer, and what each is written as. */
typedef struct RtcMergedOps
{
	uint32		nops;
	uint32	   *offset;			/* of each op, and of the end of the buffer */
	uint8	   *kind;			/* RtcOpKind to write it as; 0 = leave it out */
} RtcMergedOps;

/* Keys on which a transaction has made PUTs: a bit for each hash. */
#define RTC_PUT_BITS		8192

typedef struct RtcPutKeys
{
	bool		any;			/* some bit is set */
	uint8		bits[RTC_PUT_BITS / 8];
} RtcPutKeys;

/* Notes an op that is a PUT. */
extern void rtc_op_note_put(RtcPutKeys *puts, const RtcOp *op);

/*
 * Merges the encoded ops in data from "from" to "end".  Allocates the result
 * in the current memory context.
 *
 * complete: no other ops of the transaction are in WAL, or will be.
 * puts: all PUTs of the transaction so far, here or elsewhere.
 */
extern void rtc_op_merge(const char *data, uint32 from, uint32 end,
						 bool complete, const RtcPutKeys *puts,
						 RtcMergedOps *merged);

/* Gives the result back. */
extern void rtc_op_merge_free(RtcMergedOps *merged);

#endif							/* RTC_OP_MERGE_H */
