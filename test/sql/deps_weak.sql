-- Rules that do not see every change, as after pg_restore --disable-triggers:
-- people are told, and answers still end with the writes that they see.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set deps :abs_srcdir /lib/deps.psql
\set ECHO none
\i :helpers
\i :deps
\set ECHO all

CREATE TABLE hero (id int PRIMARY KEY, name text);
SELECT cache_attach('hero', key => 'hero:{id}');
INSERT INTO hero VALUES (1, 'Ada'), (2, 'Grace');
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
CREATE FUNCTION seen() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT answer('SELECT * FROM hero ORDER BY id') UNION ALL
	SELECT answer('SELECT * FROM hero WHERE id = 1') UNION ALL
	SELECT answer('SELECT * FROM hero WHERE id = 2') $$;

-- all off: an answer from before is not used, and one from now is not ended
SELECT seen();
ALTER TABLE hero DISABLE TRIGGER ALL;
SELECT deps('SELECT * FROM hero');
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
UPDATE hero SET name = 'Ada L.' WHERE id = 1;
SELECT seen();
UPDATE hero SET name = 'Ada' WHERE id = 1;

-- on again, but not always: what was cached meanwhile has gone
ALTER TABLE hero ENABLE TRIGGER ALL;
SELECT deps('SELECT * FROM hero WHERE id = 1');
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
SELECT seen();
SELECT seen();
-- every write that the rules see ends what it can change
UPDATE hero SET name = 'Ada K.' WHERE id = 1;
SELECT seen();
UPDATE hero SET name = 'Ada B.' WHERE id = 1;
SELECT seen();
INSERT INTO hero VALUES (3, 'Joan');
SELECT seen();
-- and one that they do not see does not
SET session_replication_role = replica;
UPDATE hero SET name = 'Betty' WHERE id = 2;
RESET session_replication_role;
SELECT seen();
TRUNCATE hero;
SELECT seen();

-- on for good: all is as it was
ALTER TABLE hero ENABLE ALWAYS TRIGGER rtcache_row, ENABLE ALWAYS TRIGGER rtcache_truncate;
SELECT deps('SELECT * FROM hero WHERE id = 1');
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
INSERT INTO hero VALUES (1, 'Ada'), (2, 'Grace');
SELECT seen();
SET session_replication_role = replica;
UPDATE hero SET name = 'Betty' WHERE id = 2;
RESET session_replication_role;
SELECT seen();

-- a row that a rule stores is taken for an answer only if the rule sees every
-- change, even where another one covers the table
SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = $1', '{1}');
CREATE TRIGGER tracker AFTER INSERT OR UPDATE OR DELETE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate();
ALTER TABLE hero ENABLE TRIGGER rtcache_row;
SELECT deps('SELECT * FROM hero WHERE id = 1');
UPDATE hero SET name = 'Ada L.' WHERE id = 1;
SELECT cache_wait();
SELECT ready();
SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = $1', '{1}');
SET session_replication_role = replica;
UPDATE hero SET name = 'Ada K.' WHERE id = 1;
RESET session_replication_role;
SELECT cache_wait();
SELECT ready();
SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = $1', '{1}');
DROP TABLE hero;

-- other ways to switch; names that need quotes; what is no rule
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."Table" (id int PRIMARY KEY);
CREATE TRIGGER "Rule" AFTER INSERT OR UPDATE OR DELETE ON "Odd"."Table" FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate();
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER other AFTER INSERT ON "Odd"."Table" FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE "Odd"."Table" DISABLE TRIGGER other;
ALTER TABLE "Odd"."Table" DISABLE TRIGGER USER;
ALTER TABLE "Odd"."Table" ENABLE TRIGGER USER;
ALTER TABLE "Odd"."Table" ENABLE REPLICA TRIGGER "Rule";
ALTER TABLE "Odd"."Table" ENABLE TRIGGER other;
ALTER TABLE "Odd"."Table" ENABLE ALWAYS TRIGGER "Rule";
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
-- partitions have rules of their own
CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
SELECT cache_attach('part');
ALTER TABLE part_1 DISABLE TRIGGER ALL;
ALTER TABLE part_1 ENABLE TRIGGER ALL;
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
ALTER TABLE part_1 ENABLE ALWAYS TRIGGER rtcache_row, ENABLE ALWAYS TRIGGER rtcache_truncate;
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
ALTER EVENT TRIGGER rtcache_check_rules DISABLE;
SELECT name, ok, detail FROM cache_health() WHERE name = 'rules';
ALTER EVENT TRIGGER rtcache_check_rules ENABLE ALWAYS;
DROP TABLE part;
DROP SCHEMA "Odd" CASCADE;
DROP FUNCTION nothing, seen;
