/*-------------------------------------------------------------------------
 *
 * lookup_names.c
 *		What the answer of a lookup depends on.
 *
 * That is its key, its database, and what query_deps.c finds in the query, or the
 * tags that the caller gives instead.
 *
 * What query_deps.c finds follows from rules and indexes.  These may go at any
 * moment, whatever locks we have, and from then on writers may not stamp what we
 * name.  But nobody will use what we store with such a name.  Whoever looks for
 * it after such a writer has been told of the change, which was committed before:
 * the plan is made anew, and names other things.  If everything is as before
 * later on, the event triggers have stamped the relation in between; or they were
 * off, and then it is another question now (plan.c).  And an answer that was there
 * before is one of a moment of this call, since at its beginning we had been told
 * of everything that had been committed.
 *
 * Model: any backend with shared memory, inside a transaction.  No locks.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/key.h"
#include "op.h"
#include "read/lookup_names.h"
#include "table_stats.h"

/* Takes the caller's tags. */
static void
take_tags(RtcLookupNames *names, ArrayType *tags)
{
	Datum	   *tag;
	bool	   *isnull;
	int			n;

	if (ARR_NDIM(tags) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("tags must be a one-dimensional array")));
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &tag, &isnull,
					  &n);
	if (n > RTC_MAX_NAMED_DEPS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many tags"),
				 errdetail("%d tags were given, the limit is %d.", n,
						   RTC_MAX_NAMED_DEPS)));
	for (int i = 0; i < n; i++)
	{
		text	   *name;

		if (isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("tag must not be null")));
		name = DatumGetTextPP(tag[i]);
		if (VARSIZE_ANY_EXHDR(name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("tag must not be empty")));
		if (VARSIZE_ANY_EXHDR(name) > RTC_MAX_KEY_LEN)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("tag is too long"),
					 errdetail("The tag has %zu bytes, the limit is %d.",
							   (size_t) VARSIZE_ANY_EXHDR(name),
							   RTC_MAX_KEY_LEN)));
		names->dep[names->ndeps++] = rtc_dep_tag(VARDATA_ANY(name),
												 VARSIZE_ANY_EXHDR(name));
	}
	names->tagged = true;
}

void
rtc_names_begin(RtcLookupNames *names, ArrayType *tags)
{
	names->stamps.n = 0;
	names->ndeps = 0;
	names->tagged = false;
	names->owned = false;
	if (tags != NULL)
		take_tags(names, tags);
}

bool
rtc_names_find(RtcLookupNames *names, const RtcQuestion *question)
{
	bool		first = names->stamps.n == 0;

	if (!names->tagged)
	{
		RtcDep		dep[RTC_MAX_NAMED_DEPS];
		int			n = rtc_query_deps(question->query, dep);

		first |= n != names->ndeps ||
			memcmp(dep, names->dep, n * sizeof(RtcDep)) != 0;
		if (first)
			memcpy(names->dep, dep, n * sizeof(RtcDep));
		names->ndeps = n;
	}
	if (first)
		rtc_stamps_of(&names->stamps, question->l1.hash, names->dep,
					  names->ndeps);
	return first;
}

void
rtc_names_find_owner(RtcLookupNames *names, const RtcQuestion *question)
{
	const char *key;
	size_t		keylen;

	/* who gives tags wants them to count */
	names->owned = question->l1.one_row &&
		!(names->tagged && names->ndeps > 0) &&
		(key = rtc_query_owned_key(question->query, &keylen)) != NULL &&
		keylen == question->l1.keylen &&
		memcmp(key, question->l1.key, keylen) == 0;
}

/* The stamps of a key and of the database come first. */
#define KEY_STAMPS		2

/* Counts for each table of which a stamp is not that in "ended" (NULL: of all). */
static void
count_tables(const RtcLookupNames *names, const RtcQuestion *question,
			 const RtcStampRead *ended, RtcTableCounter counter)
{
	Oid			last = InvalidOid;

	if (names->tagged || (ended != NULL && ended->n != names->stamps.n))
		return;
	for (int i = 0; i < names->ndeps; i++)
	{
		int			stamp = KEY_STAMPS + i;
		Oid			relid;

		if (ended != NULL &&
			(ended->bucket[stamp] != names->stamps.bucket[stamp] ||
			 ended->version[stamp] == names->stamps.version[stamp]))
			continue;
		/* those of one table come one behind the other */
		relid = rtc_query_dep_relation(question->query, i);
		if (OidIsValid(relid) && relid != last)
			rtc_table_stat_add(MyDatabaseId, relid, counter, 1);
		last = relid;
	}
}

void
rtc_names_count_ended(const RtcLookupNames *names, const RtcQuestion *question,
					  const RtcStampRead *ended)
{
	count_tables(names, question, ended, RTC_TABLE_ANSWERS_ENDED);
}

void
rtc_names_count_refresh(const RtcLookupNames *names,
						const RtcQuestion *question)
{
	count_tables(names, question, NULL, RTC_TABLE_REFRESHES);
}

void
rtc_stamps_of(RtcStampRead *stamps, RtcDep key, const RtcDep *deps, int ndeps)
{
	static bool known = false;
	static uint32 database;		/* the bucket of ours */

	if (!known)
	{
		database = rtc_stamp_bucket(rtc_dep_database());
		known = true;
	}
	stamps->n = 0;
	rtc_stamp_read_add(stamps, rtc_stamp_bucket(key));
	rtc_stamp_read_add(stamps, database);
	for (int i = 0; i < ndeps; i++)
		rtc_stamp_read_add(stamps, rtc_stamp_bucket(deps[i]));
}
