/*-------------------------------------------------------------------------
 *
 * password.c
 *		Reads the password for Redis from rtcache.redis_password_file.
 *
 * The file is held to the rules that the server has for its TLS keys: a
 * regular file that belongs to the server's user and nobody else may open, or
 * belongs to root and may at most be read by a group.  It is read anew for
 * each connection, so a changed password needs no reload.
 *
 * Model: any process of the server, also outside of transactions.  A relative
 * name is relative to the data directory, where all of them run.  A file that
 * cannot be used is a failure with a text, not an ERROR: reads must go on
 * without Redis.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "guc.h"
#include "redis/password.h"

static bool file_is_safe(const struct stat *st, char *error, size_t errorlen);
static bool read_password(int fd, char *password, char *error,
						  size_t errorlen);

RtcPasswordResult
rtc_password_read(char password[RTC_MAX_PASSWORD_LEN],
				  char *error, size_t errorlen)
{
	const char *path = rtc_redis_password_file;
	struct stat st;
	bool		ok;
	int			fd;

	if (path == NULL || path[0] == '\0')
		return RTC_PASSWORD_NONE;

	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
	{
		snprintf(error, errorlen, "could not open password file: %m");
		return RTC_PASSWORD_BAD;
	}

	if (fstat(fd, &st) < 0)
	{
		snprintf(error, errorlen, "could not stat password file: %m");
		ok = false;
	}
	else
		ok = file_is_safe(&st, error, errorlen) &&
			read_password(fd, password, error, errorlen);

	CloseTransientFile(fd);
	return ok ? RTC_PASSWORD_READ : RTC_PASSWORD_BAD;
}

/*
 * Checks type, owner and permissions, of the file that was opened.
 */
static bool
file_is_safe(const struct stat *st, char *error, size_t errorlen)
{
	if (!S_ISREG(st->st_mode))
	{
		strlcpy(error, "password file is not a regular file", errorlen);
		return false;
	}
#if !defined(WIN32) && !defined(__CYGWIN__)
	if (st->st_uid != geteuid() && st->st_uid != 0)
	{
		strlcpy(error, "password file must be owned by the server's user or root",
				errorlen);
		return false;
	}
	if ((st->st_uid == geteuid() && st->st_mode & (S_IRWXG | S_IRWXO)) ||
		(st->st_uid == 0 && st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)))
	{
		strlcpy(error, "password file has group or world access", errorlen);
		return false;
	}
#endif
	return true;
}

/*
 * Reads the file's only line.  A regular file gives all that it has at once.
 */
static bool
read_password(int fd, char *password, char *error, size_t errorlen)
{
	ssize_t		len = read(fd, password, RTC_MAX_PASSWORD_LEN);

	if (len < 0)
	{
		snprintf(error, errorlen, "could not read password file: %m");
		return false;
	}
	if (len == RTC_MAX_PASSWORD_LEN)
	{
		strlcpy(error, "password file is too long", errorlen);
		explicit_bzero(password, RTC_MAX_PASSWORD_LEN);
		return false;
	}

	if (len > 0 && password[len - 1] == '\n')
		len--;
	if (len > 0 && password[len - 1] == '\r')
		len--;
	password[len] = '\0';

	if (len == 0 || strlen(password) != len)
	{
		strlcpy(error, "password file is empty or contains a zero byte",
				errorlen);
		explicit_bzero(password, RTC_MAX_PASSWORD_LEN);
		return false;
	}
	return true;
}
