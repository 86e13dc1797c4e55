-- cache_attach and cache_detach: the triggers they make, what they refuse, what
-- happens to keys; the view rtcache_rules.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE TABLE hero (id int PRIMARY KEY, name text, "Mixed Case" int, team text);
CREATE VIEW triggers AS
	SELECT tgrelid::regclass AS relation, tgname, tgenabled, pg_get_triggerdef(oid) AS def
	  FROM pg_trigger WHERE tgname ~ '^rtcache_' ORDER BY tgrelid::regclass::text, tgname;

-- what was cached before may be stale
SELECT cache_set('hero:9', '9'), cache_set('heroes', '9'), cache_set('other', '9');
SELECT cache_attach('hero', 'hero:{id}');
SELECT * FROM held('hero:9', 'heroes', 'other');
SELECT * FROM triggers;
SELECT * FROM rtcache_rules ORDER BY relation::text, trigger;
INSERT INTO hero VALUES (1, 'Ada', 5, 'red');
SELECT * FROM held('hero:1');
TRUNCATE hero;
SELECT * FROM held('hero:1');
SELECT error($$SELECT cache_attach('hero', 'hero:{id}')$$);
SELECT error($$SELECT cache_attach('hero')$$);
INSERT INTO hero VALUES (2, 'Bea', 5, 'red');
SELECT * FROM held('hero:2');
SELECT cache_detach('hero');
SELECT * FROM held('hero:2');
SELECT * FROM triggers;
SELECT error($$SELECT cache_detach('hero')$$);

-- all arguments
SELECT cache_attach('hero', 'hero:{id}', 'set', '90 minutes', '{heroes, "team:{team}"}', array['all', 't:{team}'], '{id, "Mixed Case"}');
SELECT * FROM triggers;
SELECT * FROM rtcache_rules ORDER BY relation::text, trigger;
UPDATE hero SET name = 'Bee', "Mixed Case" = 7;
SELECT * FROM held('hero:2');
SELECT cache_ttl('hero:2') BETWEEN '89 minutes' AND '90 minutes';
SELECT cache_detach('hero');
SELECT cache_attach('hero', 'hero:{id}', ttl => '0');
SELECT key, ttl FROM rtcache_rules;
SELECT cache_detach('hero');
SET intervalstyle = sql_standard;
SELECT cache_attach('hero', 'it''s:{Mixed Case}', ttl => '1 day 2 hours 3.5 s');
RESET intervalstyle;
SELECT key, ttl FROM rtcache_rules;
SELECT cache_detach('hero');
SELECT cache_attach('hero', 'hero:{id}', 'del', del => '{heroes}');
SELECT * FROM rtcache_rules ORDER BY relation::text, trigger;
SELECT cache_set('hero:2', '2'), cache_set('heroes', '2');
UPDATE hero SET team = 'blue';
SELECT * FROM held('hero:2', 'heroes');
SELECT cache_detach('hero');
SELECT cache_attach('hero');
SELECT * FROM rtcache_rules ORDER BY relation::text, trigger;
SELECT * FROM triggers;
SELECT cache_detach('hero');
SELECT cache_attach('hero', tags => '{heroes}', del => NULL);
SELECT * FROM rtcache_rules ORDER BY relation::text, trigger;
-- other rules are shown, too, whatever they are called
CREATE TRIGGER mine AFTER UPDATE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('a', 'b:{id}', 'tag=c');
ALTER TABLE hero DISABLE TRIGGER mine;
SELECT * FROM rtcache_rules WHERE trigger = 'mine';
ALTER TABLE hero ENABLE TRIGGER mine;
SELECT enabled FROM rtcache_rules WHERE trigger = 'mine';
ALTER TABLE hero ENABLE REPLICA TRIGGER mine;
SELECT enabled FROM rtcache_rules WHERE trigger = 'mine';
DROP TRIGGER mine ON hero;
SELECT cache_detach('hero');

-- refused
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', 'get')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', NULL)$$);
SELECT error($$SELECT cache_attach(NULL, 'hero:{id}')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{nothing}')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', del => '{"hero:{nothing}"}')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', del => '{NULL}')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', tags => '{"{nothing}"}')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', columns => '{nothing}')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', columns => '{}')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', ttl => '-1 s')$$);
SELECT error($$SELECT cache_attach('hero', 'hero:{id}', 'del', ttl => '1 s')$$);
SELECT error($$SELECT cache_attach('hero', columns => '{id}')$$);
SELECT error($$SELECT cache_attach('hero', 'ttl=1 hour')$$);
SELECT error($$SELECT cache_attach('hero', '')$$);
SELECT error($$SELECT cache_attach('triggers', 'x')$$);
SELECT error($$SELECT cache_attach('hero_pkey', 'x')$$);
SELECT error($$SELECT cache_attach(1::regclass, 'x')$$);
SELECT error($$SELECT cache_detach(1::regclass)$$);
SELECT error($$SELECT cache_detach('triggers')$$);
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS id;
SELECT error($$SELECT cache_attach('mv', 'x')$$);
DROP MATERIALIZED VIEW mv;
CREATE TEMPORARY TABLE temp (id int);
SELECT error($$SELECT cache_attach('temp', 'x')$$);
DROP TABLE temp;
SELECT count(*) FROM triggers;

-- names that need quoting; partitions
CREATE SCHEMA "Odd Place";
CREATE TABLE "Odd Place"."Odd ""Name" (id int, day int) PARTITION BY LIST (day);
CREATE TABLE "Odd Place"."one" PARTITION OF "Odd Place"."Odd ""Name" FOR VALUES IN (1);
SELECT cache_attach('"Odd Place"."Odd ""Name"', 'odd:{id}');
SELECT relation, key, enabled FROM rtcache_rules;
SELECT relation, tgname, tgenabled FROM triggers;
INSERT INTO "Odd Place"."Odd ""Name" VALUES (1, 1);
SELECT * FROM held('odd:1');
TRUNCATE "Odd Place".one;
SELECT * FROM held('odd:1');
SELECT error($$SELECT cache_attach('"Odd Place".one', 'one:{id}')$$);
SELECT cache_detach('"Odd Place"."Odd ""Name"');
SELECT count(*) FROM triggers;
DROP SCHEMA "Odd Place" CASCADE;

-- who may: the owner
CREATE ROLE rtc_attacher;
GRANT EXECUTE ON FUNCTION cache_attach, cache_detach, rtcache_write_through, rtcache_truncate TO rtc_attacher;
GRANT ALL ON hero TO rtc_attacher;
GRANT CREATE ON SCHEMA public TO rtc_attacher;
SET ROLE rtc_attacher;
SELECT cache_attach('hero', 'hero:{id}');
SELECT cache_detach('hero');
CREATE TABLE own (id int);
SELECT cache_attach('own', 'own:{id}');
SELECT cache_detach('own');
SELECT cache_attach('own', 'own:{id}', 'del');
SELECT * FROM rtcache_rules ORDER BY relation::text, trigger;
RESET ROLE;
DROP OWNED BY rtc_attacher;
DROP ROLE rtc_attacher;

-- what a superuser has attached stays its owner's: he makes partitions, and rules
-- only once that was granted to him
CREATE ROLE rtc_owner;
CREATE ROLE rtc_makers;
GRANT CREATE ON SCHEMA public TO rtc_owner;
SET ROLE rtc_owner;
CREATE TABLE part (id int, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
CREATE TABLE two (id int NOT NULL, day int NOT NULL);
CREATE TABLE three (id int NOT NULL, day int NOT NULL) PARTITION BY LIST (id);
RESET ROLE;
SELECT cache_attach('part', 'part:{id}:{day}');
SET ROLE rtc_owner;
CREATE TABLE one PARTITION OF part FOR VALUES IN (1);
ALTER TABLE part ATTACH PARTITION two FOR VALUES IN (2);
ALTER TABLE part ATTACH PARTITION three FOR VALUES IN (3);
CREATE TABLE four PARTITION OF three FOR VALUES IN (4);
ALTER TABLE part ADD COLUMN name text;
INSERT INTO part VALUES (1, 1), (2, 2), (4, 3);
RESET ROLE;
SELECT * FROM held('part:1:1', 'part:2:2', 'part:4:3');
SELECT relation, tgname, tgenabled FROM triggers;
SET ROLE rtc_owner;
TRUNCATE two;
ALTER TABLE part DETACH PARTITION one;
RESET ROLE;
SELECT * FROM held('part:1:1', 'part:2:2', 'part:4:3');
SET ROLE rtc_owner;
SELECT error($$CREATE TRIGGER mine AFTER INSERT ON one FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('mine:{id}')$$);
SELECT error($$CREATE TRIGGER mine AFTER INSERT ON one FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('mine:{id}')$$);
SELECT error($$CREATE TRIGGER mine AFTER TRUNCATE ON one EXECUTE FUNCTION rtcache_truncate()$$);
SELECT error($$CREATE OR REPLACE TRIGGER rtcache_row AFTER INSERT OR UPDATE OR DELETE ON part FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('mine:{id}')$$);
SELECT error($$CREATE CONSTRAINT TRIGGER mine AFTER INSERT ON one FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('mine:{id}')$$);
SELECT error($$CREATE SCHEMA mine CREATE TABLE t (id int) CREATE TRIGGER mine AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('mine:{id}')$$);
SELECT error($$SELECT cache_attach('one')$$);
RESET ROLE;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO rtc_owner', current_database()); END $$;
SET ROLE rtc_owner;
SELECT error($$CREATE SCHEMA mine CREATE TABLE t (id int) CREATE TRIGGER mine AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('mine:{id}')$$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION cache_attach, rtcache_write_through, rtcache_truncate TO rtc_makers;
GRANT rtc_makers TO rtc_owner;
SET ROLE rtc_owner;
SELECT cache_attach('one', 'one:{id}:{day}');
SELECT error($$CREATE TRIGGER mine AFTER INSERT ON one FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('mine:{id}')$$);
RESET ROLE;
DROP TABLE part;
DROP OWNED BY rtc_owner, rtc_makers;
DROP ROLE rtc_owner, rtc_makers;

-- a partition that has the rules of its parent
CREATE TABLE part (id int, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
CREATE TABLE one (id int, day int, PRIMARY KEY (id, day));
CREATE TABLE two (id int, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (id);
CREATE TABLE five PARTITION OF two FOR VALUES IN (5);
SELECT cache_attach('part', '{.table}:{id}:{day}', ttl => '1 hour');
SELECT cache_attach('one', '{.table}:{id}:{day}', ttl => '1 hour');
SELECT cache_attach('two', '{.table}:{id}:{day}', ttl => '1 hour');
INSERT INTO one VALUES (3, 1);
SELECT * FROM held('one:3:1');
ALTER TABLE part ATTACH PARTITION one FOR VALUES IN (1);
ALTER TABLE part ATTACH PARTITION two FOR VALUES IN (2);
SELECT relation, tgname, tgenabled FROM triggers;
SELECT relation, trigger FROM rtcache_rules ORDER BY 1, 2;
SELECT count(*) FROM pg_trigger WHERE tgname ~ '^rtcache_' AND tgparentid = 0;
SELECT * FROM held('one:3:1');
INSERT INTO part VALUES (4, 1), (5, 2);
SELECT * FROM held('part:4:1', 'part:5:2', 'one:4:1');
ALTER TABLE part DETACH PARTITION one;
SELECT tgname FROM triggers WHERE relation = 'one'::regclass;
SELECT * FROM held('part:4:1');
-- one that fails leaves all as it was
SELECT cache_attach('one', '{.table}:{id}:{day}', ttl => '1 hour');
INSERT INTO one VALUES (6, 1);
SELECT error($$ALTER TABLE part ATTACH PARTITION one FOR VALUES IN (2)$$);
SELECT tgname FROM triggers WHERE relation = 'one'::regclass;
SELECT * FROM held('one:6:1');
-- another rule
SELECT cache_detach('one');
SELECT cache_attach('one', 'one:{id}:{day}');
SELECT error($$ALTER TABLE part ATTACH PARTITION one FOR VALUES IN (1)$$);
SELECT cache_detach('one');
ALTER TABLE part ATTACH PARTITION one FOR VALUES IN (1);
-- one that only tracks is part of any other
ALTER TABLE part DETACH PARTITION one;
SELECT cache_attach('one');
ALTER TABLE part ATTACH PARTITION one FOR VALUES IN (1);
SELECT relation, tgname FROM triggers WHERE relation = 'one'::regclass;
-- the same keys, by a table that can become a partition, and then does
SELECT cache_detach('part');
SELECT cache_attach('part', 'part:{id}:{day}');
CREATE TABLE seven (day int, id int, PRIMARY KEY (id, day));
SELECT cache_attach('seven', 'part:{id}:{day}');
INSERT INTO seven VALUES (7, 7);
ALTER TABLE part ATTACH PARTITION seven FOR VALUES IN (7);
SELECT relation, tgname FROM triggers WHERE relation = 'seven'::regclass;
UPDATE part SET id = 8 WHERE day = 7;
SELECT * FROM held('part:7:7', 'part:8:7');
CREATE TABLE eight (id int PRIMARY KEY, day text);
SELECT error($$SELECT cache_attach('eight', 'part:{id}:{day}')$$);
DROP TABLE seven, eight;
-- the parent comes later
SELECT cache_detach('part');
SELECT cache_attach('one');
SELECT cache_attach('five');
SELECT cache_attach('part');
SELECT relation, tgname FROM triggers;
SELECT cache_detach('part');
SELECT cache_attach('one', tags => '{x}');
SELECT error($$SELECT cache_attach('part')$$);
SELECT cache_detach('one');
-- what a partition has stored under its own name goes with its rule
SELECT cache_attach('one', '{.table}:{id}:{day}');
INSERT INTO one VALUES (9, 1);
SELECT * FROM held('one:9:1');
SELECT cache_attach('part', '{.table}:{id}:{day}');
SELECT * FROM held('one:9:1');
SELECT cache_detach('part');
-- a trigger of somebody else's
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE six (id int, day int, PRIMARY KEY (id, day));
CREATE TRIGGER rtcache_row AFTER INSERT ON six FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT cache_attach('part');
SELECT error($$ALTER TABLE part ATTACH PARTITION six FOR VALUES IN (6)$$);
DROP TABLE part, six;
DROP FUNCTION nothing;

-- a transaction that rolls back
BEGIN;
SELECT cache_attach('hero', 'hero:{id}');
ROLLBACK;
SELECT count(*) FROM triggers;
DROP VIEW triggers;
DROP TABLE hero;
