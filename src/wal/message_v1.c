/*-------------------------------------------------------------------------
 *
 * message_v1.c
 *		WAL messages as rtcache 1.0 wrote them, in binary.
 *
 * After an update the relay may still meet some: of commits that were not
 * applied before the server stopped, of transactions that were prepared before,
 * or in WAL from a primary of 1.0.  Nobody writes them any more.
 *
 *		header		V1Header, seal first
 *		dbname		dbnamelen bytes
 *		ops			each: kind (1), keylen (4), for SET and PUT ttl_ms (8) and
 *					vallen (4), then the key and the value; the key of TAG is
 *					the RtcDep (8)
 *
 * Integers are in the machine's byte order, unaligned.
 *
 * Model: that of message.c; the bytes may be hostile.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "wal/message.h"
#include "wal/message_v1.h"
#include "wal/seal.h"

#define V1_VERSION	1

typedef struct V1Header
{
	uint8		seal[RTC_SEAL_LEN]; /* HMAC of everything below */
	uint8		version;		/* V1_VERSION */
	uint8		kind;			/* RtcMessageKind */
	uint16		dbnamelen;		/* bytes */
	Oid			dboid;
	uint64		fxid;			/* full xid of the writing (sub)transaction */
	uint64		first_seq;
	uint32		nops;
	uint32		unused;			/* zero */
}			V1Header;

static bool take(const char **pos, const char *end, void *dst, size_t n);

bool
rtc_message_v1_is(const char *data, size_t len)
{
	/* there is a printable character in messages of today */
	return len >= sizeof(V1Header) &&
		data[offsetof(V1Header, version)] == V1_VERSION;
}

bool
rtc_message_v1_parse(const char *data, size_t len, RtcMessage *msg)
{
	V1Header	header;

	memcpy(&header, data, sizeof(header));
	if (header.kind < RTC_MESSAGE_OPS || header.kind > RTC_MESSAGE_OMITTED ||
		header.dbnamelen == 0 || header.dbnamelen >= NAMEDATALEN ||
		sizeof(header) + header.dbnamelen > len)
		return false;

	memset(msg, 0, sizeof(*msg));
	msg->is_v1 = true;
	msg->kind = (RtcMessageKind) header.kind;
	msg->dboid = header.dboid;
	memcpy(msg->dbname, data + sizeof(header), header.dbnamelen);
	msg->fxid = header.fxid;
	msg->first_seq = header.first_seq;
	msg->nops = header.nops;
	msg->ops = data + sizeof(header) + header.dbnamelen;
	msg->opslen = len - sizeof(header) - header.dbnamelen;
	return true;
}

bool
rtc_message_v1_verify(const char *data, size_t len)
{
	return rtc_seal_verify_bytes(data + RTC_SEAL_LEN, len - RTC_SEAL_LEN,
								 (const uint8 *) data);
}

bool
rtc_op_v1_decode(const char **pos, const char *end, RtcOp *op)
{
	const char *p = *pos;
	uint8		kind;

	memset(op, 0, sizeof(*op));
	if (!take(&p, end, &kind, 1) || !take(&p, end, &op->keylen, 4) ||
		kind < RTC_OP_SET || kind > RTC_OP_PUT)
		return false;
	op->kind = (RtcOpKind) kind;
	if (kind == RTC_OP_TAG)
	{
		if (op->keylen != sizeof(op->dep) ||
			!take(&p, end, &op->dep, sizeof(op->dep)))
			return false;
		op->keylen = 0;
		*pos = p;
		return true;
	}
	if ((kind == RTC_OP_SET || kind == RTC_OP_PUT) &&
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

static bool
take(const char **pos, const char *end, void *dst, size_t n)
{
	if ((size_t) (end - *pos) < n)
		return false;
	memcpy(dst, *pos, n);
	*pos += n;
	return true;
}
