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

/* An op of a transaction. */
typedef struct RtcListedOp
{
	uint32		offset;			/* where it begins in the buffer */
	uint32		generation;		/* grows when ops are written to WAL */
	Oid			relid;			/* table whose rule has made it; invalid =
								 * none */
} RtcListedOp;

/*
 * Merges ops, which lie in wire form in "data" up to "end".  Returns the kind
 * as which each is to be written, 0 = not at all, in the current memory
 * context.
 *
 * complete: no other ops of the transaction are or will be in WAL.
 * puts: the transaction has made PUTs, here or elsewhere.
 */
extern uint8 *rtc_op_merge(const char *data, uint32 end, const RtcListedOp *ops,
						   uint32 nops, bool complete, bool puts);

#endif							/* RTC_OP_MERGE_H */
