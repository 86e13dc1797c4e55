/*-------------------------------------------------------------------------
 *
 * shared.c
 *		What rooms with shared memory have in common.
 *
 * Model: any process.  shmem.c sets the flag when all rooms are attached.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/shared.h"

bool		rtc_preloaded = false;

void
rtc_require_preload(void)
{
	if (!rtc_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rtcache must be loaded via \"shared_preload_libraries\""),
				 errhint("Add rtcache to \"shared_preload_libraries\" and restart the server.")));
}
