-- {.schema} in the template of a table that is part of an extension: no key of a
-- name is left that the table has lost by a move of the extension.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

SELECT count(*) = 0 AS no_citext FROM pg_available_extensions WHERE name = 'citext' \gset
\if :no_citext
\quit
\endif

CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE EXTENSION citext SCHEMA one;
CREATE TABLE one.hero (id int PRIMARY KEY, name text);
ALTER EXTENSION citext ADD TABLE one.hero;
SELECT cache_attach('one.hero', '{.schema}:hero:{id}');
INSERT INTO one.hero VALUES (1, 'Ada');
SELECT * FROM held('one:hero:1');
ALTER EXTENSION citext SET SCHEMA two;
SELECT * FROM held('one:hero:1');
UPDATE two.hero SET name = 'Bea';
SELECT * FROM held('one:hero:1', 'two:hero:1');
ALTER EXTENSION citext SET SCHEMA one;
SELECT * FROM held('one:hero:1', 'two:hero:1');
SELECT * FROM get('one:hero:1', 'SELECT * FROM one.hero WHERE id = 1');
-- nothing moves
UPDATE one.hero SET name = 'Cid';
ALTER EXTENSION citext UPDATE;
SELECT * FROM held('one:hero:1');
DROP SCHEMA one, two CASCADE;
