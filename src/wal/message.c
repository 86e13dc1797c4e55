/*-------------------------------------------------------------------------
 *
 * message.c
 *		Ops as bytes in WAL.
 *
 * A message is a logical WAL message (LogLogicalMessage) with our prefix.  It
 * is text in the encoding of its database, since consumers of logical decoding
 * may ask for messages, and take them for that.  Keys and values are such text
 * anyhow, and all around them is printable ASCII: numbers as in digits.h, and
 *
 *		seal		of all that follows, RTC_SEAL_TEXT_LEN bytes
 *		header		numbers: version, kind, flags, the database's oid, the full
 *					xid of the writing (sub)transaction, first_seq, nops
 *		dbname		its length in bytes, a number, and the database's name when
 *					written; a name may be in any encoding, so what is not
 *					printable ASCII is written as %xx
 *		ops			nops ops, each
 *					kind, a number;
 *					keylen, and for SET, PUT, ROW, FOLD and ROUND ttl_ms and
 *					vallen, numbers;
 *					for ROW and GONE the row versions, numbers: relid, storage,
 *					block and offset of made, the same of gone, flags;
 *					the key, and for those the value; lengths in bytes;
 *					or for TAG, instead of these, the RtcDep, a number
 *
 * A message holds whole ops, so no character is cut between two messages.
 *
 * The full xid must be that of the WAL record, so that no other transaction can
 * use the message again; the relay ignores a second message with the same
 * first_seq of the same transaction, so neither can this one.
 *
 * Messages of 1.0 were binary.  After an update the relay may still meet some:
 * of commits that were not applied before the server stopped, of transactions
 * that were prepared before, or in WAL from a primary of 1.0.  Their ops are not
 * read any more.  Such a message stands for a CLEAR of its database, in its
 * transaction.  That is right whatever the ops are: a key that is missing is no
 * wrong answer.
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

#include "base/catalog_rows.h"
#include "base/digits.h"
#include "base/key.h"
#include "base/xid.h"
#include "compat.h"
#include "dep/dep.h"
#include "stats.h"
#include "wal/message.h"
#include "wal/seal.h"

#define RTC_MESSAGE_VERSION 2

/* Flag of a message: there are GONE ops in it. */
#define RTC_MESSAGE_HAS_GONE 1

/* Flags of row versions, and all of them. */
#define RTC_ROW_OLDER		1
#define RTC_ROW_UNSTORED	2
#define RTC_ROW_ALONE		4
#define RTC_ROW_BEHIND		8
#define RTC_ROW_FLAGS		15

/* The most bytes that a database's name takes in a message. */
#define RTC_MAX_DBNAME_TEXT	(3 * (NAMEDATALEN - 1))

/* The most bytes in front of the name: the seal and eight numbers. */
#define RTC_MAX_HEADER		(RTC_SEAL_TEXT_LEN + 8 * RTC_MAX_DIGITS)

/* What 1.0 wrote in front of the database's name and the ops. */
#define V1_VERSION	1

typedef struct V1Header
{
	uint8		seal[RTC_SEAL_LEN]; /* HMAC of all that follows */
	uint8		version;		/* V1_VERSION */
	uint8		kind;			/* RtcMessageKind */
	uint16		dbnamelen;		/* bytes */
	Oid			dboid;
	uint64		fxid;			/* full xid of the writing (sub)transaction */
	uint64		first_seq;
	uint32		nops;
	uint32		unused;			/* zero */
} V1Header;

/* What is read instead of its ops: a CLEAR, without a key. */
static const char v1_ops[] = {RTC_DIGIT_LAST + RTC_OP_CLEAR, RTC_DIGIT_LAST};

static char *put_row(char *p, const RtcRow *row);
static bool get_row(const char **pos, const char *end, RtcRow *row);
static XLogRecPtr write_message(RtcMessageKind kind, const char *ops,
								size_t opslen, uint32 nops, uint64 first_seq,
								uint32 flags);
static bool is_v1(const char *data, size_t len);
static bool parse_v1(const char *data, size_t len, RtcMessage *msg);
static char *escape_name(char *p, const char *name);

void
rtc_op_encode(StringInfo buf, const RtcOp *op)
{
	bool		has_value = RtcOpHasValue(op->kind);
	Size		size = (Size) op->keylen + (has_value ? op->vallen : 0);
	char	   *p;

	if (size > MaxAllocSize)
		elog(ERROR, "cache op of %zu bytes is too large", size);
	enlargeStringInfo(buf, (int) size + 11 * RTC_MAX_DIGITS);
	p = rtc_put_number(buf->data + buf->len, op->kind);
	if (op->kind == RTC_OP_TAG)
		p = rtc_put_number(p, op->dep);
	else
	{
		p = rtc_put_number(p, op->keylen);
		if (has_value)
		{
			p = rtc_put_number(p, op->ttl_ms);
			p = rtc_put_number(p, op->vallen);
		}
		if (RtcOpHasRow(op->kind))
			p = put_row(p, &op->row);
		/* a CLEAR has no key */
		if (op->keylen > 0)
			memcpy(p, op->key, op->keylen);
		p += op->keylen;
		if (has_value)
		{
			memcpy(p, op->value, op->vallen);
			p += op->vallen;
		}
	}
	buf->len = p - buf->data;
	*p = '\0';
}

bool
rtc_op_decode(const char **pos, const char *end, RtcOp *op)
{
	const char *p = *pos;
	uint64		kind;
	uint64		keylen;
	uint64		ttl_ms = 0;
	uint64		vallen = 0;

	memset(op, 0, sizeof(*op));
	if (!rtc_get_number_up_to(&p, end, RTC_OP_ROUND, &kind) ||
		kind < RTC_OP_SET)
		return false;
	op->kind = (RtcOpKind) kind;
	if (kind == RTC_OP_TAG)
	{
		if (!rtc_get_number(&p, end, &op->dep))
			return false;
		*pos = p;
		return true;
	}
	if (!rtc_get_number_up_to(&p, end, PG_UINT32_MAX, &keylen))
		return false;
	if (RtcOpHasValue(kind) &&
		(!rtc_get_number_up_to(&p, end, PG_INT64_MAX, &ttl_ms) ||
		 !rtc_get_number_up_to(&p, end, PG_UINT32_MAX, &vallen)))
		return false;
	if (RtcOpHasRow(kind) && !get_row(&p, end, &op->row))
		return false;
	if (keylen + vallen > (uint64) (end - p))
		return false;
	op->key = p;
	op->keylen = keylen;
	op->ttl_ms = ttl_ms;
	op->value = p + keylen;
	op->vallen = vallen;
	*pos = op->value + vallen;
	return true;
}

static char *
put_row(char *p, const RtcRow *row)
{
	p = rtc_put_number(p, row->relid);
	p = rtc_put_number(p, row->storage);
	p = rtc_put_number(p, ItemPointerGetBlockNumberNoCheck(&row->made));
	p = rtc_put_number(p, ItemPointerGetOffsetNumberNoCheck(&row->made));
	p = rtc_put_number(p, ItemPointerGetBlockNumberNoCheck(&row->gone));
	p = rtc_put_number(p, ItemPointerGetOffsetNumberNoCheck(&row->gone));
	return rtc_put_number(p, (row->older ? RTC_ROW_OLDER : 0) |
						  (row->unstored ? RTC_ROW_UNSTORED : 0) |
						  (row->alone ? RTC_ROW_ALONE : 0) |
						  (row->behind ? RTC_ROW_BEHIND : 0));
}

static bool
get_row(const char **pos, const char *end, RtcRow *row)
{
	static const uint64 max[] = {PG_UINT32_MAX, PG_UINT32_MAX,
		PG_UINT32_MAX, PG_UINT16_MAX, PG_UINT32_MAX, PG_UINT16_MAX,
	RTC_ROW_FLAGS};
	uint64		number[lengthof(max)];

	for (int i = 0; i < lengthof(max); i++)
	{
		if (!rtc_get_number_up_to(pos, end, max[i], &number[i]))
			return false;
	}
	row->relid = (Oid) number[0];
	row->storage = (Oid) number[1];
	ItemPointerSet(&row->made, (BlockNumber) number[2],
				   (OffsetNumber) number[3]);
	ItemPointerSet(&row->gone, (BlockNumber) number[4],
				   (OffsetNumber) number[5]);
	row->older = (number[6] & RTC_ROW_OLDER) != 0;
	row->unstored = (number[6] & RTC_ROW_UNSTORED) != 0;
	row->alone = (number[6] & RTC_ROW_ALONE) != 0;
	row->behind = (number[6] & RTC_ROW_BEHIND) != 0;
	return true;
}

void
rtc_message_write(const char *ops, size_t opslen, uint32 nops,
				  uint64 first_seq, bool has_gone)
{
	(void) write_message(RTC_MESSAGE_OPS, ops, opslen, nops, first_seq,
						 has_gone ? RTC_MESSAGE_HAS_GONE : 0);
}

void
rtc_message_write_gap(void)
{
	(void) write_message(RTC_MESSAGE_GAP, NULL, 0, 0, 0, 0);
}

XLogRecPtr
rtc_message_write_omitted(void)
{
	return write_message(RTC_MESSAGE_OMITTED, NULL, 0, 0, 0, 0);
}

static XLogRecPtr
write_message(RtcMessageKind kind, const char *ops, size_t opslen,
			  uint32 nops, uint64 first_seq, uint32 flags)
{
	char		name[RTC_MAX_DBNAME_TEXT];
	size_t		namelen = escape_name(name, rtc_database_name()) - name;
	FullTransactionId fxid = GetCurrentFullTransactionId();
	StringInfoData buf;
	char	   *p;
	XLogRecPtr	end;

	initStringInfo(&buf);
	enlargeStringInfo(&buf, RTC_MAX_HEADER + (int) (sizeof(name) + opslen));
	p = buf.data + RTC_SEAL_TEXT_LEN;
	p = rtc_put_number(p, RTC_MESSAGE_VERSION);
	p = rtc_put_number(p, kind);
	p = rtc_put_number(p, flags);
	p = rtc_put_number(p, MyDatabaseId);
	p = rtc_put_number(p, U64FromFullTransactionId(fxid));
	p = rtc_put_number(p, first_seq);
	p = rtc_put_number(p, nops);
	p = rtc_put_number(p, namelen);
	memcpy(p, name, namelen);
	p += namelen;
	if (opslen > 0)
		memcpy(p, ops, opslen);
	buf.len = p + opslen - buf.data;
	rtc_seal_compute(buf.data + RTC_SEAL_TEXT_LEN, buf.len - RTC_SEAL_TEXT_LEN,
					 buf.data);

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
	const char *pos = data + RTC_SEAL_TEXT_LEN;
	const char *end = data + len;
	uint64		version;
	uint64		kind;
	uint64		flags;
	uint64		dboid;
	uint64		nops;
	uint64		namelen;

	if (is_v1(data, len))
		return parse_v1(data, len, msg);
	memset(msg, 0, sizeof(*msg));
	if (len < RTC_SEAL_TEXT_LEN ||
		!rtc_get_number(&pos, end, &version) ||
		version != RTC_MESSAGE_VERSION ||
		!rtc_get_number_up_to(&pos, end, RTC_MESSAGE_OMITTED, &kind) ||
		kind < RTC_MESSAGE_OPS ||
		!rtc_get_number_up_to(&pos, end, RTC_MESSAGE_HAS_GONE, &flags) ||
		!rtc_get_number_up_to(&pos, end, PG_UINT32_MAX, &dboid) ||
		!rtc_get_number(&pos, end, &msg->fxid) ||
		!rtc_get_number(&pos, end, &msg->first_seq) ||
		!rtc_get_number_up_to(&pos, end, PG_UINT32_MAX, &nops) ||
		!rtc_get_number_up_to(&pos, end, RTC_MAX_DBNAME_TEXT, &namelen) ||
		namelen > (uint64) (end - pos) ||
		!rtc_percent_decode(pos, namelen, msg->dbname, NAMEDATALEN) ||
		msg->dbname[0] == '\0')
		return false;

	msg->kind = (RtcMessageKind) kind;
	msg->dboid = (Oid) dboid;
	msg->nops = (uint32) nops;
	msg->has_gone = (flags & RTC_MESSAGE_HAS_GONE) != 0;
	msg->ops = pos + namelen;
	msg->opslen = end - msg->ops;
	return true;
}

bool
rtc_message_read(const char *data, size_t len, TransactionId xid, Oid dboid,
				 bool transactional, RtcMessage *msg)
{
	return rtc_message_parse(data, len, msg) &&
		transactional == (msg->kind == RTC_MESSAGE_OPS) &&
		msg->dboid == dboid &&
		TransactionIdIsNormal(xid) &&
		msg->fxid == U64FromFullTransactionId(rtc_full_xid(xid)) &&
		(is_v1(data, len) ?
		 rtc_seal_verify_bytes(data + RTC_SEAL_LEN, len - RTC_SEAL_LEN,
							   (const uint8 *) data) :
		 rtc_seal_verify(data + RTC_SEAL_TEXT_LEN, len - RTC_SEAL_TEXT_LEN,
						 data));
}

/* In messages of today there is a printable character in this place. */
static bool
is_v1(const char *data, size_t len)
{
	return len >= sizeof(V1Header) &&
		data[offsetof(V1Header, version)] == V1_VERSION;
}

static bool
parse_v1(const char *data, size_t len, RtcMessage *msg)
{
	V1Header	header;

	memcpy(&header, data, sizeof(header));
	if (header.kind < RTC_MESSAGE_OPS || header.kind > RTC_MESSAGE_OMITTED ||
		header.dbnamelen == 0 || header.dbnamelen >= NAMEDATALEN ||
		sizeof(header) + header.dbnamelen > len)
		return false;

	memset(msg, 0, sizeof(*msg));
	msg->kind = (RtcMessageKind) header.kind;
	msg->dboid = header.dboid;
	memcpy(msg->dbname, data + sizeof(header), header.dbnamelen);
	msg->fxid = header.fxid;
	msg->first_seq = header.first_seq;
	msg->nops = 1;
	msg->ops = v1_ops;
	msg->opslen = sizeof(v1_ops);
	return true;
}

/*
 * Writes a name as printable ASCII at p, and returns the end of it.
 */
static char *
escape_name(char *p, const char *name)
{
	static const char digits[] = "0123456789abcdef";

	for (; *name != '\0'; name++)
	{
		unsigned char c = *name;

		if (c > ' ' && c <= '~' && c != '%')
			*p++ = c;
		else
		{
			*p++ = '%';
			*p++ = digits[c >> 4];
			*p++ = digits[c & 15];
		}
	}
	return p;
}
