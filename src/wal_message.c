/*-------------------------------------------------------------------------
 *
 * wal_message.c
 *		Ops as bytes in WAL.
 *
 * A message is a logical WAL message (LogLogicalMessage) with our prefix:
 *
 *		header		RtcMessageHeader, seal first
 *		dbname		dbnamelen bytes, the database's name when written
 *		ops			nops ops, each
 *					kind (1), keylen (4), key, and for SET and PUT behind keylen
 *					ttl_ms (8), vallen (4), with the value behind the key;
 *					the key of TAG is the RtcDep itself (8)
 *
 * Integers are in the machine's byte order, as everywhere in WAL, unaligned.
 * The seal covers all that follows it.  Inside is the full xid, which must be
 * that of the WAL record, so that no other transaction can use the message
 * again; the relay ignores a second message with the same first_seq of the
 * same transaction, so neither can this one.
 *
 * Model: written by backends, before commit, where an error may be raised;
 * read by the relay.  Bytes that arrive here may be hostile: any role can
 * write a WAL message with any prefix.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "replication/message.h"

#include "compat.h"
#include "dep.h"
#include "seal.h"
#include "stats.h"
#include "wal_message.h"
#include "xid.h"

#define RTC_MESSAGE_VERSION 1

typedef struct RtcMessageHeader
{
	uint8		seal[RTC_SEAL_LEN]; /* HMAC of everything below */
	uint8		version;		/* RTC_MESSAGE_VERSION */
	uint8		kind;			/* RtcMessageKind */
	uint16		dbnamelen;
	Oid			dboid;
	uint64		fxid;			/* full xid of the writing (sub)transaction */
	uint64		first_seq;
	uint32		nops;
	uint32		unused;			/* zero */
} RtcMessageHeader;

static XLogRecPtr write_message(RtcMessageKind kind, const char *ops,
								size_t opslen, uint32 nops, uint64 first_seq);
static const char *my_database_name(void);
static bool take(const char **pos, const char *end, void *dst, size_t n);

void
rtc_op_encode(StringInfo buf, const RtcOp *op)
{
	uint8		kind = op->kind;

	appendBinaryStringInfo(buf, (char *) &kind, 1);
	appendBinaryStringInfo(buf, (const char *) &op->keylen, 4);
	if (RtcOpStores(op->kind))
	{
		appendBinaryStringInfo(buf, (const char *) &op->ttl_ms, 8);
		appendBinaryStringInfo(buf, (const char *) &op->vallen, 4);
	}
	appendBinaryStringInfo(buf, op->key, op->keylen);
	if (RtcOpStores(op->kind))
		appendBinaryStringInfo(buf, op->value, op->vallen);
}

bool
rtc_op_decode(const char **pos, const char *end, RtcOp *op)
{
	const char *p = *pos;
	uint8		kind;

	memset(op, 0, sizeof(*op));
	if (!take(&p, end, &kind, 1) || !take(&p, end, &op->keylen, 4))
		return false;
	if (kind < RTC_OP_SET || kind > RTC_OP_PUT ||
		(kind == RTC_OP_TAG && op->keylen != sizeof(RtcDep)))
		return false;
	op->kind = (RtcOpKind) kind;
	if (RtcOpStores(kind) &&
		(!take(&p, end, &op->ttl_ms, 8) || !take(&p, end, &op->vallen, 4) ||
		 op->ttl_ms < 0))
		return false;
	if ((uint64) op->keylen + op->vallen > (uint64) (end - p))
		return false;
	op->key = p;
	op->value = p + op->keylen;
	*pos = op->value + op->vallen;
	return true;
}

void
rtc_message_write(const char *ops, size_t opslen, uint32 nops,
				  uint64 first_seq)
{
	(void) write_message(RTC_MESSAGE_OPS, ops, opslen, nops, first_seq);
}

void
rtc_message_write_gap(void)
{
	(void) write_message(RTC_MESSAGE_GAP, NULL, 0, 0, 0);
}

XLogRecPtr
rtc_message_write_omitted(void)
{
	return write_message(RTC_MESSAGE_OMITTED, NULL, 0, 0, 0);
}

static XLogRecPtr
write_message(RtcMessageKind kind, const char *ops, size_t opslen,
			  uint32 nops, uint64 first_seq)
{
	const char *dbname = my_database_name();
	RtcMessageHeader header;
	StringInfoData buf;
	XLogRecPtr	end;

	memset(&header, 0, sizeof(header));
	header.version = RTC_MESSAGE_VERSION;
	header.kind = kind;
	header.dbnamelen = strlen(dbname);
	header.dboid = MyDatabaseId;
	header.fxid = U64FromFullTransactionId(GetCurrentFullTransactionId());
	header.first_seq = first_seq;
	header.nops = nops;

	initStringInfo(&buf);
	enlargeStringInfo(&buf, sizeof(header) + header.dbnamelen + opslen);
	appendBinaryStringInfo(&buf, (char *) &header, sizeof(header));
	appendBinaryStringInfo(&buf, dbname, header.dbnamelen);
	if (opslen > 0)
		appendBinaryStringInfo(&buf, ops, opslen);
	rtc_seal_compute(buf.data + RTC_SEAL_LEN, buf.len - RTC_SEAL_LEN,
					 (uint8 *) buf.data);

	end = LogLogicalMessage_compat(RTC_NAME, buf.data, buf.len,
								   kind == RTC_MESSAGE_OPS);
	rtc_stat_inc(RTC_STAT_MESSAGES);
	rtc_stat_add(RTC_STAT_MESSAGE_BYTES, buf.len);
	pfree(buf.data);
	return end;
}

bool
rtc_message_parse(const char *data, size_t len, RtcMessage *msg)
{
	RtcMessageHeader header;

	if (len < sizeof(header))
		return false;
	memcpy(&header, data, sizeof(header));
	if (header.version != RTC_MESSAGE_VERSION ||
		header.kind < RTC_MESSAGE_OPS || header.kind > RTC_MESSAGE_OMITTED ||
		header.dbnamelen == 0 || header.dbnamelen >= NAMEDATALEN ||
		sizeof(header) + header.dbnamelen > len)
		return false;

	msg->kind = (RtcMessageKind) header.kind;
	msg->dboid = header.dboid;
	memcpy(msg->dbname, data + sizeof(header), header.dbnamelen);
	msg->dbname[header.dbnamelen] = '\0';
	msg->first_seq = header.first_seq;
	msg->nops = header.nops;
	msg->ops = data + sizeof(header) + header.dbnamelen;
	msg->opslen = len - sizeof(header) - header.dbnamelen;
	return true;
}

bool
rtc_message_read(const char *data, size_t len, TransactionId xid, Oid dboid,
				 bool transactional, RtcMessage *msg)
{
	RtcMessageHeader header;

	if (!rtc_message_parse(data, len, msg))
		return false;
	memcpy(&header, data, sizeof(header));
	return transactional == (header.kind == RTC_MESSAGE_OPS) &&
		header.dboid == dboid &&
		TransactionIdIsNormal(xid) &&
		header.fxid == U64FromFullTransactionId(rtc_full_xid(xid)) &&
		rtc_seal_verify(data + RTC_SEAL_LEN, len - RTC_SEAL_LEN, header.seal);
}

/*
 * Name of the current database, looked up once: a database that has sessions
 * cannot be renamed.
 */
static const char *
my_database_name(void)
{
	static char name[NAMEDATALEN];

	if (name[0] == '\0')
	{
		char	   *found = get_database_name(MyDatabaseId);

		if (found == NULL)
			elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
		strlcpy(name, found, sizeof(name));
		pfree(found);
	}
	return name;
}

static bool
take(const char **pos, const char *end, void *dst, size_t n)
{
	if ((size_t) (end - *pos) < n)
		return false;
	memcpy(dst, *pos, n);
	*pos += n;
	return true;
}
