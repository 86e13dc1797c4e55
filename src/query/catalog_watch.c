/*-------------------------------------------------------------------------
 *
 * catalog_watch.c
 *		Has the meaning of a text changed since it was analyzed?
 *
 * A name in a text means what the parser finds for it in the catalogs.  Any
 * DDL may let it find something else: a new table in an earlier schema of the
 * search path, a function whose arguments fit better, a renamed enum value.
 * The server's plan cache does not notice, since it watches only the objects
 * that were found.
 *
 * A session that changes a row of a catalog sends invalidation messages to all
 * sessions, so that their catalog caches forget it.  No DDL goes without them,
 * in this session, in another one, or replayed by a standby.  They arrive
 * after the change is visible and before the session that made it goes on;
 * until then, the parser itself does not see it.  So we count them:
 *
 * -   Changes of functions, operators, casts, enum values, schemas and the like
 *	   are rare.  Each one counts for every text.
 *
 * -   Tables and types are made all the time, temporary ones above all.  Their
 *	   messages carry a hash of name and schema.  Some bits of it are a slot,
 *	   which has a counter.  A text watches the slots of all its words, in all
 *	   schemas where they may be found.  So a temporary table of another session
 *	   counts for nobody, except by chance.
 *
 * Only the parser knows which words are names, so all words of the server's
 * scanner count.  The words in a literal do not, since it has rules of its own
 * ('my-hero'::regclass); with one that names a relation or a type, every name
 * counts.  So it is with a function in SQL or a procedural language, whose
 * body has other names, and for texts whose answers are not cached, where it
 * costs no more than the server's own work.
 *
 * A text that does not hold is analyzed again.  If it means the same, it is
 * the same query with the same answers (meaning.c), so one change too many
 * costs an analysis.
 *
 * Model: any backend, inside a transaction; backend-private state only.  The
 * callbacks only count.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "parser/scanner.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "query/catalog_watch.h"

#define NSLOTS	8192

/*
 * The catalogs whose changes count for every text.  The server has room for 64
 * callbacks altogether, so catalogs that change only with another of these are
 * left out.
 */
static const int definition_caches[] = {
	AMOPOPID,
	AMPROCNUM,
	AUTHMEMROLEMEM,				/* who may run it */
	AUTHOID,
	CASTSOURCETARGET,
	CLAOID,
	COLLOID,
	DATABASEOID,
	ENUMOID,
	EVENTTRIGGEROID,			/* whether DDL is seen (coverage.c) */
	NAMESPACEOID,
	OPEROID,
	PROCOID,
	TSCONFIGMAP,
	TSCONFIGOID,
	TSDICTOID
};

static uint64 changes;			/* of all kinds, counted by a callback */
static uint64 definitions;		/* of these catalogs */
static uint64 any_name;			/* of any table or type */
static uint32 *named;			/* the same by slot; NULL = not counted yet */

static void
definition_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
	definitions++;
}

static void
name_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
	any_name++;
	if (hashvalue == 0)
		definitions++;			/* the whole cache was reset */
	else
		named[hashvalue % NSLOTS]++;
}

static void
listen(void)
{
	if (named != NULL)
		return;
	named = MemoryContextAllocZero(TopMemoryContext, NSLOTS * sizeof(uint32));
	for (int i = 0; i < lengthof(definition_caches); i++)
		CacheRegisterSyscacheCallback(definition_caches[i],
									  definition_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(RELNAMENSP, name_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPENAMENSP, name_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, name_changed, (Datum) 0);
}

uint64
rtc_definition_changes(void)
{
	return definitions;
}

uint64
rtc_catalog_changes(void)
{
	return changes;
}

/* ---------------- words ---------------- */

/* A name that may stand in a text. */
typedef struct Word
{
	char		name[NAMEDATALEN];	/* hash key */
	bool		qualifies;		/* it may be the name of a schema */
} Word;

/* All names in a text; NULL = not known, because one has Unicode escapes. */
static HTAB *
names_in(const char *text)
{
	HASHCTL		info = {
		.keysize = NAMEDATALEN,
		.entrysize = sizeof(Word),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *names = hash_create("rtcache names", 64, &info,
									HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	core_yyscan_t scanner;
	core_yy_extra_type extra;
	core_YYSTYPE value;
	YYLTYPE		location;
	Word	   *before = NULL;	/* the last token, if it may be a name */

	scanner = scanner_init(text, &extra, &ScanKeywords, ScanKeywordTokens);
	while (core_yylex(&value, &location, scanner) != 0)
	{
		const char *token = text + location;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		if ((*token == 'u' || *token == 'U') && token[1] == '&')
		{
			names = NULL;		/* U&"..." */
			break;
		}
		if (*token == '"' || *token == '_' || IS_HIGHBIT_SET(*token) ||
			isalpha((unsigned char) *token))
		{
			before = hash_search(names, value.str, HASH_ENTER, &found);
			if (!found)
				before->qualifies = false;
			continue;
		}
		if (*token == '.' && before != NULL)
			before->qualifies = true;
		before = NULL;
	}
	scanner_finish(scanner);
	return names;
}

/* ---------------- slots ---------------- */

static void
add_slot(RtcCatalogWatch *watch, uint32 hashvalue)
{
	watch->slots = bms_add_member(watch->slots, hashvalue % NSLOTS);
}

static uint64
sum_of_slots(const RtcCatalogWatch *watch)
{
	uint64		sum = 0;
	int			slot = -1;

	if (watch->slots == NULL)
		return any_name;
	while ((slot = bms_next_member(watch->slots, slot)) >= 0)
		sum += named[slot];
	return sum;
}

List *
rtc_search_path(void)
{
	int			n = fetch_search_path_array(NULL, 0);
	Oid		   *schema = palloc(Max(n, 1) * sizeof(Oid));
	List	   *schemas = NIL;

	n = Min(n, fetch_search_path_array(schema, n));
	for (int i = 0; i < n; i++)
		schemas = lappend_oid(schemas, schema[i]);
	return schemas;
}

/* The schemas in which a text may look for names. */
static List *
schemas_of(HTAB *names)
{
	List	   *schemas = rtc_search_path();
	Oid			temporary;
	Oid			toast;
	HASH_SEQ_STATUS scan;
	Word	   *name;

	GetTempNamespaceState(&temporary, &toast);
	if (OidIsValid(temporary))
		schemas = lappend_oid(schemas, temporary);
	hash_seq_init(&scan, names);
	while ((name = hash_seq_search(&scan)) != NULL)
	{
		Oid			schema = InvalidOid;

		if (name->qualifies)
			schema = get_namespace_oid(name->name, true);
		if (OidIsValid(schema))
			schemas = list_append_unique_oid(schemas, schema);
	}
	return schemas;
}

void
rtc_watch_text(RtcCatalogWatch *watch, const char *text, MemoryContext context)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	HTAB	   *names;

	listen();
	watch->changes = changes;
	watch->definitions = definitions;
	watch->slots = NULL;

	names = names_in(text);
	if (names != NULL)
	{
		List	   *schemas = schemas_of(names);
		HASH_SEQ_STATUS scan;
		Word	   *name;
		ListCell   *lc;

		MemoryContextSwitchTo(context);
		hash_seq_init(&scan, names);
		while ((name = hash_seq_search(&scan)) != NULL)
		{
			Datum		key = CStringGetDatum(name->name);

			CHECK_FOR_INTERRUPTS();
			foreach(lc, schemas)
			{
				Datum		schema = ObjectIdGetDatum(lfirst_oid(lc));

				add_slot(watch, GetSysCacheHashValue2(RELNAMENSP, key, schema));
				add_slot(watch, GetSysCacheHashValue2(TYPENAMENSP, key, schema));
			}
		}
		MemoryContextSwitchTo(oldcontext);
	}
	watch->names = sum_of_slots(watch);
}

/* More names count.  If one may have changed, the text does not hold. */
static void
count_anew(RtcCatalogWatch *watch)
{
	watch->names = sum_of_slots(watch);
	if (watch->changes != changes)
		watch->names--;
}

void
rtc_watch_types(RtcCatalogWatch *watch, List *typids)
{
	MemoryContext oldcontext;
	ListCell   *lc;

	if (watch->slots == NULL || typids == NIL)
		return;
	oldcontext = MemoryContextSwitchTo(GetMemoryChunkContext(watch->slots));
	foreach(lc, typids)
		add_slot(watch, GetSysCacheHashValue1(TYPEOID,
											  ObjectIdGetDatum(lfirst_oid(lc))));
	MemoryContextSwitchTo(oldcontext);
	count_anew(watch);
}

void
rtc_watch_all_names(RtcCatalogWatch *watch)
{
	watch->slots = NULL;
	count_anew(watch);
}

bool
rtc_watch_holds(RtcCatalogWatch *watch)
{
	if (watch->changes == changes)
		return true;
	if (watch->definitions != definitions ||
		watch->names != sum_of_slots(watch))
		return false;
	watch->changes = changes;
	return true;
}
