/*-------------------------------------------------------------------------
 *
 * redis_backend.h
 *		This backend's connection to Redis.  See redis_backend.c.
 *
 * Private to redis_lookup.c; what others use is in redis_lookup.h.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REDIS_BACKEND_H
#define RTC_REDIS_BACKEND_H

#include "postgres.h"

#include "redis/conn.h"

/*
 * Asks the breaker, then connects and verifies the server if need be.  False
 * means that Redis cannot be used now; a failure has been counted, told to
 * the breaker and reported.
 */
extern bool rtc_backend_begin(void);

/*
 * The same on a hot standby, where nobody vouches for the server: each answer
 * has to prove itself.
 */
extern bool rtc_backend_begin_standby(void);

/* Is there a connection that was verified and still counts? */
extern bool rtc_backend_usable(void);

/* Appends a command; only after rtc_backend_begin() said yes. */
extern void rtc_backend_append(int argc, const char *const *argv,
							   const size_t *argvlen);

/*
 * Sends what was appended and returns the replies, nexpected of them.  NULL
 * is a failure that has been counted, told to the breaker and reported.
 */
extern RtcReply *rtc_backend_ask(int nexpected);

/*
 * Sends a command whose reply does not matter, on the connection that is there,
 * without waiting; nothing happens if there is none.  Raises nothing.
 */
extern void rtc_backend_post(int argc, const char *const *argv,
							 const size_t *argvlen);

/*
 * Closes the connection: this is not, or no longer, the Redis that the relay
 * means.  The next one is verified anew.
 */
extern void rtc_backend_doubt(void);

/*
 * Counts a reply that is not what the command should return as a failure,
 * and tells and reports it.  The connection is kept if only the command was
 * refused.  A good reply is told to rtc_breaker_success() by the caller.
 */
extern void rtc_backend_refuse(const RtcReply *reply, const char *command);

#endif							/* RTC_REDIS_BACKEND_H */
