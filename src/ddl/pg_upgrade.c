/*-------------------------------------------------------------------------
 *
 * pg_upgrade.c
 *		Rules in pg_upgrade.
 *
 * PostgreSQL clones row triggers to partitions; our event triggers clone
 * truncate rules (rule_clones.c).  pg_dump leaves clones out, since restoring
 * makes them again.  But pg_upgrade restores event triggers last, so a hook
 * makes these clones, in the server that pg_upgrade starts, if that preloads
 * rtcache.
 *
 * Model: in backends of pg_upgrade, in the transaction that makes a trigger.
 * Raises what making a trigger raises.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_trigger.h"
#include "miscadmin.h"

#include "ddl/pg_upgrade.h"
#include "ddl/rule_clones.h"
#include "rule/rule_catalog.h"

static object_access_hook_type previous_hook = NULL;

static void trigger_made(ObjectAccessType access, Oid class_id, Oid object_id,
						 int sub_id, void *arg);

void
rtc_upgrade_init(void)
{
	if (!IsBinaryUpgrade)
		return;
	previous_hook = object_access_hook;
	object_access_hook = trigger_made;
}

static void
trigger_made(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
			 void *arg)
{
	Oid			relid;

	if (previous_hook != NULL)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access != OAT_POST_CREATE || class_id != TriggerRelationId)
		return;

	CommandCounterIncrement();
	relid = rtc_trigger_table(object_id);
	if (OidIsValid(relid))
		rtc_clone_truncate_rules(relid);
}
