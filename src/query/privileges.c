/*-------------------------------------------------------------------------
 *
 * privileges.c
 *		The privileges that it takes to see an answer, as text.
 *
 * cache_peek() has a key and no query.  So the privileges that a query needs
 * are kept with its answer, and cache_peek() shows nothing that its user could
 * not query.
 *
 * They are written as "relid:column,column;relid:;fOID": SELECT on these
 * columns (0 = all) or, with none, on any column; EXECUTE on functions that
 * are not the server's; and USAGE on the schemas of both.  With these, the
 * parser and the executor let the same query pass, unless somebody has revoked
 * privileges on the server's own objects.  What a view reads is not in it,
 * since the owner of the view needs that.  The functions in a view are, as in
 * the executor.
 *
 * Model: any backend, inside a transaction.  Reads catalogs only.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "compat.h"
#include "query/privileges.h"

#define NO_PRIVILEGES "-"

/* Appends what a query, and the queries inside it, need. */
static bool
needs_walker(Node *node, void *context)
{
	StringInfo	buf = context;
	Query	   *query;
	RtcNeed_compat need;

	if (node == NULL)
		return false;
	CHECK_FOR_INTERRUPTS();
	if (!IsA(node, Query))
		return expression_tree_walker(node, needs_walker, context);

	query = (Query *) node;
	for (int n = 0; query_need_compat(query, n, &need); n++)
	{
		int			column = -1;
		char		before = ':';

		if (!OidIsValid(need.relid) || OidIsValid(need.as_user) ||
			(need.required & ACL_SELECT) == 0)
			continue;
		appendStringInfo(buf, "%s%u:", buf->len > 0 ? ";" : "", need.relid);
		while ((column = bms_next_member(need.columns, column)) >= 0)
		{
			if (before == ',')
				appendStringInfoChar(buf, ',');
			appendStringInfo(buf, "%d",
							 column + FirstLowInvalidHeapAttributeNumber);
			before = ',';
		}
	}
	return query_tree_walker(query, needs_walker, context, 0);
}

const char *
rtc_privileges_of(List *queries, List *functions)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	(void) needs_walker((Node *) queries, &buf);
	foreach(lc, functions)
		appendStringInfo(&buf, "%sf%u", buf.len > 0 ? ";" : "",
						 lfirst_oid(lc));
	if (buf.len == 0)
		appendStringInfoString(&buf, NO_PRIVILEGES);
	return buf.data;
}

/*
 * May the current user SELECT from these columns (list of int)?  As the
 * executor has it.
 */
static bool
may_select(Oid relid, List *columns)
{
	Oid			user = GetUserId();
	ListCell   *lc;

	if (pg_class_aclcheck(relid, user, ACL_SELECT) == ACLCHECK_OK)
		return true;
	if (columns == NIL)
		return pg_attribute_aclcheck_all(relid, user, ACL_SELECT,
										 ACLMASK_ANY) == ACLCHECK_OK;
	foreach(lc, columns)
	{
		AttrNumber	column = lfirst_int(lc);

		if (column == InvalidAttrNumber
			? pg_attribute_aclcheck_all(relid, user, ACL_SELECT,
										ACLMASK_ALL) != ACLCHECK_OK
			: pg_attribute_aclcheck(relid, column, user,
									ACL_SELECT) != ACLCHECK_OK)
			return false;
	}
	return true;
}

static void
check_schema(Oid schema)
{
	if (namespace_aclcheck_compat(schema, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA,
					   get_namespace_name(schema));
}

static void
check_function(Oid funcid)
{
	check_schema(get_func_namespace(funcid));
	if (proc_aclcheck_compat(funcid, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION,
					   get_func_name(funcid));
}

void
rtc_privileges_check_table(Oid relid, List *columns)
{
	check_schema(get_rel_namespace(relid));
	if (!may_select(relid, columns))
		aclcheck_error(ACLCHECK_NO_PRIV,
					   get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", get_rel_name(relid)),
				 errdetail("Row-level security applies to what is cached under this key.")));
}

/* Do the table and its columns exist still? */
static bool
exists(Oid relid, List *columns)
{
	ListCell   *lc;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return false;
	foreach(lc, columns)
	{
		HeapTuple	tuple;

		if (lfirst_int(lc) == InvalidAttrNumber)
			continue;
		tuple = SearchSysCacheAttNum(relid, lfirst_int(lc));
		if (!HeapTupleIsValid(tuple))
			return false;
		ReleaseSysCache(tuple);
	}
	return true;
}

/* Checks one item, and moves *p behind it; false = malformed, or gone. */
static bool
check_item(const char **p)
{
	bool		is_function = **p == 'f';
	char	   *end;
	Oid			oid = (Oid) strtoul(*p + is_function, &end, 10);
	List	   *columns = NIL;

	if (end == *p + is_function)
		return false;
	*p = end;
	if (is_function)
	{
		if (!SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(oid)))
			return false;
		check_function(oid);
		return true;
	}

	if (*end != ':')
		return false;
	for (*p = end + 1; **p != ';' && **p != '\0'; *p += **p == ',')
	{
		long		column = strtol(*p, &end, 10);

		if (end == *p)
			return false;
		columns = lappend_int(columns, (int) column);
		*p = end;
	}
	if (!exists(oid, columns))
		return false;
	rtc_privileges_check_table(oid, columns);
	return true;
}

bool
rtc_privileges_check(const char *privileges)
{
	const char *p = privileges;

	if (strcmp(privileges, NO_PRIVILEGES) == 0)
		return true;
	while (check_item(&p))
	{
		if (*p == '\0')
			return true;
		if (*p++ != ';')
			return false;
	}
	return false;
}
