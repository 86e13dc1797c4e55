/*-------------------------------------------------------------------------
 *
 * companion.c
 *		What a value under a key comes from, and who may see it.
 *
 * cache_peek() has a key and no query.  So that it shows nothing that its user
 * could not query, the privileges that a query needs are kept with its answer:
 * in L1 in the entry, in Redis in the companion of the value.  A value that
 * has no companion was written by a rule or by cache_set(); nobody knows which,
 * so every rule that can make the key counts.
 *
 * Privileges are written as "relid:column,column;relid:;fOID": SELECT on these
 * columns (0 = all of them) or, with none, on any column; EXECUTE on functions
 * that do not come with the server; and USAGE on the schemas of both.  So who
 * asks the same query passes the parser and the executor, unless somebody has
 * revoked privileges on what comes with the server.  What a query reads through
 * a view is not in it, since the owner of the view is who needs that; but the
 * functions in it are, as for the executor, with their schemas to be safe.
 *
 * MODEL: any backend, inside a transaction.  Reads system catalogs only.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "base/key.h"
#include "compat.h"
#include "ddl/rule_check.h"
#include "read/companion.h"
#include "read/redis_lookup.h"
#include "rule/rule.h"
#include "rule/rule_keys.h"

#define NO_PRIVILEGES "-"

/* ---------------- of a query ---------------- */

/* Appends what one query needs, and then those inside it. */
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

/* ---------------- checks ---------------- */

/* Raises what a query of the table would raise. */
static void
refuse(Oid relid)
{
	aclcheck_error(ACLCHECK_NO_PRIV,
				   get_relkind_objtype(get_rel_relkind(relid)),
				   get_rel_name(relid));
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

static void
check_table(Oid relid, List *columns)
{
	check_schema(get_rel_namespace(relid));
	if (!may_select(relid, columns))
		refuse(relid);
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

bool
rtc_privileges_check(const char *privileges)
{
	const char *p = privileges;

	if (strcmp(privileges, NO_PRIVILEGES) == 0)
		return true;
	for (;;)
	{
		bool		is_function = *p == 'f';
		char	   *end;
		unsigned long relid = strtoul(is_function ? ++p : p, &end, 10);
		List	   *columns = NIL;

		if (is_function && end != p && (*end == ';' || *end == '\0'))
		{
			if (!SearchSysCacheExists1(PROCOID, ObjectIdGetDatum((Oid) relid)))
				return false;
			check_function((Oid) relid);
			if (*end == '\0')
				return true;
			p = end + 1;
			continue;
		}
		if (is_function || end == p || *end != ':')
			return false;
		p = end + 1;
		while (*p != ';' && *p != '\0')
		{
			long		column = strtol(p, &end, 10);

			if (end == p)
				return false;
			columns = lappend_int(columns, (int) column);
			p = end;
			if (*p == ',')
				p++;
		}
		if (!exists((Oid) relid, columns))
			return false;
		check_table((Oid) relid, columns);
		if (*p == '\0')
			return true;
		p++;
	}
}

/* ---------------- companions ---------------- */

void
rtc_companion_write(StringInfo buf, const char *fingerprint,
					const char *privileges, const RtcDep *tags, int ntags)
{
	appendStringInfo(buf, "%s%s ", fingerprint, privileges);
	for (int i = 0; i < ntags; i++)
		appendStringInfo(buf, "%s%016llx", i > 0 ? "," : "",
						 (unsigned long long) tags[i]);
}

int
rtc_companion_read(char *companion, char **privileges, RtcDep *tags, int max)
{
	char	   *end;
	char	   *p;
	int			n = 0;

	p = strchr(companion, ' ');
	if (p == NULL)
		return -1;
	*privileges = p + 1;
	p = strchr(*privileges, ' ');
	if (p == NULL)
		return -1;
	*p++ = '\0';
	while (*p != '\0')
	{
		if (n >= max)
			return -1;
		tags[n++] = strtou64(p, &end, 16);
		if (end != p + RTC_TAG_DIGITS || (*end != ',' && *end != '\0'))
			return -1;
		p = *end == ',' ? end + 1 : end;
	}
	return n;
}

/* ---------------- of a rule ---------------- */

/* Checks the rule of a table that makes a key; false = it has gone. */
static bool
check_rule(const RtcRuleKeys *keys)
{
	Relation	rel = try_relation_open(keys->relid, AccessShareLock);
	TriggerDesc *triggers = rel != NULL ? rel->trigdesc : NULL;
	List	   *columns = NIL;
	bool		found = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];
		RtcRule    *rule;
		RtcRuleText text;
		RtcNames	names;
		RtcFault	fault;

		if (trigger->tgoid != keys->tgoid)
			continue;
		rule = rtc_rule_parse(rel, trigger, RTC_RULE_WRITE_THROUGH, &text,
							  &names, &fault);
		if (rule == NULL)
			continue;
		found = true;
		columns = rtc_row_json_columns(rule->row, columns);
		for (int c = 1; c <= RelationGetDescr(rel)->natts; c++)
			if (rtc_template_uses(rule->key, c))
				columns = list_append_unique_int(columns, c);
	}
	/* as for a query of a table, until the end of the transaction */
	if (rel != NULL)
		relation_close(rel, NoLock);
	if (found)
		check_table(keys->relid, columns);
	return found;
}

bool
rtc_rules_check(const char *key, uint32 keylen)
{
	List	   *makers = rtc_rules_that_make(key, keylen);
	ListCell   *lc;
	bool		known = false;

	foreach(lc, makers)
		known |= check_rule(lfirst(lc));
	return known;
}
