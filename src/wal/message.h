/*-------------------------------------------------------------------------
 *
 * message.h
 *		Ops as bytes in WAL.  See message.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_MESSAGE_H
#define RTC_MESSAGE_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "lib/stringinfo.h"

#include "base/digits.h"
#include "op.h"

typedef enum RtcMessageKind
{
	RTC_MESSAGE_OPS = 1,		/* ops of the (sub)transaction that wrote it */
	RTC_MESSAGE_GAP = 2,		/* writes went unlogged around here */
	RTC_MESSAGE_OMITTED = 3		/* TAG ops may be left out from here on */
} RtcMessageKind;

/* A message whose seal was checked.  ops may point into the record. */
typedef struct RtcMessage
{
	RtcMessageKind kind;
	Oid			dboid;
	char		dbname[NAMEDATALEN];
	uint64		fxid;			/* full xid of the (sub)transaction */
	uint64		first_seq;		/* orders the messages of a transaction */
	uint32		nops;
	bool		has_gone;		/* there are GONE ops in it */
	const char *ops;			/* encoded ops */
	size_t		opslen;
} RtcMessage;

/* Appends an op in wire form. */
extern void rtc_op_encode(StringInfo buf, const RtcOp *op);

/* The kind of an op in wire form. */
static inline RtcOpKind
rtc_op_kind(const char *encoded)
{
	return (RtcOpKind) (*encoded - RTC_DIGIT_LAST);
}

/*
 * Decodes the op at *pos and moves *pos behind it.  False when the bytes are
 * no op; reads nothing at or behind "end" whatever they are.
 */
extern bool rtc_op_decode(const char **pos, const char *end, RtcOp *op);

/*
 * Writes encoded ops to WAL as one sealed transactional message of the
 * current (sub)transaction, which gets an xid if it has none.  has_gone: there
 * are GONE ops in it.
 */
extern void rtc_message_write(const char *ops, size_t opslen, uint32 nops,
							  uint64 first_seq, bool has_gone);

/* Writes a gap message; it counts whether or not this transaction commits. */
extern void rtc_message_write_gap(void);

/*
 * Writes a message that says that TAG ops are left out from here on, for want
 * of interest.  It counts whether or not this transaction commits.  Returns its
 * end.
 */
extern XLogRecPtr rtc_message_write_omitted(void);

/*
 * Reads the body of a WAL message with our prefix.  False when it is not
 * ours: malformed, wrong seal, or written by another transaction or database
 * than the seal says.  Never raises on bad bytes.  The first reads a message
 * whose seal was checked before.
 */
extern bool rtc_message_parse(const char *data, size_t len, RtcMessage *msg);
extern bool rtc_message_read(const char *data, size_t len, TransactionId xid,
							 Oid dboid, bool transactional, RtcMessage *msg);

#endif							/* RTC_MESSAGE_H */
