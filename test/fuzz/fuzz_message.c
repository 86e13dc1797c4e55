/*-------------------------------------------------------------------------
 *
 * fuzz_message.c
 *		WAL messages and the ops in them: any bytes.
 *
 * What is decoded lies within the bytes, and is the same bytes when it is
 * encoded again.
 *
 * rooms: wal/message base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "wal/message.h"
#include "wal/seal.h"

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
		/* the ops of a message of 1.0 are not read */
		MUST(bytes[RTC_SEAL_LEN] == 1 ||
			 (msg.ops >= bytes && msg.ops + msg.opslen == bytes + size));
		decode_ops(msg.ops, msg.ops + msg.opslen);
	}
}
