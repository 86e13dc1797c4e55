/*-------------------------------------------------------------------------
 *
 * message_v1.h
 *		WAL messages as rtcache 1.0 wrote them.  See message_v1.c.
 *
 * For message.c alone.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_MESSAGE_V1_H
#define RTC_MESSAGE_V1_H

#include "postgres.h"

#include "wal/message.h"

/* Can these bytes be such a message?  They are none of the present form then. */
extern bool rtc_message_v1_is(const char *data, size_t len);

/*
 * Reads one for which the first returned true; false = it is malformed.  The
 * seal is looked at by the second alone.
 */
extern bool rtc_message_v1_parse(const char *data, size_t len,
								 RtcMessage *msg);
extern bool rtc_message_v1_verify(const char *data, size_t len);

/* Decodes an op of one, as rtc_op_decode() does. */
extern bool rtc_op_v1_decode(const char **pos, const char *end, RtcOp *op);

#endif							/* RTC_MESSAGE_V1_H */
