/*-------------------------------------------------------------------------
 *
 * conn_wait.c
 *		Waits for a connection to Redis.
 *
 * All waiting is on the latch, the socket, and the death of the postmaster, against
 * a deadline of the monotonic clock.  The set of these is kept with the connection:
 * one of WaitLatchOrSocket() takes six system calls more.
 *
 * Model: that of conn.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"

#include "base/clock.h"
#include "compat.h"
#include "redis/conn.h"
#include "redis/conn_internal.h"
#include "redis/hiredis.h"

void
rtc_conn_make_waits(RtcConn *conn)
{
	conn->waits = CreateWaitEventSet_compat(3);
	conn->latch = MyLatch;
	AddWaitEventToSet(conn->waits, WL_LATCH_SET, PGINVALID_SOCKET,
					  conn->latch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(conn->waits, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET,
						  NULL, NULL);
	conn->sock_pos = AddWaitEventToSet(conn->waits, WL_SOCKET_READABLE,
									   conn->redis->fd, NULL, NULL);
}

/* What to wait for next. */
static void
wait_for(RtcConn *conn, uint32 events)
{
	/* A process changes its latch once, when it gets its PGPROC. */
	if (conn->latch != MyLatch)
	{
		FreeWaitEventSet(conn->waits);
		conn->waits = NULL;
		rtc_conn_make_waits(conn);
	}
	ModifyWaitEvent(conn->waits, conn->sock_pos, events, NULL);
}

bool
rtc_conn_wait(RtcConn *conn, uint32 events, int64 deadline,
			  uint32 wait_event)
{
	wait_for(conn, events);

	for (;;)
	{
		WaitEvent	event;
		long		timeout = rtc_deadline_left(deadline);

		CHECK_FOR_INTERRUPTS();

		if (timeout == 0)
			return false;
		if (WaitEventSetWait(conn->waits, timeout, &event, 1,
							 wait_event) == 0)
			continue;
		if (event.events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else
			return true;
	}
}

void
rtc_conn_idle(RtcConn *conn, long timeout, uint32 wait_event)
{
	WaitEvent	event;

	if (!rtc_conn_is_open(conn))
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, wait_event);
		return;
	}
	wait_for(conn, WL_SOCKET_READABLE);
	(void) WaitEventSetWait(conn->waits, timeout, &event, 1, wait_event);
}
