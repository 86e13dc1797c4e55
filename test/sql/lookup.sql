-- cache_get and cache_list: what they return, when they answer from Redis, fill,
-- or go around the cache, and which queries they refuse.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE TABLE hero (id int PRIMARY KEY, name text, born date, doc jsonb);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('hero:{id}', 'heroes');
INSERT INTO hero VALUES (1, 'Ada', '1815-12-10', '{"b": 1, "a": null}'), (2, 'Grace', '1906-12-09', NULL);
SELECT cache_wait();

-- a miss fills, then it is there
SELECT * FROM get('hero:1', 'SELECT id, name, born FROM hero WHERE id = 1');
SELECT * FROM get('hero:1', 'SELECT id, name, born FROM hero WHERE id = 1');
SELECT * FROM list('heroes', 'SELECT id, name FROM hero ORDER BY id');
SELECT * FROM list('heroes', 'SELECT id, name FROM hero ORDER BY id');
-- a write makes it a miss again, at once and for good
UPDATE hero SET name = 'Ada Lovelace' WHERE id = 1;
SELECT cache_get('hero:1', 'SELECT id, name, born FROM hero WHERE id = 1');
SELECT cache_wait();
SELECT cache_get('hero:1', 'SELECT id, name, born FROM hero WHERE id = 1');
SELECT * FROM get('hero:1', 'SELECT id, name, born FROM hero WHERE id = 1');
SELECT cache_list('heroes', 'SELECT id, name FROM hero ORDER BY id');

-- no row is NULL, and cached
SELECT * FROM get('hero:3', 'SELECT * FROM hero WHERE id = 3');
SELECT * FROM get('hero:3', 'SELECT * FROM hero WHERE id = 3');
SELECT cache_exists('hero:3'), cache_peek('hero:3');
INSERT INTO hero VALUES (3, 'Jean');
SELECT cache_get('hero:3', 'SELECT * FROM hero WHERE id = 3');
SELECT cache_wait();
SELECT * FROM list('l:none', 'SELECT * FROM hero WHERE id > 100');
SELECT * FROM list('l:none', 'SELECT * FROM hero WHERE id > 100');

-- shapes: a row is an object, a single json or jsonb column is taken as it is
SELECT * FROM get('s:one', 'SELECT 1 AS n');
SELECT * FROM get('s:null', 'SELECT NULL::int AS n');
SELECT * FROM get('s:unnamed', 'SELECT 1');
-- a name for two columns: an object would have one of them
SELECT error($$SELECT cache_get('s:twice', 'SELECT 1 AS n, 2 AS n')$$);
SELECT error($$SELECT cache_get('s:twice', 'SELECT 1 AS n, 2 AS n')$$);
SELECT error($$SELECT cache_list('s:twice', 'SELECT * FROM hero AS a, hero AS b')$$);
SELECT error($$SELECT cache_get('s:twice', 'SELECT 1, 2')$$);
SELECT error($$SELECT cache_get('s:twice', 'SELECT now() AS n, 2 AS n')$$);
SELECT * FROM get('s:twice', 'SELECT 1 AS n, 2 AS "N"');
SELECT * FROM get('s:twice', 'SELECT r FROM (SELECT 1 AS n, 2 AS n) AS r');
SELECT * FROM get('s:twice', 'SELECT n FROM (VALUES (1)) AS v (n) ORDER BY n + 1');
SELECT * FROM get('s:none', 'SELECT FROM hero WHERE id = 1');
SELECT * FROM get('s:jsonb', 'SELECT doc FROM hero WHERE id = 1');
SELECT * FROM get('s:jsonb', 'SELECT doc FROM hero WHERE id = 1');
SELECT * FROM get('s:json', $$SELECT '{"z": [1,  2], "a": 1.10}'::json AS x$$);
SELECT * FROM get('s:scalar', $$SELECT '"text"'::jsonb$$);
SELECT * FROM get('s:scalar', $$SELECT '"text"'::jsonb$$);
SELECT * FROM get('s:array', $$SELECT '[1, "x"]'::jsonb$$);
SELECT * FROM get('s:false', $$SELECT 'false'::jsonb$$);
-- a JSON null, or a NULL of that type, counts as no row
SELECT * FROM get('s:jsonnull', $$SELECT 'null'::jsonb$$);
SELECT * FROM get('s:jsonnull', $$SELECT 'null'::jsonb$$);
SELECT * FROM get('s:sqlnull', 'SELECT doc FROM hero WHERE id = 2');
SELECT * FROM get('s:two', 'SELECT doc, id FROM hero WHERE id = 1');
SELECT * FROM list('s:docs', 'SELECT doc FROM hero ORDER BY id');
SELECT * FROM list('s:docs', 'SELECT doc FROM hero ORDER BY id');
SELECT * FROM list('s:arrays', $$VALUES ('[1, [2]]'::jsonb), ('[]'), ('null'), ('7')$$);
SELECT * FROM list('s:arrays', $$VALUES ('[1, [2]]'::jsonb), ('[]'), ('null'), ('7')$$);
SELECT * FROM get('s:table', 'TABLE hero ORDER BY id LIMIT 1');
SELECT * FROM get('s:values', 'VALUES (1, ''x'')');
SELECT * FROM get('s:with', 'WITH x AS (SELECT max(id) AS top FROM hero) SELECT * FROM x');
SELECT * FROM get('s:union', 'SELECT 1 AS n UNION SELECT 1');
SELECT * FROM list('s:recursive', 'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) TABLE r');
SELECT * FROM get('s:semicolon', 'SELECT 1 AS n;  -- and a comment');
SELECT * FROM get('s:parens', '(SELECT 1 AS n)');

-- arguments: text, of the type that the query asks for
SELECT * FROM get('a:1', 'SELECT name FROM hero WHERE id = $1', '{1}');
SELECT * FROM get('a:1', 'SELECT name FROM hero WHERE id = $1', '{1}');
SELECT * FROM get('a:2', 'SELECT $1::int + $2::int AS sum, $3::text AS t', '{1,2,x}');
SELECT * FROM get('a:3', 'SELECT $1::int + $2::int AS sum, $3::text AS t', '{1,2,NULL}');
SELECT * FROM get('a:4', 'SELECT $1::int[] AS a, $2::date AS d', ARRAY['{3,4}', '2026-01-02']);
SELECT * FROM get('a:5', 'SELECT $1 AS unknown', ARRAY['it''s; DROP TABLE hero']);
SELECT * FROM list('a:6', 'SELECT id FROM hero WHERE id = ANY ($1) ORDER BY id', ARRAY['{1,3}']);
SELECT * FROM get('a:7', 'SELECT 1 AS n', '{}');
SELECT error($$SELECT cache_get('a:e', 'SELECT $1::int AS n')$$);
SELECT error($$SELECT cache_get('a:e', 'SELECT $1::int AS n', '{}')$$);
SELECT error($$SELECT cache_get('a:e', 'SELECT $1::int AS n', '{1,2}')$$);
SELECT error($$SELECT cache_get('a:e', 'SELECT 1 AS n', '{1}')$$);
SELECT error($$SELECT cache_get('a:e', 'SELECT $2::int AS n', '{1}')$$);
SELECT error($$SELECT cache_get('a:e', 'SELECT $2::int AS n', '{1,2}')$$);
SELECT error($$SELECT cache_get('a:e', 'SELECT $1::int AS n', '{{1},{2}}')$$);
SELECT error($$SELECT cache_get('a:e', 'SELECT $1::int AS n', '{x}')$$);
-- also when the answer is there
SELECT error($$SELECT cache_get('a:1', 'SELECT name FROM hero WHERE id = $1', '{1,2}')$$);

-- time to live
SELECT cache_get('t:default', 'SELECT 1 AS n'), cache_get('t:hour', 'SELECT 1 AS n', ttl => '90 min'),
	   cache_get('t:never', 'SELECT 1 AS n', ttl => '0'), cache_list('t:list', 'SELECT 1 AS n', NULL, '2 days');
SELECT k, cache_exists('t:' || k) AS there, date_trunc('minute', cache_ttl('t:' || k) + '30 s') AS ttl
  FROM unnest('{default, hour, never, list}'::text[]) AS k;
SELECT error($$SELECT cache_get('t:e', 'SELECT 1 AS n', ttl => '-1 s')$$);
SELECT error($$SELECT cache_list('t:e', 'SELECT 1 AS n', ttl => '-1 s')$$);
SELECT error($$SELECT cache_get('t:e', 'SELECT 1 AS n', ttl => '2000 years')$$);

-- more than one row
SELECT error($$SELECT cache_get('e:rows', 'SELECT id FROM hero')$$);
SELECT error($$SELECT cache_get('e:rows', 'SELECT generate_series(1, 1000000000) AS n')$$);
SELECT cache_exists('e:rows');
-- an error of the query gives the lease back: the next lookup can fill
SELECT * FROM get('e:rows', 'SELECT id FROM hero WHERE id = 1');

-- queries that are none, or more than one, or not a SELECT
SELECT error($$SELECT cache_get('e', NULL)$$);
SELECT error($$SELECT cache_list('e', NULL)$$);
SELECT error($$SELECT cache_get('e', '')$$);
SELECT error($$SELECT cache_get('e', '  -- nothing')$$);
SELECT error($$SELECT cache_get('e', 'SELECT 1; SELECT 2')$$);
SELECT error($$SELECT cache_get('e', 'SELECT 1; DROP TABLE hero')$$);
SELECT error($$SELECT cache_get('e', 'DELETE FROM hero RETURNING *')$$);
SELECT error($$SELECT cache_get('e', 'INSERT INTO hero VALUES (9) RETURNING *')$$);
SELECT error($$SELECT cache_get('e', 'UPDATE hero SET name = NULL')$$);
SELECT error($$SELECT cache_get('e', 'MERGE INTO hero USING hero AS h ON false WHEN MATCHED THEN DELETE')$$);
SELECT error($$SELECT cache_get('e', 'WITH d AS (DELETE FROM hero RETURNING id) SELECT * FROM d')$$);
SELECT error($$SELECT cache_get('e', 'SELECT 1 AS n INTO made')$$);
SELECT error($$SELECT cache_get('e', 'CREATE TABLE made AS SELECT 1 AS n')$$);
SELECT error($$SELECT cache_get('e', 'EXPLAIN SELECT 1')$$);
SELECT error($$SELECT cache_get('e', 'SHOW work_mem')$$);
SELECT error($$SELECT cache_get('e', 'DROP TABLE hero')$$);
SELECT error($$SELECT cache_get('e', 'COMMIT')$$);
SELECT error($$SELECT cache_get('e', 'EXECUTE p')$$);
SELECT error($$SELECT cache_get('e', 'DECLARE c CURSOR FOR SELECT 1')$$);
SELECT error($$SELECT cache_get('e', 'CALL p()')$$);
SELECT error($$SELECT cache_get('e', 'SELEKT 1')$$);
SELECT error($$SELECT cache_get('e', 'SELECT * FROM nowhere')$$);
SELECT error($$SELECT cache_get('e', 'SELECT nothing FROM hero')$$);
SELECT count(*) FROM hero;
-- where the error is, and in what
SELECT cache_get('e', 'SELECT nothing FROM hero');
SELECT cache_get('e', 'SELECT 1 / (id - 1) AS n FROM hero WHERE id = 1');

-- in a transaction that has written, lookups see what it wrote and store nothing
BEGIN;
SELECT * FROM get('w:1', 'SELECT name FROM hero WHERE id = 1');
UPDATE hero SET name = 'mine' WHERE id = 1;
SELECT * FROM get('w:1', 'SELECT name FROM hero WHERE id = 1');
SELECT * FROM get('w:2', 'SELECT name FROM hero WHERE id = 1');
ROLLBACK;
SELECT * FROM get('w:1', 'SELECT name FROM hero WHERE id = 1');
SELECT cache_exists('w:2');
BEGIN;
SAVEPOINT s;
INSERT INTO hero VALUES (50);
ROLLBACK TO s;
SELECT * FROM get('w:3', 'SELECT 1 AS n');
COMMIT;
-- isolation levels that must not see what is new
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM get('i:1', 'SELECT 1 AS n');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM list('i:1', 'SELECT 1 AS n');
COMMIT;
BEGIN ISOLATION LEVEL READ UNCOMMITTED READ ONLY;
SELECT * FROM get('i:1', 'SELECT 1 AS n');
COMMIT;

-- rtcache.enabled
SET rtcache.enabled = off;
SELECT * FROM get('hero:1', 'SELECT 0 AS n');
SELECT * FROM list('o:1', 'SELECT 0 AS n');
RESET rtcache.enabled;
SELECT cache_exists('o:1');
SELECT cache_peek('hero:1') ->> 'name';

-- queries whose answers are nobody else's: volatile functions, the clock, the
-- session, catalogs, temporary tables, sequences, row locks, samples
CREATE TEMPORARY TABLE temporary AS SELECT 1 AS n;
CREATE SEQUENCE seq;
CREATE VIEW clock AS SELECT now() AS t;
CREATE VIEW heroes AS SELECT id, name FROM hero;
CREATE FUNCTION answer_volatile() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 42';
CREATE FUNCTION answer_stable() RETURNS int LANGUAGE sql STABLE AS 'SELECT 42';
CREATE FUNCTION answer_immutable() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 42; END';
SELECT q, (list('u:' || n, q)).how
  FROM unnest(ARRAY['SELECT random() AS n', 'SELECT answer_volatile() AS n',
	'SELECT 1 AS n FROM hero WHERE random() < 2', 'SELECT clock_timestamp() IS NULL AS n',
	'SELECT 1 AS n ORDER BY random()', 'SELECT 1 AS n LIMIT answer_volatile()',
	'SELECT * FROM generate_series(1, 2) AS n WHERE n < answer_volatile()',
	'SELECT (SELECT random()) AS n', 'WITH w AS (SELECT random() AS n) SELECT n FROM w',
	'SELECT gen_random_uuid() AS n', 'SELECT nextval(''seq'') AS n']) WITH ORDINALITY AS t (q, n);
SELECT q, (list('u:' || n, q)).how
  FROM unnest(ARRAY['SELECT now() IS NULL AS n', 'SELECT current_date IS NULL AS n', 'SELECT localtimestamp IS NULL AS n',
	'SELECT * FROM hero WHERE born < current_timestamp', 'SELECT ''now''::timestamptz IS NULL AS n',
	'SELECT date ''today'' IS NULL AS n', 'SELECT timestamptz E''\x6eow'' IS NULL AS n', 'SELECT age(born) IS NULL AS n FROM hero',
	'SELECT t IS NULL AS n FROM clock']) WITH ORDINALITY AS t (q, n);
CREATE TYPE named AS (c regclass);
SELECT q, (list('u:' || n, q)).how
  FROM unnest(ARRAY['SELECT current_user AS n', 'SELECT session_user AS n', 'SELECT user AS n', 'SELECT current_role AS n',
	'SELECT current_schema AS n', 'SELECT current_database() AS n', 'SELECT current_setting(''work_mem'') AS n',
	'SELECT has_table_privilege(''hero'', ''SELECT'') AS n', 'SELECT pg_backend_pid() > 0 AS n',
	'SELECT txid_current_if_assigned() AS n', 'SELECT to_char(born, ''TMMonth'') AS n FROM hero',
	'SELECT to_tsvector(''a cat'') AS n', 'SELECT ''hero''::regclass AS n', 'SELECT pg_table_is_visible(''hero''::regclass) AS n',
	'SELECT ''(hero)''::named AS n', 'SELECT ''{(hero)}''::named[] AS n', 'SELECT concat(''hero''::regclass) AS n', 'SELECT ROW(''hero''::regclass) AS n',
	'SELECT s FROM (SELECT ''hero''::regclass AS n) AS s', 'SELECT to_jsonb(''{hero}''::regclass[]) AS n', 'SELECT (''(hero)''::named)::text AS n',
	'SELECT j FROM json_to_record(''{}'') AS j (n regclass)'])
	WITH ORDINALITY AS t (q, n);
SELECT * FROM list('u:name', 'SELECT $1::regclass = 0::regclass AS n', '{hero}');
-- names that are not looked up again do not matter
SELECT q, (list('n:' || n, q)).how
  FROM unnest(ARRAY['SELECT to_tsvector(''english'', ''cats'') AS n', 'SELECT id FROM hero WHERE tableoid = ''hero''::regclass']) WITH ORDINALITY AS t (q, n);
DROP TYPE named;
SELECT q, (list('u:' || n, q)).how
  FROM unnest(ARRAY['SELECT count(*) AS n FROM pg_class WHERE false', 'SELECT * FROM information_schema.tables WHERE false',
	'SELECT n FROM temporary', 'SELECT id FROM hero JOIN temporary ON n = id', 'SELECT last_value FROM seq',
	'SELECT id FROM hero TABLESAMPLE BERNOULLI (100)']) WITH ORDINALITY AS t (q, n);
SELECT * FROM get('u:lock', 'SELECT id FROM hero WHERE id = 1 FOR UPDATE');
SELECT * FROM get('u:lock', 'SELECT id FROM hero WHERE id = 1 FOR KEY SHARE');
SELECT * FROM get('u:lock', 'SELECT * FROM (SELECT id FROM hero WHERE id = 1 FOR SHARE) AS s');
SELECT cache_exists('u:lock');
-- an argument can name a moment as well
SELECT * FROM get('u:moment', 'SELECT $1::timestamptz > ''2026-01-01'' AS n', '{now}');
SELECT * FROM get('u:date', 'SELECT $1::date = ''2026-01-01'' AS n', '{2026-01-01}');
-- and queries that are everybody's, but for the first: what a stable function
-- reads, nobody can check
SELECT q, (list('y:' || n, q)).how
  FROM unnest(ARRAY['SELECT answer_stable() AS n', 'SELECT answer_immutable() AS n', 'SELECT id FROM heroes',
	'SELECT born + interval ''1 day'' AS n FROM hero', 'SELECT to_char(born, ''YYYY-MM'') AS n FROM hero',
	'SELECT timestamptz ''2026-01-02 03:04:05'' AS n', 'SELECT count(*), max(name), string_agg(name, '','') FROM hero',
	'SELECT row_number() OVER (ORDER BY id) FROM hero', 'SELECT a.id, a.name, b.id AS id_b FROM hero AS a LEFT JOIN hero AS b ON a.id = b.id + 1',
	'SELECT json_agg(hero ORDER BY id) FROM hero', 'SELECT concat(id, name) FROM hero',
	'SELECT date_trunc(''day'', timestamptz ''2026-01-02 03:04:05'') AS n', 'SELECT upper(name) FROM hero WHERE name LIKE ''A%'''])
	WITH ORDINALITY AS t (q, n);

-- a function that looks something up: its own lookups are cached
CREATE FUNCTION inner_lookup(id int) RETURNS jsonb LANGUAGE sql STABLE AS
	$$SELECT cache_get('n:' || id, 'SELECT id, name FROM hero WHERE id = $1', ARRAY[id::text])$$;
SELECT * FROM get('n:outer', 'SELECT inner_lookup(1) AS a, inner_lookup(2) AS b');
SELECT * FROM get('n:outer', 'SELECT inner_lookup(1) AS a, inner_lookup(2) AS b');
-- with the same key
CREATE FUNCTION self_lookup() RETURNS jsonb LANGUAGE sql STABLE AS $$SELECT cache_get('n:self', 'SELECT 7 AS n')$$;
SELECT * FROM get('n:self', 'SELECT self_lookup()');
SELECT * FROM get('n:self', 'SELECT self_lookup()');
-- a function that says it is stable, and writes: what it saw is not stored
CREATE TABLE audit (n int);
CREATE FUNCTION liar_write() RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO audit VALUES (1); END$$;
CREATE FUNCTION liar() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM liar_write(); RETURN 1; END$$;
SELECT * FROM get('n:liar', 'SELECT liar() AS n');
SELECT cache_exists('n:liar');

-- a value above rtcache.max_value_size is answered and not stored
SET rtcache.max_value_size = '1kB';
SELECT length(answer::text), how FROM get('m:fits', 'SELECT repeat(''x'', 1016) AS x');
SELECT length(answer::text), how FROM get('m:over', 'SELECT repeat(''x'', 1017) AS x');
SELECT length(answer::text), how FROM list('m:list', 'SELECT n FROM generate_series(1, 1000) AS n');
RESET rtcache.max_value_size;
SELECT cache_exists('m:fits'), cache_exists('m:over'), cache_exists('m:list');
-- 1 MB
SELECT length(answer::text), how FROM get('m:mega', 'SELECT repeat(''x'', 1048576 - 8) AS x');
SELECT length(answer::text), how FROM get('m:mega', 'SELECT repeat(''x'', 1048576 - 8) AS x');
SELECT length(answer::text), how FROM get('m:mega1', 'SELECT repeat(''x'', 1048576 - 7) AS x');

-- values in Redis that cannot be an answer are counted, dropped, and computed anew:
-- no array for a list, JSON that jsonb cannot hold
SELECT cache_set('c:list', '{"n": 1}');
CREATE TABLE raw (id int, j json);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON raw
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('c:raw:{id}');
INSERT INTO raw VALUES (1, '"\u0000"'), (2, '1e1000000'), (3, '"\ud800"'), (4, '"fine"');
SELECT cache_wait();
SELECT * FROM list('c:list', 'SELECT 2 AS n');
SELECT * FROM list('c:list', 'SELECT 2 AS n');
SELECT id, (get('c:raw:' || id, 'SELECT id FROM raw WHERE id = $1', ARRAY[id::text])).how FROM raw WHERE id < 4;
SELECT k, cache_exists('c:raw:' || k), cache_peek('c:raw:' || k) FROM generate_series(1, 4) AS k;
DROP TABLE raw;

-- a table that changes its shape: never an answer of the old plan
SELECT cache_get('d:1', 'SELECT * FROM hero WHERE id = 2');
ALTER TABLE hero ADD more int DEFAULT 5;
SELECT cache_wait();
SELECT * FROM get('d:2', 'SELECT * FROM hero WHERE id = 2');
DROP VIEW heroes;
ALTER TABLE hero DROP more, ALTER name TYPE varchar(3) USING left(name, 3);
SELECT cache_wait();
SELECT * FROM get('d:3', 'SELECT * FROM hero WHERE id = 2');
ALTER TABLE hero RENAME name TO title;
SELECT error($$SELECT cache_get('hero:2', 'SELECT name FROM hero WHERE id = 2')$$);
ALTER TABLE hero RENAME title TO name;
-- a name that means another table
CREATE SCHEMA other;
CREATE TABLE other.hero AS SELECT 2 AS id, 'Other' AS name;
SELECT cache_get('d:4', 'SELECT name FROM hero WHERE id = 2');
SET search_path = other, public;
SELECT cache_get('d:5', 'SELECT name FROM hero WHERE id = 2');
RESET search_path;
SELECT cache_get('d:6', 'SELECT name FROM hero WHERE id = 2');
DROP SCHEMA other CASCADE;
-- dropped: also a cached answer is none any more
SELECT cache_get('d:7', 'SELECT n FROM audit LIMIT 1');
SELECT * FROM get('d:7', 'SELECT n FROM audit LIMIT 1');
DROP TABLE audit;
SELECT error($$SELECT cache_get('d:7', 'SELECT n FROM audit LIMIT 1')$$);
-- more query texts than plans are kept
SELECT count(cache_get('p:' || n, 'SELECT ' || n || ' AS n')) FROM generate_series(1, 600) AS n;
SELECT count(cache_get('p:' || n, 'SELECT ' || n || ' AS n')) FROM generate_series(1, 600) AS n;
SELECT moved() \g /dev/null
SELECT sum((cache_get('p:' || n, 'SELECT 0 AS n') ->> 'n')::int) FROM generate_series(1, 600) AS n;
SELECT moved();

-- from PL/pgSQL: loops, exceptions, cursors
DO $$
DECLARE
	sum int := 0;
	state text;
BEGIN
	FOR i IN 1 .. 10 LOOP
		BEGIN
			sum := sum + (cache_get('plpgsql:' || i % 3, 'SELECT 10 / $1::int AS n', ARRAY[(i % 3)::text]) ->> 'n')::int;
		EXCEPTION WHEN division_by_zero THEN
			sum := sum + 1000;
		END;
	END LOOP;
	RAISE WARNING 'sum %', sum;
END $$;
BEGIN;
DECLARE c CURSOR FOR SELECT n, cache_get('cursor:' || n, 'SELECT $1::int AS n', ARRAY[n::text]) FROM generate_series(1, 3) AS n;
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
COMMIT;

DROP TABLE hero, temporary;
DROP SEQUENCE seq;
DROP VIEW clock;
DROP FUNCTION answer_volatile, answer_stable, answer_immutable, inner_lookup, self_lookup, liar, liar_write;
