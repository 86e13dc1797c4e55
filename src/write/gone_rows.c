/*-------------------------------------------------------------------------
 *
 * gone_rows.c
 *		Row versions that a transaction has made and ended again.
 *
 * A version is where a row lies: table, storage, place (ctid).  No place is
 * reused while the transaction that has ended its version is running.  A
 * version may leave one key and keep another that another rule makes, so the
 * hash of the key belongs to it here.
 *
 * If the table gets new storage in between (CLUSTER, ALTER TABLE, TRUNCATE),
 * its rows lie elsewhere, and versions cannot be told apart any more.  Then
 * all that lay in the other storage counts as gone.
 *
 * Memory is bounded: what the table has no room for goes into a Bloom filter,
 * which may say that a version is gone although it is not.  Its key is then
 * absent, not wrong.
 *
 * Model: used by backends and by the relay, each with sets of its own.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/bloomfilter.h"
#include "utils/memutils.h"

#include "write/gone_rows.h"

/* Versions in the table, of 32 bytes each; further ones go into the filter. */
#define RTC_MAX_GONE_ROWS	(128 * 1024)

/* Size of the filter in kB: 16 bits for each of four million versions. */
#define RTC_GONE_FILTER_KB	8192
#define RTC_GONE_FILTER_ELEMS	(4 * 1024 * 1024)

/* What identifies a version.  No padding. */
typedef struct RtcGoneKey
{
	Oid			relid;
	Oid			storage;
	uint32		key_hash;
	ItemPointerData ctid;
	uint16		zero;
} RtcGoneKey;

typedef struct RtcGoneRow
{
	RtcGoneKey	version;
	uint32		by;				/* as it was added */
	bool		gone;			/* it has left the key */
	bool		came;			/* it had come to it */
	char		status;			/* for simplehash */
} RtcGoneRow;

#define SH_PREFIX		gone
#define SH_ELEMENT_TYPE RtcGoneRow
#define SH_KEY_TYPE		RtcGoneKey
#define SH_KEY			version
#define SH_HASH_KEY(tb, key) \
	hash_bytes((const unsigned char *) &(key), sizeof(RtcGoneKey))
#define SH_EQUAL(tb, a, b) (memcmp(&(a), &(b), sizeof(RtcGoneKey)) == 0)
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Where the gone versions of a table lay. */
typedef struct RtcGoneStorage
{
	Oid			relid;			/* hash key */
	Oid			storage;		/* InvalidOid: in several */
	char		status;			/* for simplehash */
} RtcGoneStorage;

#define SH_PREFIX		storage
#define SH_ELEMENT_TYPE RtcGoneStorage
#define SH_KEY_TYPE		Oid
#define SH_KEY			relid
#define SH_HASH_KEY(tb, key) murmurhash32(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct RtcGoneRows
{
	MemoryContext context;		/* holds all of this */
	gone_hash  *table;
	storage_hash *storages;
	bloom_filter *filter;		/* what did not fit; NULL = all did */
};

StaticAssertDecl(sizeof(RtcGoneKey) == 20, "RtcGoneKey has padding");

RtcGoneRows *
rtc_gone_rows_create(MemoryContext context)
{
	MemoryContext mine = AllocSetContextCreate(context, "rtcache gone rows",
											   ALLOCSET_DEFAULT_SIZES);
	RtcGoneRows *rows = MemoryContextAllocZero(mine, sizeof(RtcGoneRows));

	rows->context = mine;
	rows->table = gone_create(mine, 64, NULL);
	rows->storages = storage_create(mine, 8, NULL);
	return rows;
}

void
rtc_gone_rows_destroy(RtcGoneRows *rows)
{
	MemoryContextDelete(rows->context);
}

static RtcGoneKey
version_of(const RtcOp *op, ItemPointerData ctid)
{
	RtcGoneKey	version = {0};

	version.relid = op->row.relid;
	version.storage = op->row.storage;
	version.key_hash = hash_bytes((const unsigned char *) op->key, op->keylen);
	version.ctid = ctid;
	return version;
}

/* The entry of a version in the table; NULL = there is no room for it. */
static RtcGoneRow *
find_or_add(RtcGoneRows *rows, RtcGoneKey version)
{
	RtcGoneRow *row;
	bool		found;

	if (rows->table->members >= RTC_MAX_GONE_ROWS)
		return gone_lookup(rows->table, version);
	row = gone_insert(rows->table, version, &found);
	if (!found)
	{
		row->by = RTC_GONE_BY_UNKNOWN;
		row->gone = false;
		row->came = false;
	}
	return row;
}

bool
rtc_gone_rows_add(RtcGoneRows *rows, const RtcOp *op, uint32 by)
{
	RtcGoneStorage *storage;
	RtcGoneKey	version;
	RtcGoneRow *row;
	bool		found;
	bool		news;

	if (!RtcOpHasRow(op->kind) || !ItemPointerIsValid(&op->row.gone))
		return false;

	storage = storage_insert(rows->storages, op->row.relid, &found);
	if (!found)
		storage->storage = op->row.storage;
	else if (storage->storage != op->row.storage)
		storage->storage = InvalidOid;

	version = version_of(op, op->row.gone);
	row = find_or_add(rows, version);
	if (row != NULL)
	{
		news = !row->gone && !row->came;
		row->gone = true;
		row->by = by;
		return news;
	}

	if (rows->filter == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(rows->context);

		rows->filter = bloom_create(RTC_GONE_FILTER_ELEMS, RTC_GONE_FILTER_KB,
									0);
		MemoryContextSwitchTo(old);
	}
	bloom_add_element(rows->filter, (unsigned char *) &version,
					  sizeof(version));
	return true;
}

bool
rtc_gone_rows_came(RtcGoneRows *rows, const RtcOp *op)
{
	RtcGoneRow *row;
	bool		news;

	if (!RtcOpHasRow(op->kind) || !ItemPointerIsValid(&op->row.made))
		return false;
	row = find_or_add(rows, version_of(op, op->row.made));
	if (row == NULL)
		return false;
	news = row->gone && !row->came;
	row->came = true;
	return news;
}

bool
rtc_gone_rows_has(RtcGoneRows *rows, const RtcOp *op, uint32 *by)
{
	RtcGoneStorage *storage;
	RtcGoneRow *row;
	RtcGoneKey	version;

	*by = RTC_GONE_BY_UNKNOWN;
	if (!RtcOpHasRow(op->kind) || !ItemPointerIsValid(&op->row.made))
		return false;
	storage = storage_lookup(rows->storages, op->row.relid);
	if (storage == NULL)
		return false;
	if (storage->storage != op->row.storage)
		return true;

	version = version_of(op, op->row.made);
	row = gone_lookup(rows->table, version);
	if (row != NULL && row->gone)
	{
		*by = row->by;
		return true;
	}
	return rows->filter != NULL &&
		!bloom_lacks_element(rows->filter, (unsigned char *) &version,
							 sizeof(version));
}
