-- Values: rows are stored as row_to_json() writes them, whatever the settings of
-- the session, and cache_get returns what to_jsonb() does; types of all kinds.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE TYPE mood AS ENUM ('glad', 'so so');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN pairs AS pair[];
CREATE TYPE spans AS RANGE (subtype = float8);
CREATE TABLE thing (
	id int PRIMARY KEY,
	b boolean, i2 smallint, i8 bigint, o oid, n numeric, n2 numeric(8,3), f4 real, f8 double precision, m money,
	t text, vc varchar(20), c char(5), na name, ch "char",
	by bytea, d date, tm time, tmz timetz, ts timestamp, tsz timestamptz, iv interval,
	u uuid, j json, jb jsonb, x bit varying, inet inet, mac macaddr, pt point, bx box,
	ia int[], ta text[], ia2 int[][], tsa timestamptz[], pr pair, dm positive, prs pairs, en mood, ena mood[],
	r int4range, mr int4multirange, rs tstzrange, sp spans, tv tsvector, l pg_lsn);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON thing
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('thing:{id}');
INSERT INTO thing VALUES
	(1, true, -32768, 9223372036854775807, 4294967295, 12345678901234567890.12345678901234567890, 1.5, 1.1, 0.1, '1234.56',
	 E'q"b\\s/\b\f\n\r\t\x01\x1f\x7fü€𝄞', 'x', 'x', 'name', 'c',
	 '\x00ff10', '2026-02-28', '12:34:56.789', '12:34:56+02', '2026-02-28 12:34:56.789012', '2026-02-28 12:34:56.789012+02',
	 '1 year 2 mons -3 days 04:05:06.5', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"z": 1,  "a": [1.10]}', '{"z": 1, "a": [1.10]}',
	 '101', '::1/64', '08:00:2b:01:02:03', '(1.5,2)', '(1,2),(3,4)',
	 '{1,NULL,3}', '{a,"b c",NULL,"null",""}', '{{1,2},{3,4}}', '{2026-02-28 12:00+02,infinity}', '(1,"x y")', 7,
	 '{"(1,x)","(2,)"}', 'so so', '{glad}',
	 '[1,5)', '{[1,3),[5,7)}', '[2026-01-01 00:00+02,)', '[0.1,0.2)', 'cat:1 dog:2', '16/B374D848'),
	(2, NULL, NULL, NULL, NULL, 'NaN', NULL, 'NaN', '-Infinity', NULL, '', '', '', '', '',
	 '', 'infinity', '24:00', NULL, '-infinity', 'infinity', '0', NULL, 'null', 'null', '', NULL, NULL, NULL, NULL,
	 '{}', '{}', '{}', '{}', '(,)', NULL, '{}', NULL, '{}', 'empty', '{}', NULL, NULL, '', NULL),
	(3, false, 0, -1, 0, 1e30, -0.001, 1e-30, 1e300, NULL, NULL, NULL, NULL, NULL, NULL,
	 NULL, '0044-03-15 BC', NULL, NULL, '0044-03-15 12:00 BC', '20000-01-01 00:00+00', NULL, NULL, '"s"', '7', NULL, NULL, NULL, NULL, NULL,
	 '[2:3]={1,2}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT cache_wait();
-- settings as rtcache pins them, for comparison
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET lc_monetary = 'C';
SELECT id, cache_peek('thing:' || id) = to_jsonb(thing) AS same FROM thing ORDER BY id;
SELECT k.key, k.value, t.value FROM thing, jsonb_each(cache_peek('thing:' || id)) AS k
  FULL JOIN LATERAL jsonb_each(to_jsonb(thing)) AS t USING (key) WHERE k.value IS DISTINCT FROM t.value;
SELECT jsonb_pretty(cache_peek('thing:1'));
SELECT id, cache_peek('thing:' || id) - '{b,i2,i8,o,m,c,ch,na,vc,tmz,f8}'::text[] FROM thing WHERE id > 1 ORDER BY id;
-- cache_get makes the same of a row
SELECT id, cache_get('get:' || id, 'SELECT * FROM thing WHERE id = $1', ARRAY[id::text]) = cache_peek('thing:' || id) AS same
  FROM thing ORDER BY id;
SELECT id, cache_get('get:' || id, 'SELECT * FROM thing WHERE id = $1', ARRAY[id::text]) = cache_peek('thing:' || id) AS same
  FROM thing ORDER BY id;

-- whatever the session's settings, the bytes are the same
CREATE TABLE shown AS SELECT id, cache_peek('thing:' || id) AS utc FROM thing;
SET TimeZone = 'America/St_Johns';
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = -3;
SET bytea_output = 'escape';
SET array_nulls = off;
SET xmlbinary = hex;
UPDATE thing SET i2 = i2;
SELECT cache_wait();
SELECT id, cache_peek('thing:' || id) = utc AS same FROM shown ORDER BY id;
SELECT id, cache_get('get2:' || id, 'SELECT * FROM thing WHERE id = $1', ARRAY[id::text]) = utc AS same FROM shown ORDER BY id;
-- the settings are as they were
SELECT timestamptz '2026-02-28 12:34:56+00', interval '1 year', '\x00'::bytea, 0.1::float8;
-- literals and arguments are read as with the defaults, too
SELECT cache_get('lit:1', $$SELECT timestamptz '2026-01-02 03:04' AS t, date '2/3/2026' AS d, '{1,null}'::int[] AS a$$);
SELECT cache_get('lit:2', $$SELECT $1::timestamptz AS t, $2::date AS d$$, '{2026-01-02 03:04,2/3/2026}');
-- abbreviations of zones, and quotes, mean the same to all sessions
SET timezone_abbreviations = 'India';
SET quote_all_identifiers = on;
SELECT timestamptz '2026-01-02 00:00 IST' = '2026-01-01 18:30 UTC', quote_ident('a');
SELECT cache_get('lit:3', $$SELECT timestamptz '2026-01-02 00:00 IST' AS t, timezone('IST', timestamptz '2026-01-02 00:00 UTC') AS z, quote_ident('a') AS q, format('%I', 'a') AS f$$);
SELECT cache_get('lit:4', $$SELECT $1::timestamptz AS t$$, '{2026-01-02 00:00 IST}');
RESET timezone_abbreviations;
RESET quote_all_identifiers;
SELECT cache_get('lit:5', $$SELECT $1::timestamptz AS t$$, '{2026-01-02 00:00 IST}');
RESET TimeZone;
RESET DateStyle;
RESET IntervalStyle;
RESET extra_float_digits;
RESET bytea_output;
RESET array_nulls;
RESET xmlbinary;
RESET lc_monetary;
DROP TABLE shown;

-- money may be shown by a function that the value of a row brings along
CREATE TYPE coin AS ENUM ('x');
CREATE TABLE purse (id int, c coin);
INSERT INTO purse VALUES (1, 'x');
CREATE FUNCTION coin_json(coin) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
 'BEGIN RETURN to_json(current_setting(''lc_monetary'')); END';
CREATE CAST (coin AS json) WITH FUNCTION coin_json(coin);
SET lc_monetary = 'POSIX';
SELECT cache_get('purse', 'SELECT purse FROM purse');
RESET lc_monetary;
DROP TABLE purse;
DROP TYPE coin CASCADE;

-- keys of such columns are the same in every session as well
CREATE TABLE moment (t timestamptz, f float8, d date, b bytea, i interval);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON moment
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('m:{t}:{f}:{d}:{b}:{i}', 'columns=f');
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'SQL, DMY';
SET extra_float_digits = 0;
SET bytea_output = 'escape';
INSERT INTO moment VALUES ('2026-02-28 12:34:56+00', 0.1::float8 + 0.2, '2026-02-28', 'a', '1 day');
RESET TimeZone;
RESET DateStyle;
RESET extra_float_digits;
RESET bytea_output;
SELECT * FROM held('m:2026-02-28%2012%3A34%3A56+00:0.30000000000000004:2026-02-28:%5Cx61:1%20day');
UPDATE moment SET f = 1;
SELECT * FROM held('m:2026-02-28%2012%3A34%3A56+00:0.30000000000000004:2026-02-28:%5Cx61:1%20day',
				   'm:2026-02-28%2012%3A34%3A56+00:1:2026-02-28:%5Cx61:1%20day');
DROP TABLE moment;

-- generated and dropped columns; columns that were added with a default
CREATE TABLE gen (id int, gone text, twice int GENERATED ALWAYS AS (id * 2) STORED, serial int GENERATED ALWAYS AS IDENTITY);
ALTER TABLE gen DROP COLUMN gone;
INSERT INTO gen VALUES (1);
ALTER TABLE gen ADD COLUMN late text DEFAULT 'late';
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON gen
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('gen:{twice}');
UPDATE gen SET id = 2;
INSERT INTO gen VALUES (3);
SELECT * FROM held('gen:2', 'gen:4', 'gen:6');
DROP TABLE gen;

-- no column at all, and many
CREATE TABLE zero ();
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON zero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('zero');
INSERT INTO zero DEFAULT VALUES;
SELECT * FROM held('zero');
DROP TABLE zero;
DO $$
BEGIN
	EXECUTE (SELECT 'CREATE TABLE wide (' || string_agg(format('c%s int DEFAULT %s', n, n), ', ') || ')'
			 FROM generate_series(1, 1000) AS n);
END $$;
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON wide
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('wide:{c1}:{c1000}');
INSERT INTO wide DEFAULT VALUES;
SELECT h.key, count(*), sum(e.value::int) FROM held('wide:1:1000') AS h, jsonb_each_text(h.value) AS e GROUP BY h.key;
DROP TABLE wide;

-- TOAST: large values, old ones untouched by an UPDATE
CREATE TABLE big (id int, n int, t text, c text);
ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON big
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('big:{id}');
INSERT INTO big VALUES (1, 1, repeat('x', 500000), repeat('y', 500000));
SELECT key, length(value ->> 't'), length(value ->> 'c'), value -> 'n' AS n FROM held('big:1');
UPDATE big SET n = 2;
SELECT key, length(value ->> 't'), length(value ->> 'c'), value -> 'n' AS n FROM held('big:1');
-- the limit is 1 MB of JSON: {"id":1,"n":2,"t":"...","c":null} takes 30 bytes besides t
UPDATE big SET c = NULL, t = repeat('x', 1048576 - 30);
SELECT key, length(value ->> 't') FROM held('big:1');
UPDATE big SET t = t || 'x';
SELECT key, value IS NULL AS "too large" FROM held('big:1');
-- bytes count, not characters; and escapes
UPDATE big SET t = repeat('ü', 524288);
SELECT key, value IS NULL AS "too large" FROM held('big:1');
UPDATE big SET t = repeat('"', 524288);
SELECT key, value IS NULL AS "too large" FROM held('big:1');
-- much too large to be written out at all
UPDATE big SET t = repeat(E'\x01', 200000000);
SELECT key, value IS NULL AS "too large" FROM held('big:1');
DROP TABLE big;

-- casts to json of the user's, names that need quoting
CREATE TYPE scale AS ENUM ('C', 'F');
CREATE FUNCTION scale_json(scale) RETURNS json LANGUAGE sql IMMUTABLE AS
	$$SELECT json_build_object('degrees', '°' || $1::text)$$;
CREATE CAST (scale AS json) WITH FUNCTION scale_json(scale);
CREATE TABLE "Weather ""Now""" ("the id" int, "°" scale, "a\b" text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON "Weather ""Now"""
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('weather:{the id}:{°}');
INSERT INTO "Weather ""Now""" VALUES (1, 'C', 'x');
SELECT h.value, h.value = to_jsonb(w) AS same FROM "Weather ""Now""" AS w, held('weather:1:C') AS h;
DROP TABLE "Weather ""Now""";
DROP TYPE scale CASCADE;

-- citext, where there is one
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citext') THEN
		CREATE EXTENSION citext;
		CREATE TABLE ci (id int, c citext UNIQUE);
		CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON ci
			FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('ci:{c}');
		INSERT INTO ci VALUES (1, 'MiXed');
	END IF;
END $$;
SELECT coalesce(value, '{"c": "MiXed", "id": 1}') FROM held('ci:MiXed');
DROP TABLE IF EXISTS ci;
DROP EXTENSION IF EXISTS citext;

DROP TABLE thing;
DROP DOMAIN pairs, positive;
DROP TYPE pair, mood, spans;
