/*-------------------------------------------------------------------------
 *
 * reader.h
 *		From WAL to the ops of the next committed transaction.
 *		See reader.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_READER_H
#define RTC_READER_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "utils/timestamp.h"

#include "op.h"
#include "wal/message.h"

typedef struct RtcWalReader RtcWalReader;

typedef enum RtcWalEventKind
{
	RTC_WAL_COMMIT,				/* a transaction with ops committed */
	RTC_WAL_GAP,				/* writes went unlogged */
	RTC_WAL_OMITTED,			/* TAG ops are left out from here on */
	RTC_WAL_SETTLED,			/* a prepared transaction is over */
	RTC_WAL_PAUSE,				/* nothing yet, but there is more to read */
	RTC_WAL_END,				/* nothing more is flushed */
	RTC_WAL_GONE				/* the WAL to read has been removed, or is
								 * damaged */
} RtcWalEventKind;

typedef struct RtcWalEvent
{
	RtcWalEventKind kind;
	XLogRecPtr	lsn;			/* end of the record; END: nothing more ends
								 * up to here */
	TransactionId xid;			/* COMMIT, SETTLED: top xid */
	bool		prepared;		/* COMMIT: by COMMIT PREPARED */
	TimestampTz commit_time;	/* COMMIT */
} RtcWalEvent;

/* Makes a reader in the current memory context. */
extern RtcWalReader *rtc_wal_reader_create(void);

/* Forgets all open transactions and goes to the start of a record. */
extern void rtc_wal_reader_seek(RtcWalReader *reader, XLogRecPtr lsn);

/*
 * Reads on to the next event.  After RTC_WAL_COMMIT the transaction's ops
 * must be taken with rtc_wal_reader_next_op(), or be given up with
 * rtc_wal_reader_done(), before reading on.
 */
extern void rtc_wal_reader_next(RtcWalReader *reader, RtcWalEvent *event);

/*
 * Next op of the commit just read, in the order of the transaction, with the
 * message it came in.  What op and msg point to stays until the next call.
 * False at the end.  *gone is set when a message's WAL has been removed.
 */
extern bool rtc_wal_reader_next_op(RtcWalReader *reader, RtcOp *op,
								   const RtcMessage **msg, bool *gone);

/* Are there GONE ops in the commit just read? */
extern bool rtc_wal_reader_has_gone(RtcWalReader *reader);

/* Goes back to the first op of the commit just read. */
extern void rtc_wal_reader_rewind(RtcWalReader *reader);

/* Forgets the commit just read. */
extern void rtc_wal_reader_done(RtcWalReader *reader);

/* End of the last record read. */
extern XLogRecPtr rtc_wal_reader_lsn(RtcWalReader *reader);

/* A record of WAL, and that it is this one. */
typedef struct RtcWalMark
{
	XLogRecPtr	lsn;			/* its start; invalid = none */
	uint32		crc;			/* as it stands in the record */
} RtcWalMark;

/* The last record read since seek; its lsn is invalid if there is none. */
extern const RtcWalMark *rtc_wal_reader_mark(RtcWalReader *reader);

/*
 * Is the record that was marked still the same?  Yes, if its segment has been
 * removed: what cannot be told.
 */
extern bool rtc_wal_reader_has(RtcWalReader *reader, const RtcWalMark *mark);

/*
 * Where reading has to start again to miss nothing behind lsn(): the oldest
 * message of a transaction that is open or not taken yet, or lsn() itself.
 */
extern XLogRecPtr rtc_wal_reader_restart(RtcWalReader *reader);

/*
 * Forgets transactions that ended without a record, in a crash.  Cheap;
 * call it now and then.
 */
extern void rtc_wal_reader_prune(RtcWalReader *reader);

#endif							/* RTC_READER_H */
