/*-------------------------------------------------------------------------
 *
 * password.h
 *		The password for Redis.  See password.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PASSWORD_H
#define RTC_PASSWORD_H

#include "postgres.h"

/* Longest password in bytes, NUL included. */
#define RTC_MAX_PASSWORD_LEN 1024

typedef enum RtcPasswordResult
{
	RTC_PASSWORD_NONE,			/* rtcache.redis_password_file is not set */
	RTC_PASSWORD_READ,			/* here it is */
	RTC_PASSWORD_BAD			/* the file cannot be used; error tells why */
} RtcPasswordResult;

/*
 * Reads the password file, if one is set.  The caller wipes the password with
 * explicit_bzero() when done.  Raises only when this process has too many
 * files open.
 */
extern RtcPasswordResult rtc_password_read(char password[RTC_MAX_PASSWORD_LEN],
										   char *error, size_t errorlen);

#endif							/* RTC_PASSWORD_H */
