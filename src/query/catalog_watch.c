/*-------------------------------------------------------------------------
 *
 * catalog_watch.c
 *		Has the meaning of a text changed since it was analyzed?
 *
 * A name in a text means what the parser finds for it in the catalogs.  A new
 * table in an earlier schema of the search path, a function with arguments that
 * fit better, a renamed enum value: any DDL may let it find something else.
 * The server's plan cache does not notice that, since it watches the objects
 * that were found.
 *
 * A session that changes a row of a catalog sends invalidation messages to all
 * sessions, so that their catalog caches forget it.  No DDL command goes without
 * them, be it in this session, in another one, in an extension, or replayed by a
 * standby.  They arrive after the change is visible and before the session that
 * has made it goes on; before that, the parser itself does not see it.  So we
 * count them:
 *
 * -   Changes of functions, operators, casts, enum values, schemas and the like
 *	   are rare.  Each one counts for every text.
 *
 * -   Tables and types are made all the time, temporary ones above all.  Their
 *	   messages carry a hash of name and schema.  There is a counter for each
 *	   value of some bits of this hash, its slot; a text watches the slots of all
 *	   the words in it, in all schemas where they may be looked for.  So a
 *	   temporary table of another session counts for nobody, except by chance.
 *
 * Only the parser knows which words are names.  So all of them count, both as
 * they are and in lower case, and so does everything between two double quotes,
 * even if they do not belong together.
 *
 * A literal has escapes, pieces and rules of its own ('my-hero'::regclass).  With
 * one that names a relation or a type, every name counts.
 *
 * The body of a function in SQL or a procedural language has names that are not
 * in the text, and calls others.  With one of these every name counts, too, and in a
 * text whose answers are not cached: it costs no more than what the server does
 * for each query.
 *
 * A text that is watched no longer is analyzed again, and if it means the same,
 * it is the same query with the same answers (meaning.c).  So a change too
 * many costs an analysis.
 *
 * Model: any backend, inside a transaction; backend-private state only.  The
 * callbacks count, and do nothing else.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/scansup.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "query/catalog_watch.h"

#define NSLOTS	8192

/*
 * The catalogs whose changes count for every text.  The server has room for 64
 * callbacks of all its parts and extensions, so a cache that is never changed
 * without another of these is left out.
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

static bool registered;
static uint64 changes;			/* of all kinds, counted by a callback */
static uint64 definitions;		/* of these catalogs */
static uint64 any_name;			/* of any table or type */
static uint32 *named;			/* the same by slot */

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
		definitions++;			/* all of the cache: so all count */
	else
		named[hashvalue % NSLOTS]++;
}

static void
listen(void)
{
	if (registered)
		return;
	if (named == NULL)
		named = MemoryContextAllocZero(TopMemoryContext,
									   NSLOTS * sizeof(uint32));
	registered = true;
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
	bool		qualifies;		/* it may be that of a schema */
} Word;

static HTAB *
create_name_set(void)
{
	HASHCTL		info = {
		.keysize = NAMEDATALEN,
		.entrysize = sizeof(Word),
		.hcxt = CurrentMemoryContext
	};

	return hash_create("rtcache names", 64, &info,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/*
 * Adds a name as an identifier has it: cut to what fits.  "rest" is the text
 * behind it: a schema is followed by a dot, but for space, comments and a quote.
 */
static void
add_name(HTAB *names, const char *start, size_t len, const char *rest)
{
	char		name[NAMEDATALEN];
	Word	   *entry;
	bool		found;

	if (len >= NAMEDATALEN)
		len = pg_mbcliplen(start, len, NAMEDATALEN - 1);
	memcpy(name, start, len);
	name[len] = '\0';
	entry = hash_search(names, name, HASH_ENTER, &found);
	if (!found)
		entry->qualifies = false;

	while (*rest == '"' || isspace((unsigned char) *rest))
		rest++;
	if (*rest == '.' || *rest == '/' || *rest == '-')
		entry->qualifies = true;
}

static bool
is_word_char(char c)
{
	return IS_HIGHBIT_SET(c) || isalnum((unsigned char) c) ||
		c == '_' || c == '$';
}

/* Adds a word, as it stands there and as the scanner would fold it. */
static void
add_word(HTAB *names, const char *start, size_t len)
{
	char	   *folded;

	add_name(names, start, len, start + len);
	folded = downcase_truncate_identifier(start, len, false);
	add_name(names, folded, strlen(folded), start + len);
	pfree(folded);
}

/*
 * All names that can stand in a text; NULL = there is no telling, because some
 * are written with escapes.
 */
static HTAB *
names_in(const char *text)
{
	HTAB	   *names = create_name_set();
	const char *p = text;

	while (*p != '\0')
	{
		const char *start = p;

		CHECK_FOR_INTERRUPTS();
		if (is_word_char(*p))
		{
			while (is_word_char(*p))
				p++;
			if (!isdigit((unsigned char) *start))
				add_word(names, start, p - start);
			if (*p == '&' && p - start == 1 && (*start | 0x20) == 'u')
				return NULL;	/* U&"..." */
			continue;
		}
		p++;
		if (*start == '"')
		{
			const char *end = strchr(p, '"');

			if (end == NULL)
				continue;
			if (end == p)
				return NULL;	/* "" stands for a quote in a name */
			add_name(names, p, end - p, end);
		}
	}
	return names;
}

/* ---------------- slots ---------------- */

static uint64
sum_of_slots(const RtcCatalogWatch *watch)
{
	uint64		sum = 0;

	if (watch->nslots < 0)
		return any_name;
	for (int i = 0; i < watch->nslots; i++)
		sum += named[watch->slot[i]];
	return sum;
}

/* Adds the slots of a name in a schema. */
static void
add_slots(bool *wanted, const char *name, Oid schema)
{
	wanted[GetSysCacheHashValue2(RELNAMENSP, CStringGetDatum(name),
								 ObjectIdGetDatum(schema)) % NSLOTS] = true;
	wanted[GetSysCacheHashValue2(TYPENAMENSP, CStringGetDatum(name),
								 ObjectIdGetDatum(schema)) % NSLOTS] = true;
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

static void
keep_slots(RtcCatalogWatch *watch, const bool *wanted)
{
	int			n = 0;

	for (int i = 0; i < NSLOTS; i++)
		n += wanted[i];
	watch->slot = palloc(n * sizeof(uint16));
	watch->nslots = 0;
	for (int i = 0; i < NSLOTS; i++)
	{
		if (wanted[i])
			watch->slot[watch->nslots++] = i;
	}
}

void
rtc_watch_text(RtcCatalogWatch *watch, const char *text, MemoryContext context)
{
	MemoryContext scratch;
	MemoryContext oldcontext;
	HTAB	   *names;

	listen();
	watch->changes = changes;
	watch->definitions = definitions;
	watch->nslots = -1;
	watch->slot = NULL;

	scratch = AllocSetContextCreate(CurrentMemoryContext, "rtcache names",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(scratch);
	names = names_in(text);
	if (names != NULL)
	{
		bool	   *wanted = palloc0(NSLOTS * sizeof(bool));
		List	   *schemas = schemas_of(names);
		HASH_SEQ_STATUS scan;
		Word	   *name;
		ListCell   *lc;

		hash_seq_init(&scan, names);
		while ((name = hash_seq_search(&scan)) != NULL)
		{
			CHECK_FOR_INTERRUPTS();
			foreach(lc, schemas)
				add_slots(wanted, name->name, lfirst_oid(lc));
		}
		MemoryContextSwitchTo(context);
		keep_slots(watch, wanted);
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(scratch);
	watch->names = sum_of_slots(watch);
}

/*
 * More names count.  Some of them may have changed since the text was analyzed:
 * then it does not hold.
 */
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
	ListCell   *lc;

	if (watch->nslots < 0 || typids == NIL)
		return;
	watch->slot = repalloc(watch->slot, (watch->nslots + list_length(typids)) *
						   sizeof(uint16));
	foreach(lc, typids)
		watch->slot[watch->nslots++] =
		GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(lfirst_oid(lc))) %
		NSLOTS;
	count_anew(watch);
}

void
rtc_watch_all_names(RtcCatalogWatch *watch)
{
	watch->nslots = -1;
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
