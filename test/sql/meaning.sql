-- A text means what its names resolve to at the moment: DDL that lets it mean
-- something else makes another query of it, and any other DDL leaves its answers
-- where they are.  The same in other sessions is in test/specs/names.spec.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- Redis is to know of all commits
CREATE FUNCTION asked(key text, query text, args text[] = NULL) RETURNS TABLE (answer jsonb, how text)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.cache_wait(NULL, '30 s');
	RETURN QUERY SELECT * FROM public.list(key, query, args);
END $$;

CREATE SCHEMA tenant;
SET search_path = tenant, public;

-- a table in an earlier schema, and its writes
CREATE TABLE public.settings (v text);
INSERT INTO public.settings VALUES ('public');
SELECT cache_attach('public.settings');
SELECT * FROM asked('s', 'SELECT v FROM settings');
SELECT * FROM asked('s', 'SELECT v FROM settings');
CREATE TABLE tenant.settings (v text);
SELECT cache_attach('tenant.settings');
INSERT INTO tenant.settings VALUES ('tenant');
SELECT * FROM asked('s', 'SELECT v FROM settings');
UPDATE tenant.settings SET v = 'changed';
SELECT * FROM asked('s', 'SELECT v FROM settings');
SELECT * FROM asked('p', 'SELECT v FROM public.settings');
-- it goes, and what was asked before is asked again
DROP TABLE tenant.settings;
SELECT * FROM asked('p', 'SELECT v FROM settings');
SELECT * FROM asked('p', 'SELECT v FROM public.settings');
SELECT * FROM asked('p', 'SELECT v FROM public.settings');

-- one that comes from another schema, or from another name
CREATE TABLE public.other (v text);
INSERT INTO public.other VALUES ('moved');
SELECT * FROM asked('p', 'SELECT v FROM settings');
ALTER TABLE public.other SET SCHEMA tenant;
SELECT * FROM asked('p', 'SELECT v FROM settings');
ALTER TABLE tenant.other RENAME TO settings;
SELECT * FROM asked('p', 'SELECT v FROM settings');
-- the schema gets another name, and comes back
ALTER SCHEMA tenant RENAME TO landlord;
SELECT * FROM asked('p', 'SELECT v FROM settings');
ALTER SCHEMA landlord RENAME TO tenant;
SELECT * FROM asked('p', 'SELECT v FROM settings');
DROP TABLE tenant.settings;

-- a schema that was in the search path before it existed
SET search_path = later, tenant, public;
SELECT * FROM asked('p', 'SELECT v FROM settings');
CREATE SCHEMA later
	CREATE VIEW settings AS SELECT 'view'::text AS v;
SELECT * FROM asked('p', 'SELECT v FROM settings');
DROP SCHEMA later CASCADE;
SELECT * FROM asked('p', 'SELECT v FROM settings');

-- a schema that may not be looked into, and then may
CREATE SCHEMA locked
	CREATE VIEW settings AS SELECT 'locked'::text AS v;
CREATE ROLE rtc_tenant;
GRANT USAGE ON SCHEMA public TO rtc_tenant;
GRANT SELECT ON public.settings, locked.settings TO rtc_tenant;
GRANT EXECUTE ON FUNCTION cache_list, cache_wait, asked, list, moved, cache_stats TO rtc_tenant;
GRANT SELECT ON rtcache_stats TO rtc_tenant;
SET search_path = locked, public;
SET ROLE rtc_tenant;
SELECT * FROM asked('locked', 'SELECT v FROM settings');
RESET ROLE;
GRANT USAGE ON SCHEMA locked TO rtc_tenant;
SET ROLE rtc_tenant;
SELECT * FROM asked('locked', 'SELECT v FROM settings');
RESET ROLE;
DROP SCHEMA locked CASCADE;
SET search_path = tenant, public;

-- a temporary table, in a session that has had one before
CREATE TEMP TABLE first (v text);
SELECT * FROM asked('p', 'SELECT v FROM settings');
CREATE TEMP TABLE settings AS SELECT 'temporary'::text AS v;
SELECT * FROM asked('p', 'SELECT v FROM settings');
UPDATE settings SET v = 'written';
SELECT * FROM asked('p', 'SELECT v FROM settings');
DROP TABLE pg_temp.settings;
SELECT * FROM asked('p', 'SELECT v FROM settings');
-- one that is made by the transaction that asks
BEGIN;
CREATE TEMP TABLE settings AS SELECT 'in transaction'::text AS v;
SELECT * FROM asked('p', 'SELECT v FROM settings');
ROLLBACK;
SELECT * FROM asked('p', 'SELECT v FROM settings');

-- names with quotes, in capitals, in a literal
CREATE TABLE public."My Table" (v int);
CREATE TABLE public."A" (v int);
SELECT * FROM asked('q', 'SELECT v FROM "My Table"');
SELECT * FROM asked('r', 'SELECT v FROM "A"');
SELECT * FROM asked('u', 'SELECT v FROM U&"\0041"');
SELECT * FROM asked('t', $$SELECT 'settings'::regclass = 'public.settings'::regclass AS same$$);
CREATE VIEW tenant."My Table" AS SELECT 2 AS v;
CREATE VIEW tenant."A" AS SELECT 3 AS v;
CREATE VIEW tenant.settings AS SELECT 4 AS v;
SELECT * FROM asked('q', 'SELECT v FROM "My Table"');
SELECT * FROM asked('r', 'SELECT v FROM "A"');
SELECT * FROM asked('u', 'SELECT v FROM U&"\0041"');
SELECT * FROM asked('t', $$SELECT 'settings'::regclass = 'public.settings'::regclass AS same$$);
DROP VIEW tenant."My Table", tenant."A", tenant.settings;
DROP TABLE public."My Table", public."A";

-- a column of an outer query, until the inner table gets one of this name
CREATE TABLE inside (w text);
INSERT INTO inside VALUES ('inside');
SELECT cache_attach('inside');
SELECT * FROM asked('c', 'SELECT (SELECT v FROM inside) AS found FROM settings');
ALTER TABLE inside ADD COLUMN v text DEFAULT 'default';
SELECT * FROM asked('c', 'SELECT (SELECT v FROM inside) AS found FROM settings');
ALTER TABLE inside RENAME COLUMN v TO x;
ALTER TABLE inside RENAME COLUMN w TO v;
SELECT * FROM asked('c', 'SELECT (SELECT v FROM inside) AS found FROM settings');
DROP TABLE inside;

-- a view
CREATE VIEW v AS SELECT 1 AS n;
SELECT * FROM asked('v', 'SELECT n FROM v');
CREATE OR REPLACE VIEW v AS SELECT 2 AS n;
SELECT * FROM asked('v', 'SELECT n FROM v');
DROP VIEW v;

-- a function with arguments that fit better, one in an earlier schema, a new body
CREATE FUNCTION public.f(numeric) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'numeric'$$;
SELECT * FROM asked('f', 'SELECT f(1)');
SELECT * FROM asked('f', 'SELECT f(1)');
CREATE FUNCTION public.f(int) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'int'$$;
SELECT * FROM asked('f', 'SELECT f(1)');
CREATE FUNCTION tenant.f(int) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'tenant'$$;
SELECT * FROM asked('f', 'SELECT f(1)');
CREATE OR REPLACE FUNCTION tenant.f(int) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'replaced'$$;
SELECT * FROM asked('f', 'SELECT f(1)');
ALTER FUNCTION tenant.f(int) STABLE;
SELECT * FROM asked('f', 'SELECT f(1)');
DROP FUNCTION tenant.f(int);
SELECT * FROM asked('f', 'SELECT f(1)');
-- one that it calls
CREATE FUNCTION g() RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT 1$$;
CREATE FUNCTION h() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN g(); END$$;
SELECT * FROM asked('h', 'SELECT h()');
CREATE OR REPLACE FUNCTION g() RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT 2$$;
SELECT * FROM asked('h', 'SELECT h()');
DROP FUNCTION g, h, public.f(int), public.f(numeric);

-- names in the bodies of functions
CREATE DOMAIN public.code AS numeric(4, 1);
CREATE FUNCTION in_sql(numeric) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1::code::text';
CREATE FUNCTION in_plpgsql(numeric) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1::code::text; END';
SELECT * FROM asked('y', 'SELECT in_sql(1.26)');
SELECT * FROM asked('z', 'SELECT in_plpgsql(1.26)');
CREATE DOMAIN tenant.code AS numeric(4, 2);
SELECT * FROM asked('y', 'SELECT in_sql(1.26)');
SELECT * FROM asked('z', 'SELECT in_plpgsql(1.26)');
DROP DOMAIN tenant.code;
-- what the session has found in between, without the cache, does not count
SELECT * FROM asked('z', 'SELECT in_plpgsql(1.26)');
CREATE DOMAIN tenant.code AS numeric(4, 2);
DISCARD PLANS;
SELECT in_plpgsql(1.26);
DROP DOMAIN tenant.code;
SELECT * FROM asked('z2', 'SELECT in_plpgsql(1.26)');
SELECT * FROM asked('y', 'SELECT in_sql(1.26)');
CREATE FUNCTION rows_of() RETURNS SETOF text STABLE LANGUAGE sql AS 'SELECT v FROM settings';
SELECT * FROM asked('w', 'SELECT r FROM rows_of() AS r');
CREATE TABLE tenant.settings (v text);
SELECT * FROM asked('w', 'SELECT r FROM rows_of() AS r');
DROP TABLE tenant.settings;
SELECT * FROM asked('w', 'SELECT r, now() IS NULL AS null FROM rows_of() AS r');
CREATE TEMP TABLE settings (v text);
SELECT * FROM asked('w', 'SELECT r, now() IS NULL AS null FROM rows_of() AS r');
DROP TABLE pg_temp.settings;
DROP FUNCTION in_sql, in_plpgsql, rows_of;
DROP DOMAIN public.code;

-- an aggregate
CREATE AGGREGATE tenant.agg(int) (sfunc = int4pl, stype = int, initcond = '0');
SELECT * FROM asked('agg', 'SELECT agg(n) FROM generate_series(1, 3) AS n');
CREATE OR REPLACE AGGREGATE tenant.agg(int) (sfunc = int4mul, stype = int, initcond = '1');
SELECT * FROM asked('agg', 'SELECT agg(n) FROM generate_series(2, 4) AS n');
SELECT * FROM asked('agg', 'SELECT agg(n) FROM generate_series(1, 3) AS n');
DROP AGGREGATE tenant.agg(int);

-- an operator
SET search_path = tenant, pg_catalog, public;
SELECT * FROM public.asked('o', 'SELECT 5 + 3 AS n');
CREATE OPERATOR tenant.+ (leftarg = int, rightarg = int, function = int4mi);
SELECT * FROM public.asked('o', 'SELECT 5 + 3 AS n');
DROP OPERATOR tenant.+ (int, int);
SELECT * FROM public.asked('o', 'SELECT 5 + 3 AS n');
SET search_path = tenant, public;

-- enum values
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE person (name text PRIMARY KEY, m mood);
INSERT INTO person VALUES ('Ada', 'sad'), ('Bob', 'ok');
SELECT cache_attach('person', key => 'person:{name}');
UPDATE person SET name = name;
SELECT cache_wait(NULL, '30 s');
SELECT * FROM asked('m', $$SELECT name FROM person WHERE m = 'sad'$$);
SELECT * FROM asked('n', 'SELECT * FROM person ORDER BY name');
SELECT cache_wait(NULL, '30 s');
SELECT * FROM get('person:Ada', 'SELECT * FROM person WHERE name = $1', '{Ada}');
SELECT * FROM held('person:Ada');
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
ALTER TYPE mood RENAME VALUE 'ok' TO 'sad';
SELECT * FROM asked('m', $$SELECT name FROM person WHERE m = 'sad'$$);
SELECT * FROM asked('n', 'SELECT * FROM person ORDER BY name');
SELECT cache_wait(NULL, '30 s');
SELECT * FROM get('person:Ada', 'SELECT * FROM person WHERE name = $1', '{Ada}');
ALTER TYPE mood ADD VALUE 'angry' BEFORE 'blue';
SELECT * FROM asked('n', 'SELECT * FROM person ORDER BY m DESC');
-- how a value becomes JSON
CREATE FUNCTION to_number(mood) RETURNS json IMMUTABLE LANGUAGE sql
	AS $$SELECT CASE $1 WHEN 'blue' THEN '1' ELSE '2' END::json$$;
SELECT * FROM asked('n', 'SELECT * FROM person ORDER BY name');
CREATE CAST (mood AS json) WITH FUNCTION to_number(mood);
SELECT * FROM asked('n', 'SELECT * FROM person ORDER BY name');
DROP TABLE person;
DROP TYPE mood CASCADE;

-- a type that is made anew, and one in an earlier schema
CREATE TYPE public.mood AS ENUM ('ok');
SELECT * FROM asked('t', $$SELECT 'ok'::mood AS m$$);
DROP TYPE public.mood;
CREATE TYPE public.mood AS ENUM ('fine', 'ok');
SELECT * FROM asked('t', $$SELECT 'ok'::mood AS m$$);
SELECT * FROM asked('t', $$SELECT 'ok'::mood AS m$$);
CREATE DOMAIN tenant.mood AS text;
SELECT * FROM asked('t', $$SELECT pg_typeof('ok'::mood)::text AS m$$);
SELECT * FROM asked('t', $$SELECT 'ok'::mood || '!' AS m$$);
DROP DOMAIN tenant.mood;
SELECT error($$SELECT asked('t', 'SELECT ''ok''::mood || ''!'' AS m')$$);
ALTER TYPE public.mood RENAME TO temper;
SELECT error($$SELECT asked('t', 'SELECT ''ok''::mood AS m')$$);
DROP TYPE public.temper;

-- a domain's check
CREATE DOMAIN code AS int CHECK (value > 0);
SELECT * FROM asked('d', 'SELECT 1::code AS n');
ALTER DOMAIN code ADD CHECK (value > 1);
SELECT error($$SELECT asked('d', 'SELECT 1::code AS n')$$);
DROP DOMAIN code;

-- casts
CREATE TYPE comp AS (a int, b int);
CREATE TABLE t (id int, c comp);
INSERT INTO t VALUES (1, '(1,2)');
SELECT cache_attach('t');
SELECT * FROM asked('k', 'SELECT c::text FROM t');
CREATE FUNCTION comp_text(comp) RETURNS text IMMUTABLE LANGUAGE sql
	AS $$SELECT ($1).a || '+' || ($1).b$$;
CREATE CAST (comp AS text) WITH FUNCTION comp_text(comp);
SELECT * FROM asked('k', 'SELECT c::text FROM t');
DROP CAST (comp AS text);
SELECT * FROM asked('k', 'SELECT c::text FROM t');
-- attributes
SELECT * FROM asked('k', 'SELECT c FROM t');
ALTER TYPE comp RENAME ATTRIBUTE a TO aa;
SELECT * FROM asked('k', 'SELECT c FROM t');
ALTER TYPE comp ADD ATTRIBUTE d int;
SELECT * FROM asked('k', 'SELECT c FROM t');
DROP TABLE t;
DROP TYPE comp CASCADE;

-- collations
CREATE COLLATION public.mine (provider = libc, locale = 'C');
SELECT * FROM asked('l', $$SELECT 'a' < 'B' COLLATE mine AS less$$);
CREATE COLLATION tenant.mine (provider = libc, locale = 'POSIX');
SELECT * FROM asked('l', $$SELECT 'a' < 'B' COLLATE mine AS less$$);
DROP COLLATION tenant.mine, public.mine;

-- text search
CREATE TEXT SEARCH CONFIGURATION public.words (COPY = simple);
SELECT * FROM asked('x', $$SELECT to_tsvector('words', 'the stars')::text AS w$$);
CREATE TEXT SEARCH CONFIGURATION tenant.words (COPY = english);
SELECT * FROM asked('x', $$SELECT to_tsvector('words', 'the stars')::text AS w$$);
ALTER TEXT SEARCH CONFIGURATION tenant.words ALTER MAPPING FOR asciiword WITH simple;
SELECT * FROM asked('x', $$SELECT to_tsvector('words', 'the stars')::text AS w$$);
CREATE TEXT SEARCH DICTIONARY stop (template = simple, stopwords = english);
ALTER TEXT SEARCH CONFIGURATION tenant.words ALTER MAPPING FOR asciiword WITH stop;
SELECT * FROM asked('x', $$SELECT to_tsvector('words', 'the stars')::text AS w$$);
ALTER TEXT SEARCH DICTIONARY stop (stopwords);
SELECT * FROM asked('x', $$SELECT to_tsvector('words', 'the stars')::text AS w$$);
DROP TEXT SEARCH CONFIGURATION public.words, tenant.words;
DROP TEXT SEARCH DICTIONARY stop;

-- an extension
CREATE DOMAIN public.citext AS text;
SELECT * FROM asked('e', $$SELECT 'A'::citext = 'a'::citext AS same$$);
SET client_min_messages = error;
CREATE EXTENSION citext SCHEMA tenant;
RESET client_min_messages;
SELECT * FROM asked('e', $$SELECT 'A'::citext = 'a'::citext AS same$$);
DROP EXTENSION citext;
SELECT * FROM asked('e', $$SELECT 'A'::citext = 'a'::citext AS same$$);
DROP DOMAIN public.citext;

-- names that are not in the text as they are: in literals
CREATE TABLE public.part (id int);
CREATE TABLE public.piece () INHERITS (public.part);
INSERT INTO public.piece VALUES (1);
SELECT cache_attach('public.part'), cache_attach('public.piece');
CREATE FUNCTION pieces() RETURNS TABLE (answer jsonb, how text) LANGUAGE sql BEGIN ATOMIC
	SELECT a.* FROM (VALUES
		('l1', $$SELECT id FROM part WHERE tableoid = E'pi\x65ce'::regclass$$),
		('l2', E'SELECT id FROM part WHERE tableoid = \'pi\'\n\'ece\'::regclass'),
		('l3', 'SELECT id FROM part WHERE tableoid = $$piece$$::regclass')) AS q (key, query),
		public.asked(key, query) AS a;
END;
SELECT * FROM pieces();
SELECT * FROM pieces();
CREATE TABLE tenant.piece (id int);
SELECT * FROM pieces();
DROP TABLE tenant.piece;
-- in the bodies of functions
CREATE DOMAIN public.short AS numeric(4,1);
CREATE FUNCTION shorten(n numeric) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT n::short::text';
CREATE FUNCTION pieces_of() RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT id FROM piece';
SELECT * FROM asked('b1', 'SELECT shorten(1.26)');
SELECT * FROM asked('b2', 'SELECT * FROM pieces_of() AS p');
CREATE DOMAIN tenant.short AS numeric(4,2);
CREATE TABLE tenant.piece (id int);
SELECT * FROM asked('b1', 'SELECT shorten(1.26)');
SELECT * FROM asked('b2', 'SELECT * FROM pieces_of() AS p');
-- other tables cost nothing; a composite type and a temporary one count
DROP DOMAIN tenant.short;
DROP TABLE tenant.piece;
SELECT * FROM asked('b1', 'SELECT shorten(1.26)');
CREATE TEMP TABLE unrelated (id int);
CREATE TABLE tenant.unrelated (id int);
SELECT * FROM asked('b1', 'SELECT shorten(1.26)');
CREATE TYPE public.duo AS (a text, b text);
CREATE FUNCTION second(t text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT ((t::duo).b)::text';
SELECT * FROM asked('b3', 'SELECT second(''(1,02)'')');
CREATE TYPE tenant.duo AS (a text, b int);
SELECT * FROM asked('b3', 'SELECT second(''(1,02)'')');
DROP TYPE tenant.duo;
CREATE DOMAIN pg_temp.short AS numeric(4,0);
SELECT * FROM asked('b1', 'SELECT shorten(1.26)');
DROP DOMAIN pg_temp.short;
DROP TABLE pg_temp.unrelated, tenant.unrelated;
DROP FUNCTION pieces, pieces_of, shorten, second;
DROP DOMAIN public.short;
DROP TYPE public.duo;
DROP TABLE public.part CASCADE;

-- configurations of text search that are in columns
CREATE TEXT SEARCH CONFIGURATION public.plain (COPY = simple);
CREATE TABLE public.doc (config regconfig, d text, q tsquery);
INSERT INTO public.doc VALUES ('plain', 'running dogs', 'run');
SELECT cache_attach('public.doc');
SELECT * FROM asked('h', 'SELECT ts_headline(config, d, q) AS h FROM doc');
ALTER TEXT SEARCH CONFIGURATION public.plain ALTER MAPPING FOR asciiword WITH english_stem;
SELECT * FROM asked('h', 'SELECT ts_headline(config, d, q) AS h FROM doc');
DROP TABLE public.doc;
DROP TEXT SEARCH CONFIGURATION public.plain;

-- a search path that begins with temporary objects makes no schema for them
\c
SET search_path = pg_temp, public;
SELECT cache_get('p', 'SELECT v FROM settings');
SELECT pg_my_temp_schema();
SET search_path = tenant, public;

-- DDL that changes nothing for a text costs no answer
CREATE FUNCTION own(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1 + 1$$;
CREATE TYPE mood AS ENUM ('sad', 'ok');
SELECT * FROM asked('a', 'SELECT v FROM settings');
SELECT * FROM asked('b', $$SELECT 'ok'::mood AS m$$);
SELECT * FROM asked('c', $$SELECT v, to_tsvector('english', v) AS w FROM settings$$);
CREATE TABLE unrelated (id int PRIMARY KEY);
CREATE TEMP TABLE mine (id int PRIMARY KEY);
CREATE FUNCTION unrelated(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1$$;
CREATE TYPE tenant.humour AS ENUM ('dry');
ALTER FUNCTION unrelated(int) STABLE;
CREATE SCHEMA unrelated;
SELECT * FROM asked('a', 'SELECT v FROM settings');
SELECT * FROM asked('b', $$SELECT 'ok'::mood AS m$$);
SELECT * FROM asked('c', $$SELECT v, to_tsvector('english', v) AS w FROM settings$$);
DROP FUNCTION unrelated(int);
DROP TABLE unrelated, mine;
DROP SCHEMA unrelated;
DROP TYPE tenant.humour;
SELECT * FROM asked('a', 'SELECT v FROM settings');
SELECT * FROM asked('b', $$SELECT 'ok'::mood AS m$$);
-- what ends an answer ends it for readers of Redis, too
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT * FROM held('a', 'b', 'c');
ALTER TEXT SEARCH DICTIONARY english_stem (stopwords = english);
SELECT * FROM held('a', 'b', 'c');
-- without event triggers nothing ends an answer, but it is not given any more
ALTER EVENT TRIGGER rtcache_check_rules DISABLE;
CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN own(own($1)); END$$;
SELECT * FROM asked('d', 'SELECT twice(1)');
CREATE OR REPLACE FUNCTION own(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1 + 2$$;
SELECT * FROM asked('d', 'SELECT twice(1)');
CREATE OR REPLACE FUNCTION own(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1 + 1$$;
SELECT * FROM asked('b', $$SELECT 'blue'::mood AS m$$);
ALTER TYPE mood RENAME VALUE 'blue' TO 'green';
ALTER TYPE mood RENAME VALUE 'ok' TO 'blue';
ALTER TYPE mood RENAME VALUE 'green' TO 'ok';
SELECT * FROM asked('b', $$SELECT 'blue'::mood AS m$$);
ALTER EVENT TRIGGER rtcache_check_rules ENABLE ALWAYS;
DROP FUNCTION twice;
-- and what is undone is as it was
SELECT * FROM asked('a', 'SELECT v, own(1) FROM settings');
BEGIN;
CREATE OR REPLACE FUNCTION own(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1 + 2$$;
SELECT * FROM asked('a', 'SELECT v, own(1) FROM settings');
ROLLBACK;
SELECT * FROM asked('a', 'SELECT v, own(1) FROM settings');

DROP TABLE public.settings;
DROP FUNCTION own, asked;
DROP TYPE mood;
RESET search_path;
DROP SCHEMA tenant CASCADE;
DROP OWNED BY rtc_tenant;
DROP ROLE rtc_tenant;
