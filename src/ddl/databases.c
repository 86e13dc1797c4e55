/*-------------------------------------------------------------------------
 *
 * databases.c
 *		Who has to leave a database before something is done to it as a whole.
 *
 * DROP DATABASE, its renaming, its move to another tablespace, and CREATE DATABASE
 * with it as template wait for five seconds until nobody else is connected, and
 * then raise an error.  Background workers of ours leave such a database at once,
 * and work for one that is dropped is forgotten.
 *
 * They leave only for who may do what the statement says, as far as that is easily
 * told.  If it fails for another reason, they come back.
 *
 * Model: a hook of utility statements, in every database.  Raises for query cancel
 * and termination only.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "base/work.h"
#include "compat.h"
#include "ddl/databases.h"
#include "dep/watched.h"

static ProcessUtility_hook_type previous_hook = NULL;
static void (*leave_too) (Oid dboid) = NULL;

/* May the current user make databases? */
static bool
may_create(void)
{
	HeapTuple	tuple;
	bool		result = false;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* The value of an option; NULL = it is not given. */
static char *
option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *o = lfirst_node(DefElem, lc);

		if (strcmp(o->defname, name) == 0 && o->arg != NULL)
			return defGetString(o);
	}
	return NULL;
}

/* The database that has to be left for a statement; NULL = none. */
static const char *
database_to_leave(Node *statement, bool *is_dropped, bool *is_template)
{
	*is_dropped = false;
	*is_template = false;
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			*is_dropped = true;
			return ((DropdbStmt *) statement)->dbname;
		case T_CreatedbStmt:
			{
				char	   *name = option(((CreatedbStmt *) statement)->options,
										  "template");

				*is_template = true;
				return name != NULL ? name : "template1";
			}
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) statement)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			if (option(((AlterDatabaseStmt *) statement)->options,
					   "tablespace") != NULL)
				return ((AlterDatabaseStmt *) statement)->dbname;
			return NULL;
		default:
			return NULL;
	}
}

static void
utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
		ProcessUtilityContext context, ParamListInfo params,
		QueryEnvironment *environment, DestReceiver *dest,
		QueryCompletion *completion)
{
	bool		is_dropped;
	bool		is_template;
	const char *name = database_to_leave(pstmt->utilityStmt, &is_dropped,
										 &is_template);
	Oid			dboid = name != NULL ? get_database_oid(name, true) : InvalidOid;

	/* its own one a session may copy, but nothing else of these */
	if (OidIsValid(dboid) &&
		(is_template ? may_create() : dboid != MyDatabaseId &&
		 database_ownercheck_compat(dboid, GetUserId())))
	{
		if (is_dropped)
			rtc_watched_forget(dboid);
		rtc_work_leave(dboid, is_dropped);
		if (leave_too != NULL)
			leave_too(dboid);
	}

	if (previous_hook != NULL)
		previous_hook(pstmt, query, read_only_tree, context, params,
					  environment, dest, completion);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params,
								environment, dest, completion);
}

void
rtc_databases_on_leave(void (*leave) (Oid dboid))
{
	leave_too = leave;
}

void
rtc_databases_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = utility;
}
