/*-------------------------------------------------------------------------
 *
 * opened.c
 *		What is to be done when the caches have opened after a start.
 *
 * The relay, which opens them, knows nothing of those who wait for it.
 *
 * Model: set while the library is loaded, called by the relay.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/opened.h"

static void (*to_call) (void);

void
rtc_opened_call(void (*function) (void))
{
	to_call = function;
}

void
rtc_opened(void)
{
	to_call();
}
