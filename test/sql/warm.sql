-- cache_warm: the rows of a table that are there already come to Redis, as the
-- rules of the table would store them; who sees fewer rows stores fewer.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

SET client_min_messages = notice;
\set SHOW_CONTEXT never

-- Rows from before the rule.
CREATE TABLE hero (id int PRIMARY KEY, name text, born date, gone text, "Odd name" numeric);
ALTER TABLE hero DROP gone;
INSERT INTO hero SELECT i, 'hero ' || i, date '2000-01-01' + i, i / 4.0 FROM generate_series(1, 2500) AS i;
ALTER TABLE hero ADD late int DEFAULT 7;
SELECT cache_attach('hero', key => 'hero:{id}', ttl => '1 hour');
SELECT * FROM held('hero:1', 'hero:2500');
CALL cache_warm('hero');
SELECT * FROM held('hero:1', 'hero:2500', 'hero:2501');
SELECT cache_ttl('hero:1') BETWEEN interval '50 min' AND interval '1 hour';

-- What is there is passed over.
CALL cache_warm('hero');
SELECT cache_del('hero:7', 'hero:8');
SELECT cache_wait();
CALL cache_warm('hero', batch => 100);
SELECT relation, warm FROM rtcache_tables WHERE relation = 'hero'::regclass;

-- It is what a lookup takes for the row of the rule.
SELECT get('hero:7', 'SELECT * FROM hero WHERE id = $1', '{7}');

-- What somebody has stored stays, but for the answer of another question.
SELECT cache_set('hero:1', '{"id": 1, "by": "hand"}');
SELECT cache_del('hero:2');
SELECT cache_wait();
SELECT get('hero:2', 'SELECT name FROM hero WHERE id = 2');
CALL cache_warm('hero');
SELECT * FROM held('hero:1');
SELECT get('hero:2', 'SELECT * FROM hero WHERE id = $1', '{2}');

-- Some rows.
SELECT cache_clear();
SELECT cache_wait();
CALL cache_warm('hero', 'id <= 3 OR hero."Odd name" = 25 -- a comment');
CALL cache_warm('hero', 'id IN (SELECT h.id FROM hero AS h ORDER BY id DESC LIMIT 5)', 1);
CALL cache_warm('hero', 'false');
SELECT * FROM held('hero:1', 'hero:4', 'hero:100', 'hero:2500');

-- A condition is one expression over the table.
CALL cache_warm('hero', 'true) OR (true');
CALL cache_warm('hero', 'true) UNION SELECT 1, ''x'', NULL, 1, 1 --');
CALL cache_warm('hero', 'true LIMIT 1');
CALL cache_warm('hero', 'true FROM hero');
CALL cache_warm('hero', 'true, true');
CALL cache_warm('hero', 'true AS t');
CALL cache_warm('hero', 'true /* ');
CALL cache_warm('hero', 'true; SELECT 1');
CALL cache_warm('hero', 'id > $1');
CALL cache_warm('hero', 'count(*) > 1');
CALL cache_warm('hero', 'nobody = 1');
CALL cache_warm('hero', '1 / (id - 5) > 0');
CALL cache_warm('hero', '');

-- One that writes.
CREATE TABLE seen (id int);
CREATE FUNCTION see(id int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (id); RETURN true; END';
CALL cache_warm('hero', 'see(id)');
SELECT count(*) FROM seen;
DROP FUNCTION see;
DROP TABLE seen;

-- Not everywhere.
CALL cache_warm(NULL);
CALL cache_warm('hero', batch => 0);
CALL cache_warm('hero', batch => 10001);
CALL cache_warm('hero', batch => NULL);
BEGIN;
CALL cache_warm('hero');
ROLLBACK;
SELECT error($$CALL cache_warm('hero')$$);
SET default_transaction_isolation = 'repeatable read';
CALL cache_warm('hero');
RESET default_transaction_isolation;
DO $$ BEGIN CALL cache_warm('hero', 'id = 9'); CALL cache_warm('hero', 'id = 9'); END $$;
CREATE VIEW heroes AS SELECT * FROM hero;
CALL cache_warm('heroes');
DROP VIEW heroes;
CREATE TABLE plain (id int PRIMARY KEY);
CALL cache_warm('plain');
SELECT cache_attach('plain', key => 'plain:{id}', mode => 'del');
CALL cache_warm('plain');
DROP TABLE plain;
-- the relay would not replace what is stored
ALTER TABLE hero DISABLE TRIGGER rtcache_row;
CALL cache_warm('hero');
SET client_min_messages = error;
ALTER TABLE hero ENABLE TRIGGER rtcache_row;
SET client_min_messages = notice;
CALL cache_warm('hero');
DROP TABLE hero;

-- Several rules; columns and keys that settings would change; no key, no valid one,
-- one that is too large.
CREATE TABLE "Odd" (id int PRIMARY KEY, "at" timestamptz, body text, "Odd" text);
INSERT INTO "Odd" VALUES (1, '2026-01-02 03:04:05+00', 'a', 'x'), (2, NULL, 'b', 'y'),
	(3, '2026-01-03 00:00+00', repeat('c', 2000000), 'z');
CREATE TRIGGER one AFTER INSERT OR UPDATE OR DELETE ON "Odd"
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('at:{at}', 'columns=at,id');
CREATE TRIGGER two AFTER INSERT OR UPDATE OR DELETE ON "Odd"
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('odd:{id}', 'ttl=0');
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
CALL cache_warm('"Odd"', $$"at" = '02.01.2026 12:04:05' OR "at" IS NULL OR id = 3$$);
SELECT * FROM held('odd:1', 'odd:2', 'odd:3');
SELECT k, cache_peek(k) FROM unnest(ARRAY['at:' || cache_key('2026-01-02 03:04:05+00'), 'at:' || cache_key('2026-01-03 00:00:00+00')]) AS k;
SELECT cache_ttl('odd:1');
RESET TimeZone;
RESET DateStyle;
DROP TABLE "Odd";

-- Partitions, with columns in another order.
CREATE TABLE part (id int, name text) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 (name text, gone int, id int);
ALTER TABLE part_2 DROP gone;
ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (10) TO (20);
CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM (20) TO (30) PARTITION BY RANGE (id);
CREATE TABLE part_3_1 PARTITION OF part_3 FOR VALUES FROM (20) TO (25);
INSERT INTO part SELECT i, 'n' || i FROM generate_series(1, 24) AS i;
SET client_min_messages = error;
SELECT cache_attach('part', key => '{.table}:{id}');
SET client_min_messages = notice;
CALL cache_warm('part');
SELECT * FROM held('part:1', 'part:11', 'part:21');
SELECT cache_clear();
SELECT cache_wait();
CALL cache_warm('part_3');
SELECT * FROM held('part:1', 'part:11', 'part:21');

-- Who may.
CREATE ROLE rtc_warmer;
SET ROLE rtc_warmer;
CALL cache_warm('part');
RESET ROLE;
GRANT EXECUTE ON PROCEDURE cache_warm TO rtc_warmer;
SET ROLE rtc_warmer;
CALL cache_warm('part');
RESET ROLE;
GRANT SELECT ON part, part_1, part_2 TO rtc_warmer;
SET ROLE rtc_warmer;
CALL cache_warm('part');
RESET ROLE;
GRANT SELECT ON part_3_1 TO rtc_warmer;
SET ROLE rtc_warmer;
CALL cache_warm('part');
RESET ROLE;
DROP TABLE part;

-- A policy: what the caller does not see he neither stores nor takes away.
CREATE TABLE own (id int PRIMARY KEY, owner text);
INSERT INTO own VALUES (1, 'rtc_warmer'), (2, 'other'), (3, 'other');
SELECT cache_attach('own', key => 'own:{id}');
UPDATE own SET owner = owner WHERE id = 3;
ALTER TABLE own ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON own USING (owner = current_user);
GRANT SELECT ON own TO rtc_warmer;
SELECT cache_wait();
UPDATE own SET owner = owner WHERE id = 3;
SELECT cache_wait();
SET ROLE rtc_warmer;
CALL cache_warm('own');
RESET ROLE;
SELECT * FROM held('own:1', 'own:2', 'own:3');
DROP TABLE own;
REVOKE EXECUTE ON PROCEDURE cache_warm FROM rtc_warmer;
DROP ROLE rtc_warmer;

-- Nobody is warming any more.
SELECT count(*) FROM rtcache_progress WHERE phase = 'warm-up';
