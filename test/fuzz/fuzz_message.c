/*-------------------------------------------------------------------------
 *
 * fuzz_message.c
 *		WAL messages and the ops in them: any bytes.
 *
 * What is decoded lies within the bytes, and is the same bytes when it is
 * encoded again.
 *
 * rooms: wal/message wal/message_v1
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "wal/message.h"

static void
decode_ops(const char *pos, const char *end)
{
	while (pos < end)
	{
		const char *begin = pos;
		StringInfoData again;
		RtcOp		op;

		if (!rtc_op_decode(&pos, end, &op))
		{
			MUST(pos == begin);
			return;
		}
		MUST(pos > begin && pos <= end);
		if (op.kind != RTC_OP_TAG)
			MUST(op.key >= begin && op.value == op.key + op.keylen &&
				 op.value + op.vallen <= end);
		initStringInfo(&again);
		rtc_op_encode(&again, &op);
		MUST(again.len == pos - begin && memcmp(again.data, begin, again.len) == 0);
		pfree(again.data);
	}
}

/* Nobody encodes these any more. */
static void
decode_v1_ops(const RtcMessage *msg)
{
	const char *end = msg->ops + msg->opslen;
	const char *pos = msg->ops;
	RtcOp		op;

	while (pos < end && rtc_message_next_op(msg, &pos, &op))
	{
		MUST(pos <= end);
		if (op.kind != RTC_OP_TAG)
			MUST(op.key >= msg->ops && op.value == op.key + op.keylen &&
				 op.value + op.vallen <= end);
	}
}

void
fuzz_one(const uint8 *data, size_t size)
{
	char	   *bytes = palloc(size);
	RtcMessage	msg;

	/* a copy of just this size: reading behind it is noticed */
	memcpy(bytes, data, size);
	decode_ops(bytes, bytes + size);
	if (rtc_message_parse(bytes, size, &msg))
	{
		MUST(strnlen(msg.dbname, NAMEDATALEN) < NAMEDATALEN);
		MUST(msg.ops >= bytes && msg.ops + msg.opslen == bytes + size);
		if (msg.is_v1)
			decode_v1_ops(&msg);
		else
			decode_ops(msg.ops, msg.ops + msg.opslen);
	}
}
