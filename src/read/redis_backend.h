/*-------------------------------------------------------------------------
 *
 * redis_backend.h
 *		This backend's connection to Redis.  See redis_backend.c.
 *
 * For redis_lookup.c and standby.c; others use what is in redis_lookup.h.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_REDIS_BACKEND_H
#define RTC_REDIS_BACKEND_H

#include "postgres.h"

#include "access/xlogdefs.h"

#include "redis/conn.h"
#include "redis/script.h"

/*
 * Asks the breaker, then connects and verifies the server if need be.  Returns
 * the connection, to which commands may be appended then; NULL = Redis cannot be
 * used now, and a failure has been counted, told to the breaker and reported.
 */
extern RtcConn *rtc_backend_begin(void);

/*
 * The same on a hot standby, where nobody vouches for the server: each answer
 * has to prove itself.
 */
extern RtcConn *rtc_backend_begin_standby(void);

/* Returns the connection if it is open, was verified and still counts. */
extern RtcConn *rtc_backend_usable(void);

/*
 * Sends what was appended and returns the replies, nexpected of them.  NULL
 * is a failure that has been counted, told to the breaker and reported.
 */
extern RtcReply *rtc_backend_ask(int nexpected);

/*
 * Begins the call of a script, whose keys and then arguments the caller appends;
 * and runs it.  NULL as rtc_backend_ask().
 */
extern void rtc_backend_script(RtcArgs *args, const RtcScript *script,
							   int nkeys);
extern RtcReply *rtc_backend_run(const RtcScript *script,
								 const RtcArgs *args);

/*
 * Appends the question where Redis stands.  The second function judges the
 * reply: is the position of this epoch, and not behind lsn?
 */
extern void rtc_backend_append_position(RtcConn *to);
extern bool rtc_backend_position_is_good(const RtcReply *position,
										 const char *epoch, XLogRecPtr lsn);

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
