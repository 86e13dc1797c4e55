/*-------------------------------------------------------------------------
 *
 * compat.h
 *		The one place that knows which PostgreSQL and hiredis we build for.
 *
 * Wrappers are named after the core function, with _compat.  Everything
 * else in rtcache is written against the newest API named here.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_COMPAT_H
#define RTC_COMPAT_H

#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"	/* get_database_name, before 19 */
#include "executor/executor.h"
#include "fmgr.h"
#include "parser/parse_relation.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"	/* get_database_name, from 19 on */
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "rtcache needs PostgreSQL 15 or later"
#endif

/* ---- the module, WAL, replication slots, processes ---- */

#if PG_VERSION_NUM >= 180000
#define RTC_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "rtcache", .version = RTCACHE_VERSION)
#else
#define RTC_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#if PG_VERSION_NUM >= 170000
#define LogLogicalMessage_compat(prefix, message, size, transactional) \
	LogLogicalMessage((prefix), (message), (size), (transactional), false)
#else
#define LogLogicalMessage_compat(prefix, message, size, transactional) \
	LogLogicalMessage((prefix), (message), (size), (transactional))
#endif

#if PG_VERSION_NUM >= 190000
#define ReplicationSlotCreate_compat(name, db_specific, persistency) \
	ReplicationSlotCreate((name), (db_specific), (persistency), false, \
						  false, false, false)
#elif PG_VERSION_NUM >= 170000
#define ReplicationSlotCreate_compat(name, db_specific, persistency) \
	ReplicationSlotCreate((name), (db_specific), (persistency), false, \
						  false, false)
#else
#define ReplicationSlotCreate_compat(name, db_specific, persistency) \
	ReplicationSlotCreate((name), (db_specific), (persistency), false)
#endif

/* Has the server given the slot up?  Before 16 only its LSN tells. */
#if PG_VERSION_NUM >= 160000
#define slot_is_invalid_compat(slot) \
	((slot)->data.invalidated != RS_INVAL_NONE || \
	 XLogRecPtrIsInvalid((slot)->data.restart_lsn))
#else
#define slot_is_invalid_compat(slot) \
	XLogRecPtrIsInvalid((slot)->data.restart_lsn)
#endif

/* Does some process hold the slot? */
#if PG_VERSION_NUM >= 190000
#define slot_is_active_compat(slot) ((slot)->active_proc != INVALID_PROC_NUMBER)
#else
#define slot_is_active_compat(slot) ((slot)->active_pid != 0)
#endif

#if PG_VERSION_NUM >= 180000
#define ReplicationSlotAcquire_compat(name, nowait) \
	ReplicationSlotAcquire((name), (nowait), false)
#else
#define ReplicationSlotAcquire_compat(name, nowait) \
	ReplicationSlotAcquire((name), (nowait))
#endif

/* This process's place in the array of processes. */
#if PG_VERSION_NUM >= 170000
#define my_proc_number_compat() MyProcNumber
#else
#define my_proc_number_compat() (MyProc->pgprocno)
#endif

#if PG_VERSION_NUM >= 190000
#define GetOldestActiveTransactionId_compat() \
	GetOldestActiveTransactionId(false, true)
#else
#define GetOldestActiveTransactionId_compat() GetOldestActiveTransactionId()
#endif

/* ---- triggers ---- */

/* Sets when a trigger fires; also for its clones in partitions. */
#if PG_VERSION_NUM >= 160000
#define EnableDisableTrigger_compat(rel, name, fires_when, lockmode) \
	EnableDisableTrigger((rel), (name), InvalidOid, (fires_when), false, \
						 true, (lockmode))
#else
#define EnableDisableTrigger_compat(rel, name, fires_when, lockmode) \
	EnableDisableTrigger((rel), (name), (fires_when), false, (lockmode))
#endif

/* ---- planner, executor, privileges ---- */

/* Does the role own the object?  Before 16 there is one function a class. */
#if PG_VERSION_NUM >= 160000
#define relation_ownercheck_compat(relid, roleid) \
	object_ownercheck(RelationRelationId, (relid), (roleid))
#define database_ownercheck_compat(dboid, roleid) \
	object_ownercheck(DatabaseRelationId, (dboid), (roleid))
#else
#define relation_ownercheck_compat(relid, roleid) \
	pg_class_ownercheck((relid), (roleid))
#define database_ownercheck_compat(dboid, roleid) \
	pg_database_ownercheck((dboid), (roleid))
#endif

/* May the role use the schema, call the function, connect?  Likewise. */
#if PG_VERSION_NUM >= 160000
#define namespace_aclcheck_compat(nspid, roleid) \
	object_aclcheck(NamespaceRelationId, (nspid), (roleid), ACL_USAGE)
#define proc_aclcheck_compat(funcid, roleid) \
	object_aclcheck(ProcedureRelationId, (funcid), (roleid), ACL_EXECUTE)
#define database_aclcheck_compat(dboid, roleid) \
	object_aclcheck(DatabaseRelationId, (dboid), (roleid), ACL_CONNECT)
#else
#define namespace_aclcheck_compat(nspid, roleid) \
	pg_namespace_aclcheck((nspid), (roleid), ACL_USAGE)
#define proc_aclcheck_compat(funcid, roleid) \
	pg_proc_aclcheck((funcid), (roleid), ACL_EXECUTE)
#define database_aclcheck_compat(dboid, roleid) \
	pg_database_aclcheck((dboid), (roleid), ACL_CONNECT)
#endif

/* Does a plan's search path match the session's? */
#if PG_VERSION_NUM >= 170000
#define search_path_matches_compat(path) \
	SearchPathMatchesCurrentEnvironment(path)
#else
#define search_path_matches_compat(path) \
	OverrideSearchPathMatchesCurrent(path)
#endif

/* Runs a query to its end, or to count rows (0 = all), once. */
#if PG_VERSION_NUM >= 180000
#define ExecutorRun_compat(desc, count) \
	ExecutorRun((desc), ForwardScanDirection, (count))
#else
#define ExecutorRun_compat(desc, count) \
	ExecutorRun((desc), ForwardScanDirection, (count), true)
#endif

/* Does the node read JSON as some other type?  None does before 17. */
#if PG_VERSION_NUM >= 170000
#define reads_json_compat(node) IsA((node), JsonExpr)
#else
#define reads_json_compat(node) false
#endif

/* Is this column computed when it is read?  None is before 18. */
#if PG_VERSION_NUM >= 180000
#define is_computed_compat(att) ((att)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define is_computed_compat(att) false
#endif

/* The user that a relation is read as; InvalidOid = the current one. */
static inline Oid
check_as_user_compat(Query *query, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex == 0)
		return InvalidOid;
	return getRTEPermissionInfo(query->rteperminfos, rte)->checkAsUser;
#else
	return rte->checkAsUser;
#endif
}

/* What one entry of a query needs to be read, and as whom. */
typedef struct RtcNeed_compat
{
	Oid			relid;			/* InvalidOid = nothing */
	Oid			as_user;		/* InvalidOid = the current one */
	AclMode		required;
	Bitmapset  *columns;		/* less FirstLowInvalidHeapAttributeNumber */
} RtcNeed_compat;

/* The n-th of them, from 0 on; false = there are no more. */
static inline bool
query_need_compat(Query *query, int n, RtcNeed_compat *need)
{
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *info;

	if (n >= list_length(query->rteperminfos))
		return false;
	info = list_nth_node(RTEPermissionInfo, query->rteperminfos, n);
#else
	RangeTblEntry *info;

	if (n >= list_length(query->rtable))
		return false;
	info = list_nth_node(RangeTblEntry, query->rtable, n);
#endif
	need->relid = info->relid;
	need->as_user = info->checkAsUser;
	need->required = info->requiredPerms;
	need->columns = info->selectedCols;
	return true;
}

/* ---- building jsonb; zero a JsonbBuilder before use ---- */

#if PG_VERSION_NUM >= 190000
typedef JsonbInState JsonbBuilder;

#define jsonb_push_compat(builder, token, value) \
	pushJsonbValue((builder), (token), (value))
#else
typedef struct JsonbBuilder
{
	JsonbParseState *parseState;
	JsonbValue *result;			/* after the outermost END token */
} JsonbBuilder;

#define jsonb_push_compat(builder, token, value) \
	((void) ((builder)->result = pushJsonbValue(&(builder)->parseState, \
												(token), (value))))
#endif

/*
 * A wait-event set that lives as long as the process needs it: from 17 on a
 * resource owner (none) decides that, before it was a memory context.
 */
#if PG_VERSION_NUM >= 170000
#define CreateWaitEventSet_compat(nevents) CreateWaitEventSet(NULL, (nevents))
#else
#define CreateWaitEventSet_compat(nevents) \
	CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/*
 * Names a wait event of ours; before 17 all extensions share one.  Takes a
 * lock: call it once per process and event.
 */
#if PG_VERSION_NUM >= 170000
#define WaitEventExtensionNew_compat(name) WaitEventExtensionNew(name)
#else
#define WaitEventExtensionNew_compat(name) ((uint32) PG_WAIT_EXTENSION)
#endif

#endif							/* RTC_COMPAT_H */

/*
 * What depends on hiredis.  Behind a guard of its own, since this part exists
 * only for those who come through hiredis.h.
 */
#if defined(HIREDIS_MAJOR) && !defined(RTC_COMPAT_HIREDIS_H)
#define RTC_COMPAT_HIREDIS_H

/* Number of elements, as the reader tells it to its createArray callback. */
#if HIREDIS_MAJOR >= 1
typedef size_t RtcRedisArrayLen_compat;
#else
typedef int RtcRedisArrayLen_compat;
#endif

#endif							/* RTC_COMPAT_HIREDIS_H */
