-- Dependencies on values of an extension's type that are equal whatever their
-- case is.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set deps :abs_srcdir /lib/deps.psql
\set ECHO none
\i :helpers
\i :deps
\set ECHO all

SELECT count(*) = 0 AS no_citext FROM pg_available_extensions WHERE name = 'citext' \gset
\if :no_citext
\quit
\endif

CREATE EXTENSION citext;
CREATE TABLE t (id int PRIMARY KEY, name citext);
CREATE INDEX ON t (name);
SELECT cache_attach('t');
INSERT INTO t VALUES (1, 'Ada'), (2, 'Bob');
SELECT deps('SELECT id FROM t WHERE name = ''ADA''');
SELECT deps('SELECT id FROM t WHERE name = $1', '{ada}');
SELECT deps('SELECT id FROM t WHERE name = ANY ($1)', ARRAY['{ada,BOB}']);
SELECT deps('SELECT id FROM t WHERE name = ''Ada''::text');
SELECT deps('SELECT id FROM t WHERE name::text = ''Ada''');
SELECT answer('SELECT id FROM t WHERE name = ''ADA'''), answer('SELECT id FROM t WHERE name = $1', '{bob}'), answer('SELECT id FROM t WHERE name = ''Ada''::text');
SELECT answer('SELECT id FROM t WHERE name = ''ADA'''), answer('SELECT id FROM t WHERE name = $1', '{bob}'), answer('SELECT id FROM t WHERE name = ''Ada''::text');
INSERT INTO t VALUES (3, 'aDA');
SELECT answer('SELECT id FROM t WHERE name = ''ADA'' ORDER BY id'), answer('SELECT id FROM t WHERE name = $1', '{bob}'), answer('SELECT id FROM t WHERE name = ''Ada''::text');
SELECT answer('SELECT id FROM t WHERE name = ''ADA''');
UPDATE t SET name = 'BOB' WHERE id = 3;
SELECT answer('SELECT id FROM t WHERE name = ''ADA'''), answer('SELECT id FROM t WHERE name = $1 ORDER BY id', '{bob}');

DROP TABLE t;
DROP EXTENSION citext;
