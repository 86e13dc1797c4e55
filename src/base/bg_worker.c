/*-------------------------------------------------------------------------
 *
 * bg_worker.c
 *		What background workers that are started when there is work have in common.
 *
 * Model: called by those who start workers, and by the workers.  Keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "postmaster/bgworker.h"
#include "utils/guc.h"

#include "base/bg_worker.h"
#include "op.h"

bool
rtc_bg_worker_start(const char *name, const char *function, Datum arg)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s", name);
	snprintf(worker.bgw_type, BGW_MAXLEN, "%s", name);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker.bgw_library_name, MAXPGPATH, RTC_NAME);
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "%s", function);
	worker.bgw_main_arg = arg;
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

void
rtc_bg_worker_log_missing(const char *name)
{
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not start a background worker \"%s\"", name),
			 errhint("You may need to increase \"%s\".", "max_worker_processes")));
}

void
rtc_bg_worker_pin(const char *setting, const char *value)
{
	/* older servers do not have all of them */
	if (GetConfigOption(setting, true, false) != NULL)
		SetConfigOption(setting, value, PGC_SUSET, PGC_S_OVERRIDE);
}

void
rtc_bg_worker_pin_settings(const char *name)
{
	static const char *const pinned[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"row_security", "on"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"}
	};

	rtc_bg_worker_pin("application_name", name);
	for (int i = 0; i < lengthof(pinned); i++)
		rtc_bg_worker_pin(pinned[i][0], pinned[i][1]);
}
