/*-------------------------------------------------------------------------
 *
 * schema.c
 *		The tables of the torture checker, and their rules.
 *
 * "item", "tally" and "pair" are attached with cache_attach(), the rules of "mover" are
 * made by CREATE TRIGGER.  "grp" says which pair belongs to a group of items;
 * nobody writes to it.
 *
 * MODEL: the main thread, once.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "torture.h"

void
make_schema(PGconn *conn)
{
	char		query[4096];

	snprintf(query, sizeof(query),
			 "CREATE EXTENSION rtcache;"
			 "CREATE TABLE ver (c int PRIMARY KEY, v bigint) WITH (fillfactor = 50);"
			 "CREATE TABLE done (tok bigint);"
			 "CREATE TABLE item (c int PRIMARY KEY, g int, v bigint, tok bigint);"
			 "CREATE INDEX ON item (g);"
			 "CREATE INDEX ON item (tok);"
			 "CREATE TABLE mover (id int PRIMARY KEY, c int, v bigint, tok bigint);"
			 "CREATE INDEX ON mover (c);"
			 "CREATE TABLE tally (c int PRIMARY KEY, v bigint, tok bigint, hits bigint DEFAULT 0,"
			 " seen bigint DEFAULT 0 CHECK (seen >= 0), bits numeric DEFAULT 0, note bigint DEFAULT 0);"
			 "CREATE TABLE pair (c int, side int, v bigint, tok bigint, n bigint, PRIMARY KEY (c, side));"
			 "CREATE TABLE grp (g int PRIMARY KEY, p int);"
			 "INSERT INTO ver SELECT i, 1 FROM generate_series(0, %d) AS i;"
			 "INSERT INTO item SELECT i, i %% %d, 1, 0 FROM generate_series(0, %d) AS i;"
			 "INSERT INTO mover SELECT i, %d + i, 1, 0 FROM generate_series(0, %d) AS i;"
			 "INSERT INTO tally SELECT i, 1, 0 FROM generate_series(%d, %d) AS i;"
			 "INSERT INTO pair SELECT i, s, 1, 0, 0 FROM generate_series(%d, %d) AS i, generate_series(0, 1) AS s;"
			 "INSERT INTO grp SELECT g, %d + g %% %d FROM generate_series(0, %d) AS g;",
			 CELLS - 1, GROUPS, ITEMS - 1, FIRST_SLOT, MOVERS - 1, FIRST_TALLY,
			 FIRST_PAIR - 1, FIRST_PAIR, CELLS - 1, FIRST_PAIR, PAIRS, GROUPS - 1);
	if (!pg_run(conn, query) ||
		!pg_run(conn,
				"SELECT cache_attach('item', key => 'item:{c}', del => ARRAY['items:{g}'],"
				" tags => ARRAY['group:{g}'], warm => true)") ||
		!pg_run(conn,
				"SELECT cache_attach('tally', key => 'tally:{c}', warm => true,"
				" behind => '{hits,seen,bits,note}')") ||
		!pg_run(conn,
				"SELECT cache_attach('pair', key => 'pair:{c}', mode => 'del', del => '{total}')") ||
		!pg_run(conn, "SELECT cache_attach('grp')") ||
		!pg_run(conn,
				"CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON mover FOR EACH ROW"
				" EXECUTE FUNCTION rtcache_write_through('slot:{c}', 'warm');"
				"CREATE TRIGGER c_t AFTER TRUNCATE ON mover FOR EACH STATEMENT"
				" EXECUTE FUNCTION rtcache_truncate('slot:{c}');"
				"ANALYZE"))
		die("could not make the tables: %s", PQerrorMessage(conn));
}
