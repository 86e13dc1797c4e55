/*-------------------------------------------------------------------------
 *
 * inject.c
 *		Named points at which a test may kill, stop or fail a process.
 *
 * Compiled in by -DRTC_INJECTION, for tests only: the server's own injection
 * points exist from PostgreSQL 17 on, and only where they were configured.
 * RTC_INJECT("point") stands at each step from a trigger to an acknowledged
 * batch, and from a lookup to a stored value.  A test arms a point by a file
 * rtcache.inject/<point> in the data directory, which says
 *
 *		action role [milliseconds]
 *
 * action is one of
 *
 *		kill		SIGKILL to this process, so that the server starts over
 *		postmaster	SIGKILL to the postmaster, then to this process
 *		term		SIGTERM to this process: it ends where it would
 *		error		an ERROR, where one may be raised
 *		wait		until the file that the point was renamed to is gone
 *		sleep		so many milliseconds
 *
 * and role is "backend", "any", or what a background worker of ours is called behind
 * "rtcache ": "relay", "refresh".  Whoever comes first renames the
 * file to <point>.hit: a point acts once, and the test sees that it did.
 *
 * Model: called in any process, also in COMMIT callbacks and under locks.  So it
 * allocates nothing, takes no lock and raises only if told to.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef RTC_INJECTION
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "op.h"
#endif

#include "base/inject.h"

#ifdef RTC_INJECTION

#define RTC_INJECT_DIR	"rtcache.inject"

/* A test that forgot about us must not hang the server. */
#define RTC_MAX_WAIT_MS	60000

static const char *
my_role(void)
{
	const char *type;

	if (MyBackendType != B_BG_WORKER)
		return "backend";
	type = MyBgworkerEntry->bgw_type;
	return strncmp(type, RTC_NAME " ", strlen(RTC_NAME) + 1) == 0 ?
		type + strlen(RTC_NAME) + 1 : type;
}

/*
 * Takes what is armed at the point, if it is meant for us.
 */
static bool
claim(const char *point, char action[16], int *ms, char *hit, size_t size)
{
	char		path[MAXPGPATH];
	char		text[64];
	char		role[16] = "any";
	ssize_t		len;
	int			fd;

	snprintf(path, sizeof(path), RTC_INJECT_DIR "/%s", point);
	snprintf(hit, size, RTC_INJECT_DIR "/%s.hit", point);
	fd = open(path, O_RDONLY | PG_BINARY, 0);
	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return false;
	text[len] = '\0';
	*ms = 0;
	if (sscanf(text, "%15s %15s %d", action, role, ms) < 1)
		return false;
	if (strcmp(role, "any") != 0 && strcmp(role, my_role()) != 0)
		return false;
	return rename(path, hit) == 0;
}

void
rtc_inject(const char *point)
{
	int			save_errno = errno;
	char		action[16];
	char		hit[MAXPGPATH];
	struct stat st;
	int			ms;

	if (claim(point, action, &ms, hit, sizeof(hit)))
	{
		if (strcmp(action, "kill") == 0)
			kill(MyProcPid, SIGKILL);
		else if (strcmp(action, "postmaster") == 0)
		{
			kill(PostmasterPid, SIGKILL);
			kill(MyProcPid, SIGKILL);
		}
		else if (strcmp(action, "term") == 0)
			kill(MyProcPid, SIGTERM);
		else if (strcmp(action, "error") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("injected error at \"%s\"", point)));
		else if (strcmp(action, "sleep") == 0)
			pg_usleep(ms * 1000L);
		else if (strcmp(action, "wait") == 0)
			for (int i = 0; i < RTC_MAX_WAIT_MS && stat(hit, &st) == 0; i++)
				pg_usleep(1000L);
	}
	errno = save_errno;
}

#endif							/* RTC_INJECTION */
