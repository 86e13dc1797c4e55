-- Writes and DDL that once left a wrong answer behind, and cases that random
-- schemas do not have.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set deps :abs_srcdir /lib/deps.psql
\set ECHO none
\i :helpers
\i :deps
\set ECHO all

CREATE TABLE t (id int PRIMARY KEY, n int);
SELECT cache_attach('t');
INSERT INTO t VALUES (1, 10), (2, 20);

-- the row type of a table as the type of a column elsewhere: in an array, a
-- domain, a composite type; of a child
CREATE TABLE shape (a int, b int);
CREATE TABLE square () INHERITS (shape);
CREATE DOMAIN round AS shape;
CREATE TYPE pair AS (one shape, other shape);
CREATE TABLE holder (id int PRIMARY KEY, plain shape, list shape[], dom round, deep pair, small square);
SELECT cache_attach('holder');
INSERT INTO holder VALUES (1, '(1,2)', '{"(3,4)"}', '(5,6)', '("(7,8)",)', '(9,10)');
SELECT answer('SELECT * FROM holder WHERE id = 1');
SELECT answer('SELECT * FROM holder WHERE id = 1');
ALTER TABLE shape RENAME COLUMN b TO c;
SELECT answer('SELECT * FROM holder WHERE id = 1');
ALTER TABLE shape ADD COLUMN d int;
SELECT answer('SELECT * FROM holder WHERE id = 1');
ALTER TABLE shape DROP COLUMN a;
SELECT answer('SELECT * FROM holder WHERE id = 1');
ALTER TYPE pair RENAME ATTRIBUTE one TO first;
SELECT answer('SELECT * FROM holder WHERE id = 1');
-- a view's
CREATE VIEW seen AS SELECT id, n FROM t;
CREATE TABLE keeper (id int PRIMARY KEY, v seen);
SELECT cache_attach('keeper');
INSERT INTO keeper VALUES (1, '(1,2)');
SELECT ask('SELECT * FROM keeper');
ALTER VIEW seen RENAME COLUMN n TO m;
SELECT answer('SELECT * FROM keeper');
CREATE OR REPLACE VIEW seen AS SELECT id, n AS m, 5 AS five FROM t;
SELECT answer('SELECT * FROM keeper');
DROP TABLE holder, keeper;
DROP TYPE pair;
DROP DOMAIN round;
DROP TABLE square, shape;

-- functions, also those that are called by functions, and aggregates
CREATE FUNCTION inner_one(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + 1';
CREATE FUNCTION outer_one(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN inner_one(n); END';
CREATE FUNCTION add(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE total(int) (sfunc = add, stype = int, initcond = '0');
SELECT ask('SELECT outer_one(n) FROM t WHERE id = 1', 'SELECT outer_one(1) FROM t WHERE id = 1', 'SELECT total(n) FROM t');
CREATE OR REPLACE FUNCTION inner_one(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + 2';
SELECT answer('SELECT outer_one(n) FROM t WHERE id = 1');
SELECT answer('SELECT outer_one(1) FROM t WHERE id = 1');
DROP FUNCTION inner_one;
CREATE FUNCTION inner_one(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + 3';
SELECT answer('SELECT outer_one(n) FROM t WHERE id = 1');
SELECT ask('SELECT total(n) FROM t');
CREATE OR REPLACE AGGREGATE total(int) (sfunc = add, stype = int, initcond = '100');
SELECT answer('SELECT total(n) FROM t');
CREATE OR REPLACE FUNCTION add(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
SELECT answer('SELECT total(n) FROM t');
-- a new one is called by nobody, and a trigger by no query
SELECT ask('SELECT n FROM t WHERE id = 1');
CREATE FUNCTION another(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n';
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE OR REPLACE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
DROP FUNCTION fires;
SELECT answer('SELECT n FROM t WHERE id = 1');
-- those in a temporary schema come and go
CREATE FUNCTION pg_temp.mine(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + 1';
SELECT deps('SELECT pg_temp.mine(n) FROM t');
CREATE OR REPLACE FUNCTION pg_temp.mine(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + 2';
SELECT answer('SELECT n FROM t WHERE id = 1');
DROP AGGREGATE total(int);
DROP FUNCTION another, add, outer_one, inner_one, pg_temp.mine;

-- text search
CREATE TEXT SEARCH DICTIONARY words (template = simple);
CREATE TEXT SEARCH CONFIGURATION plain (copy = simple);
ALTER TEXT SEARCH CONFIGURATION plain ALTER MAPPING FOR asciiword WITH words;
SELECT ask('SELECT to_tsvector(''plain''::regconfig, ''the cats '' || n::text)::text AS v FROM t WHERE id = 1');
ALTER TEXT SEARCH CONFIGURATION plain ALTER MAPPING FOR asciiword WITH english_stem;
SELECT answer('SELECT to_tsvector(''plain''::regconfig, ''the cats '' || n::text)::text AS v FROM t WHERE id = 1');
ALTER TEXT SEARCH CONFIGURATION plain ALTER MAPPING FOR asciiword WITH words;
SELECT ask('SELECT to_tsvector(''plain''::regconfig, ''the cats '' || n::text)::text AS v FROM t WHERE id = 1');
ALTER TEXT SEARCH DICTIONARY words (accept = false);
SELECT answer('SELECT to_tsvector(''plain''::regconfig, ''the cats '' || n::text)::text AS v FROM t WHERE id = 1');
-- also when nothing but constants goes into it
SELECT ask('SELECT to_tsvector(''plain''::regconfig, ''the cats'')::text AS v FROM t WHERE id = 1');
ALTER TEXT SEARCH CONFIGURATION plain ALTER MAPPING FOR asciiword WITH english_stem;
SELECT answer('SELECT to_tsvector(''plain''::regconfig, ''the cats'')::text AS v FROM t WHERE id = 1');
DROP TEXT SEARCH CONFIGURATION plain;
DROP TEXT SEARCH DICTIONARY words;

-- how values of a type become JSON
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE person (id int PRIMARY KEY, m mood);
SELECT cache_attach('person');
INSERT INTO person VALUES (1, 'happy');
CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE sql IMMUTABLE AS 'SELECT ''{"mood": true}''::json';
SELECT ask('SELECT * FROM person WHERE id = 1');
CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
SELECT answer('SELECT * FROM person WHERE id = 1');
DROP CAST (mood AS json);
SELECT answer('SELECT * FROM person WHERE id = 1');
ALTER TYPE mood RENAME VALUE 'happy' TO 'glad';
SELECT answer('SELECT * FROM person WHERE id = 1');
SELECT ask('SELECT enum_range(NULL::mood)::text AS r FROM person WHERE id = 1');
ALTER TYPE mood ADD VALUE 'so so' BEFORE 'glad';
SELECT answer('SELECT enum_range(NULL::mood)::text AS r FROM person WHERE id = 1');
DROP TABLE person;
DROP FUNCTION mood_json;
DROP TYPE mood;

-- DDL that nobody sees
CREATE TABLE quiet (id int PRIMARY KEY, n int);
SELECT cache_attach('quiet');
INSERT INTO quiet VALUES (1, 2);
SELECT ask('SELECT * FROM quiet WHERE id = 1', 'SELECT 1 + n AS n FROM quiet');
BEGIN;
ALTER EVENT TRIGGER rtcache_check_rules DISABLE;
ALTER TABLE quiet ALTER n TYPE int USING 0;
ALTER EVENT TRIGGER rtcache_check_rules ENABLE ALWAYS;
COMMIT;
SELECT answer('SELECT * FROM quiet WHERE id = 1'), answer('SELECT 1 + n AS n FROM quiet');
-- what is part of a command is seen
SELECT error($$CREATE SCHEMA nested CREATE TABLE t (id int) CREATE TRIGGER c AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('{no}')$$);
DROP TABLE quiet;

-- a domain that some values do not fit any more
CREATE DOMAIN small AS int;
SELECT ask('SELECT n::small AS n FROM t WHERE id = 1');
ALTER DOMAIN small ADD CHECK (VALUE < 5);
SELECT error($$SELECT answer('SELECT n::small AS n FROM t WHERE id = 1')$$);
DROP DOMAIN small;

-- a name that means another table
CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE TABLE one.k (id int PRIMARY KEY);
CREATE TABLE two.k (id int PRIMARY KEY);
SELECT cache_attach('one.k'), cache_attach('two.k');
INSERT INTO two.k VALUES (2);
SELECT ask('SELECT * FROM one.k');
ALTER SCHEMA one RENAME TO three;
ALTER SCHEMA two RENAME TO one;
SELECT answer('SELECT * FROM one.k');
SET search_path = three, public;
SELECT ask('SELECT * FROM k');
SET search_path = one, public;
SELECT answer('SELECT * FROM k');
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA one, three CASCADE;

-- writes of rules
CREATE TABLE log (id int PRIMARY KEY);
SELECT cache_attach('log');
CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO log VALUES (NEW.id);
SELECT ask('SELECT * FROM log');
INSERT INTO t VALUES (3, 30);
SELECT answer('SELECT * FROM log');
DROP RULE r ON t;
DROP TABLE log;

-- rows of children that have more columns, and others before those they share
CREATE TABLE base (id int PRIMARY KEY, c text COLLATE "C");
CREATE INDEX ON base (c);
CREATE TABLE other (x int, c text COLLATE "C", gone int, id int NOT NULL);
ALTER TABLE other DROP COLUMN gone;
ALTER TABLE other INHERIT base;
SELECT cache_attach('base'), cache_attach('other');
INSERT INTO other VALUES (1, 'a', 1), (2, 'b', 2);
SELECT ask('SELECT * FROM base WHERE c = ''a''', 'SELECT * FROM base WHERE id = 2', 'SELECT * FROM ONLY base WHERE c = ''a''');
UPDATE other SET x = 5 WHERE id = 1;
SELECT answer('SELECT * FROM base WHERE c = ''a''');
UPDATE other SET c = 'a' WHERE id = 2;
SELECT answer('SELECT * FROM base WHERE c = ''a''');
SELECT answer('SELECT * FROM base WHERE id = 2');
-- nothing in it has changed, and the rows of others are none of its business;
-- but children are named after their parents whoever reads these
SELECT answer('SELECT base FROM base WHERE id = 2');
ALTER TABLE other NO INHERIT base;
SELECT answer('SELECT * FROM base WHERE c = ''a''');
DROP TABLE base, other;

-- an argument whose type calls a function that looks up the same query with others
CREATE FUNCTION checked(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
CREATE DOMAIN nested AS int CHECK (checked(value));
CREATE TABLE one (id int PRIMARY KEY, v text);
CREATE TABLE two (id int PRIMARY KEY, arr nested[] UNIQUE);
SELECT cache_attach('one'), cache_attach('two');
INSERT INTO one VALUES (1, 'old'), (2, 'two');
INSERT INTO two VALUES (1, '{7}'), (2, '{8}');
CREATE OR REPLACE FUNCTION checked(i int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF i = 7 THEN
		PERFORM cache_get('nested', 'SELECT one.v FROM one, two WHERE one.id = $1 AND arr = $2', '{2,"{8}"}');
	END IF;
	RETURN true;
END$$;
SELECT cache_get('outer', 'SELECT one.v FROM one, two WHERE one.id = $1 AND arr = $2', '{1,"{7}"}');
UPDATE one SET v = 'new' WHERE id = 1;
SELECT cache_get('outer', 'SELECT one.v FROM one, two WHERE one.id = $1 AND arr = $2', '{1,"{7}"}');
DROP TABLE one, two;
DROP DOMAIN nested;
DROP FUNCTION checked;

DROP VIEW seen;
DROP TABLE t;
