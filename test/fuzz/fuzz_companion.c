/*-------------------------------------------------------------------------
 *
 * fuzz_companion.c
 *		Companions, and the privileges that they name: any text.
 *
 * rooms: read/companion query/privileges base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "access/htup_details.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "query/privileges.h"
#include "read/companion.h"

#define MAX_TAGS	4

static HeapTupleData tuple;

/* The catalogs: tables and functions with an odd oid exist, and may be read. */
bool
SearchSysCacheExists(int cacheId, Datum key1, Datum key2, Datum key3,
					 Datum key4)
{
	return DatumGetObjectId(key1) % 2 == 1;
}

HeapTuple
SearchSysCacheAttNum(Oid relid, int16 attnum)
{
	MUST(relid % 2 == 1);
	return attnum > 0 ? &tuple : NULL;
}

void
ReleaseSysCache(HeapTuple released)
{
	MUST(released == &tuple);
}

Oid
GetUserId(void)
{
	return 10;
}

Oid
get_rel_namespace(Oid relid)
{
	MUST(relid % 2 == 1);
	return 11;
}

Oid
get_func_namespace(Oid funcid)
{
	MUST(funcid % 2 == 1);
	return 11;
}

#if PG_VERSION_NUM >= 160000
AclResult
object_aclcheck(Oid classid, Oid objectid, Oid roleid, AclMode mode)
{
	return ACLCHECK_OK;
}
#else
AclResult
pg_namespace_aclcheck(Oid nsp_oid, Oid roleid, AclMode mode)
{
	return ACLCHECK_OK;
}

AclResult
pg_proc_aclcheck(Oid proc_oid, Oid roleid, AclMode mode)
{
	MUST(proc_oid % 2 == 1);
	return ACLCHECK_OK;
}
#endif

AclResult
pg_class_aclcheck(Oid table_oid, Oid roleid, AclMode mode)
{
	MUST(table_oid % 2 == 1);
	return ACLCHECK_OK;
}

int
check_enable_rls(Oid relid, Oid checkAsUser, bool noError)
{
	return RLS_NONE;
}

List *
lappend_int(List *list, int datum)
{
	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_IntList;
		list->elements = palloc(sizeof(ListCell));
	}
	else
		list->elements = repalloc(list->elements,
								  (list->length + 1) * sizeof(ListCell));
	list->elements[list->length++].int_value = datum;
	return list;
}

void
fuzz_one(const uint8 *data, size_t size)
{
	char	   *text = fuzz_text(data, size);
	char	   *companion = fuzz_text(data, size);
	char	   *privileges[2];
	RtcDep		tag[2][MAX_TAGS];
	StringInfoData again;
	int64		computed;
	int			n;

	(void) rtc_privileges_check(text);
	computed = rtc_companion_computed(companion, strlen(companion));
	MUST(computed >= -1);

	n = rtc_companion_read(companion, &privileges[0], tag[0], MAX_TAGS);
	if (n < 0)
		return;
	MUST(n <= MAX_TAGS);
	MUST(privileges[0] + strlen(privileges[0]) < companion + strlen(text));
	(void) rtc_privileges_check(privileges[0]);

	/* what was understood is written and understood as the same */
	initStringInfo(&again);
	rtc_companion_write(&again, pnstrdup(text, strchr(text, ' ') + 1 - text),
						privileges[0], tag[0], n, 42);
	MUST(rtc_companion_computed(again.data, again.len) == 42);
	MUST(rtc_companion_read(again.data, &privileges[1], tag[1], MAX_TAGS) == n);
	MUST(strcmp(privileges[0], privileges[1]) == 0);
	MUST(memcmp(tag[0], tag[1], n * sizeof(RtcDep)) == 0);
}
