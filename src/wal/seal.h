/*-------------------------------------------------------------------------
 *
 * seal.h
 *		The key that seals our WAL messages.  See seal.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_SEAL_H
#define RTC_SEAL_H

#include "postgres.h"

#include "base/shared.h"

#define RTC_SEAL_KEY_LEN	32
#define RTC_SEAL_LEN		16	/* HMAC-SHA256, truncated */
#define RTC_SEAL_TEXT_LEN	22	/* the same as printable ASCII */
#define RTC_KEY_ID_LEN		17	/* 16 hex digits and NUL */

/* Name of the key file, in the data directory. */
#define RTC_SEAL_FILE		"rtcache.key"

/*
 * The start of the server reads the key file, or makes it, and raises 58030
 * (I/O) when neither works.
 */
extern const RtcSharedRoom rtc_seal_room;

/* Names this server's key without giving it away; when preloaded. */
extern const char *rtc_seal_key_id(void);

/*
 * Computes the seal of data with this server's key (from shared memory, or
 * from the file when not preloaded), as printable ASCII without a NUL.  Raises
 * only internal errors.
 */
extern void rtc_seal_compute(const void *data, size_t len,
							 char seal[RTC_SEAL_TEXT_LEN]);

/*
 * Does the seal fit?  Takes the same time whichever byte differs.  The second
 * is for seals as 1.0 wrote them, RTC_SEAL_LEN bytes.
 */
extern bool rtc_seal_verify(const void *data, size_t len, const char *seal);
extern bool rtc_seal_verify_bytes(const void *data, size_t len,
								  const uint8 *seal);

#endif							/* RTC_SEAL_H */
