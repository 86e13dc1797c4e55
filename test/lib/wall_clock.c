/*
 * wall_clock.c
 *		A clock on the wall that a test can set; for LD_PRELOAD.
 *
 * The file that RTC_WALL_CLOCK names holds a number of seconds (int64) that is
 * added to the time of day, in all processes at once.  The monotonic clock
 * stays as it is, as it does when somebody sets the clock of the machine.
 *
 * Copyright (c) 2026, rtcache contributors
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *seconds;
static int	(*real_gettimeofday) (struct timeval *, void *);
static int	(*real_clock_gettime) (clockid_t, struct timespec *);

__attribute__((constructor)) static void
begin(void)
{
	const char *name = getenv("RTC_WALL_CLOCK");
	int			fd = name == NULL ? -1 : open(name, O_RDONLY);
	void	   *map = MAP_FAILED;

	real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
	real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd >= 0)
	{
		map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (map != MAP_FAILED)
		seconds = map;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	int			rc = real_gettimeofday(tv, zone);

	if (seconds != NULL)
		tv->tv_sec += *seconds;
	return rc;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int			rc = real_clock_gettime(clock, ts);

	if (seconds != NULL && clock == CLOCK_REALTIME)
		ts->tv_sec += *seconds;
	return rc;
}
