/*-------------------------------------------------------------------------
 *
 * inbox_position.c
 *		How far the database has applied its inbox.
 *
 * It is a row of a table, written in the transaction that applies the entries:
 * whatever happens to the one happens to the other.  A replication origin would
 * do the same without a table, but has 64 bits for an id of 128, would mark these
 * transactions as foreign for logical replication, and would be missing in a dump.
 *
 * The row belongs to a prefix, not just to the database: a copy of the database
 * has another prefix, and an inbox of its own.
 *
 * The statements run as the owner of the table, since there may be triggers on it,
 * made by somebody whom a superuser must not obey.
 *
 * Model: called by the worker, as superuser, inside a transaction.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "compat.h"
#include "inbox/inbox_position.h"
#include "inbox/inbox_sql.h"
#include "op.h"

#define POSITION_TABLE	"rtcache_inbox_position"

/* The table's name for statements, and its owner. */
static char *
find_table(Oid *owner)
{
	Datum		columns[2];
	bool		isnull[2];

	if (!rtc_inbox_sql_row("SELECT c.oid::pg_catalog.regclass::text, c.relowner"
						   " FROM pg_catalog.pg_extension e"
						   " JOIN pg_catalog.pg_class c ON c.relnamespace = e.extnamespace"
						   " WHERE e.extname = '" RTC_NAME "'"
						   " AND c.relname = '" POSITION_TABLE "'",
						   0, NULL, NULL, NULL, 2, columns, isnull))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" does not exist", POSITION_TABLE),
				 errhint("Use ALTER EXTENSION rtcache UPDATE.")));
	*owner = DatumGetObjectId(columns[1]);
	return TextDatumGetCString(columns[0]);
}

bool
rtc_inbox_position_read(const char *prefix, RtcInboxPosition *pos)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(prefix);
	Datum		columns[4];
	bool		isnull[4];
	Oid			owner;
	char	   *table = find_table(&owner);
	RtcInboxGuard guard;
	bool		found;

	memset(pos, 0, sizeof(*pos));
	guard = rtc_inbox_become(owner);
	found = rtc_inbox_sql_row(psprintf("SELECT id, noted, applied, refused FROM %s WHERE prefix = $1 FOR UPDATE",
									   table),
							  1, &type, &value, NULL, 4, columns, isnull);
	rtc_inbox_come_back(&guard);
	if (!found)
		return false;
	if (isnull[0] || isnull[1] || isnull[2] || isnull[3] ||
		!rtc_inbox_id_parse(TextDatumGetCString(columns[0]), &pos->id) ||
		!rtc_inbox_id_parse(TextDatumGetCString(columns[1]), &pos->noted))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("position of the inbox is damaged")));
	pos->napplied = DatumGetInt64(columns[2]);
	pos->nrefused = DatumGetInt64(columns[3]);
	return true;
}

void
rtc_inbox_position_write(const char *prefix, const RtcInboxPosition *pos,
						 bool new)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID};
	char		id[RTC_INBOX_ID_LEN];
	char		noted[RTC_INBOX_ID_LEN];
	Datum		values[5];
	Oid			owner;
	char	   *table = find_table(&owner);
	RtcInboxGuard guard;
	uint64		n;

	rtc_inbox_id_text(pos->id, id);
	rtc_inbox_id_text(pos->noted, noted);
	values[0] = CStringGetTextDatum(prefix);
	values[1] = CStringGetTextDatum(id);
	values[2] = CStringGetTextDatum(noted);
	values[3] = Int64GetDatum(pos->napplied);
	values[4] = Int64GetDatum(pos->nrefused);
	guard = rtc_inbox_become(owner);
	n = rtc_inbox_sql_run(psprintf(new ?
								   "INSERT INTO %s (prefix, id, noted, applied, refused, changed_at) VALUES ($1, $2, $3, $4, $5, pg_catalog.now())" :
								   "UPDATE %s SET id = $2, noted = $3, applied = $4, refused = $5, changed_at = pg_catalog.now() WHERE prefix = $1",
								   table),
						  5, types, values, NULL);
	rtc_inbox_come_back(&guard);
	if (n != 1)
		elog(ERROR, "could not store the position of the inbox");
}
