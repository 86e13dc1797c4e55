/*-------------------------------------------------------------------------
 *
 * trust.h
 *		Is Redis to be believed?  What the relay and readers share of that.
 *		See trust.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_TRUST_H
#define RTC_TRUST_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "base/shared.h"

/* Longest numeric address of a server, with the port and a NUL. */
#define RTC_ADDRESS_LEN	64

extern const RtcSharedRoom rtc_trust_room;

/* ---- readers ---- */

/*
 * May Redis be read in this moment?  Sets the generation, which is another one
 * when it could not be for a while.
 */
extern bool rtc_redis_is_open(uint64 *generation);

/* The epoch that the position must have: that of the relay's connection. */
extern uint64 rtc_redis_epoch(void);

/* Redis has caught up to here; stamps do not tell what came before. */
extern XLogRecPtr rtc_redis_floor(void);

/* The position in Redis has been verified to have got here. */
extern XLogRecPtr rtc_redis_stored(void);

/*
 * Asks the relay to store a position at lsn or behind it.  The caller wakes it
 * and waits for rtc_queue_moved().
 */
extern void rtc_redis_ask_stored(XLogRecPtr lsn);

/*
 * Moves when the relay has connected anew: a connection that was verified
 * before that is no good any more.
 */
extern uint64 rtc_redis_server_generation(void);

/*
 * Takes the numeric address of the Redis that the relay is connected to, ""
 * for a unix socket.  False = it is not connected, or to another URL than the
 * one with this hash: a reload reaches processes at different times.
 */
extern bool rtc_redis_address(uint32 url_hash, char address[RTC_ADDRESS_LEN]);

/*
 * Moves when Redis was cleared; it is more than 0.  What was stored before is not
 * there any more.
 */
extern uint32 rtc_redis_clears(void);

/*
 * Moves when Redis may have lost keys without a commit that says so: also if it
 * was cleared.  What was stored before may not be there any more.
 */
extern uint32 rtc_redis_losses(void);

/* ---- the relay ---- */

extern void rtc_redis_note_loss(void);
extern void rtc_redis_note_clear(void);

extern void rtc_redis_open(void);
extern void rtc_redis_close(void);

/* Only while it is closed. */
extern void rtc_redis_set_epoch(uint64 epoch);

extern void rtc_redis_set_floor(XLogRecPtr lsn);

/* Returns whether anybody has asked for more than was stored before. */
extern bool rtc_redis_set_stored(XLogRecPtr lsn);

/* What readers ask for. */
extern XLogRecPtr rtc_redis_asked(void);

/* Every connection has to be verified anew. */
extern void rtc_redis_new_server(void);

/* Likewise, and it is at this address. */
extern void rtc_redis_connected(const char *address, uint32 url_hash);

/* The relay is not connected any more. */
extern void rtc_redis_lost(void);

#endif							/* RTC_TRUST_H */
