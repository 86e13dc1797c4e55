-- Rules: what each trigger function does to Redis on INSERT, UPDATE, DELETE and
-- TRUNCATE, by plain SQL, ON CONFLICT, MERGE, COPY, cascades, partitions and
-- nested triggers.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- write_through: the new row under its key
CREATE TABLE hero (id int PRIMARY KEY, name text, language text, born date);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}', 'ttl=1 day',
		'del=hero:all', 'del=hero:lang:{language}', 'columns=id, name');
INSERT INTO hero VALUES (1, 'Ada', 'en', '1815-12-10'), (2, 'Grace', 'en', '1906-12-09');
SELECT * FROM held('hero:1', 'hero:2');
SELECT cache_ttl('hero:1') BETWEEN '23:59:00' AND '24:00:00' AS ttl;
-- UPDATE replaces it, and deletes what the del= options name, of the old row and of the new
SELECT cache_set(k, '"list"') FROM unnest(ARRAY['hero:all', 'hero:lang:en', 'hero:lang:de', 'hero:lang:fr']) AS k \g /dev/null
UPDATE hero SET name = 'Ada Lovelace', language = 'de' WHERE id = 1;
SELECT * FROM held('hero:1', 'hero:all', 'hero:lang:en', 'hero:lang:de', 'hero:lang:fr');
-- a key that moves
UPDATE hero SET id = 10 WHERE id = 1;
SELECT * FROM held('hero:1', 'hero:10');
-- keys that swap
UPDATE hero SET id = -id;
UPDATE hero SET id = CASE id WHEN -10 THEN 2 ELSE 10 END;
SELECT * FROM held('hero:-2', 'hero:-10', 'hero:2', 'hero:10');
-- DELETE
DELETE FROM hero WHERE id = 2;
SELECT * FROM held('hero:2', 'hero:10');
-- deleted and inserted again; inserted and deleted
BEGIN;
DELETE FROM hero WHERE id = 10;
INSERT INTO hero VALUES (10, 'Barbara');
INSERT INTO hero VALUES (11, 'Nobody');
DELETE FROM hero WHERE id = 11;
COMMIT;
SELECT * FROM held('hero:10', 'hero:11');
-- ON CONFLICT, with and without an update
INSERT INTO hero VALUES (10, 'Frances') ON CONFLICT (id) DO NOTHING;
SELECT * FROM held('hero:10');
INSERT INTO hero VALUES (10, 'Frances'), (12, 'Jean') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
SELECT * FROM held('hero:10', 'hero:12');
-- MERGE
MERGE INTO hero USING (VALUES (10, 'Radia'), (12, NULL), (13, 'Karen')) AS v (id, name) ON hero.id = v.id
	WHEN MATCHED AND v.name IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET name = v.name
	WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name);
SELECT * FROM held('hero:10', 'hero:12', 'hero:13');
-- COPY
COPY hero (id, name) FROM stdin;
20	Sophie
21	Katherine
\.
SELECT * FROM held('hero:20', 'hero:21');
-- several changes of one row in one statement
WITH a AS (INSERT INTO hero VALUES (30, 'Mary') RETURNING id)
UPDATE hero SET name = 'Ida' FROM a WHERE hero.id = 20;
SELECT * FROM held('hero:20', 'hero:30');
-- rolled back, to a savepoint and altogether
BEGIN;
UPDATE hero SET name = 'kept' WHERE id = 20;
SAVEPOINT s;
UPDATE hero SET name = 'lost' WHERE id = 20;
INSERT INTO hero VALUES (40, 'lost');
ROLLBACK TO s;
INSERT INTO hero VALUES (41, 'kept');
COMMIT;
BEGIN;
DELETE FROM hero;
ROLLBACK;
SELECT * FROM held('hero:20', 'hero:40', 'hero:41', 'hero:13');
DROP TABLE hero;

-- default time to live, none, and the setting
CREATE TABLE item (id int);
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON item
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('item:a:{id}');
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON item
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('item:b:{id}', 'ttl=0');
CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON item
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('item:c:{id}', 'ttl=90 min', 'columns=id');
INSERT INTO item VALUES (1);
SET rtcache.default_ttl = '5min';
INSERT INTO item VALUES (2);
RESET rtcache.default_ttl;
SELECT key, value, date_trunc('minute', cache_ttl(key) + '30 s') AS ttl
  FROM held('item:a:1', 'item:b:1', 'item:c:1', 'item:a:2', 'item:b:2', 'item:c:2');
DROP TABLE item;

-- a NULL in a key skips that op, and that one only
CREATE TABLE part (a text, b int);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON part
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('part:{a}:{b}', 'del=part:b:{b}', 'del=part:all');
SELECT cache_set('part:b:1', '1'), cache_set('part:all', '1');
INSERT INTO part VALUES (NULL, 1);
SELECT * FROM held('part::1', 'part:b:1', 'part:all');
UPDATE part SET a = 'x';
SELECT * FROM held('part:x:1');
UPDATE part SET a = NULL;
SELECT * FROM held('part:x:1');
-- so does a key that is reserved, or longer than a key may be
INSERT INTO part VALUES ('~lease', NULL), (repeat('x', 70000), 2), ('y', 2);
SELECT * FROM held('part:y:2');
DROP TABLE part;
CREATE TABLE part (a text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON part
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('{a}');
INSERT INTO part VALUES ('~a'), ('b~lease'), (''), ('c');
SELECT * FROM held('c');
DROP TABLE part;

-- names of columns: exact, whatever they are
CREATE TABLE odd ("Id" int, "two words" text, "a,b" int, "ü" int, "q""q" int);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON odd
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('{Id}:{two words}:{a,b}:{ü}:{q"q}', 'columns="Id","two words","a,b",ü,"q""q"');
INSERT INTO odd VALUES (1, 'x y', 2, 3, 4);
SELECT * FROM held('1:x%20y:2:3:4');
DROP TABLE odd;

-- invalidate: keys of the old row and of the new
CREATE TABLE fact (id int, kind text, note text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON fact
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('fact:{id}', 'facts:{kind}', 'facts');
SELECT cache_set(k, '1') FROM unnest(ARRAY['fact:1', 'facts:a', 'facts:b', 'facts']) AS k \g /dev/null
INSERT INTO fact VALUES (1, 'a');
SELECT * FROM held('fact:1', 'facts:a', 'facts:b', 'facts');
SELECT cache_set(k, '1') FROM unnest(ARRAY['fact:1', 'facts:a', 'facts:b', 'facts']) AS k \g /dev/null
UPDATE fact SET kind = 'b';
SELECT * FROM held('fact:1', 'facts:a', 'facts:b', 'facts');
SELECT cache_set(k, '1') FROM unnest(ARRAY['fact:1', 'facts:a', 'facts:b', 'facts']) AS k \g /dev/null
DELETE FROM fact;
SELECT * FROM held('fact:1', 'facts:a', 'facts:b', 'facts');
DROP TRIGGER cache ON fact;
-- it may have a condition, and a list of columns
CREATE TRIGGER cache AFTER UPDATE OF id, note ON fact
	FOR EACH ROW WHEN (new.note <> 'quiet') EXECUTE FUNCTION rtcache_invalidate('fact:{id}');
INSERT INTO fact VALUES (1, 'a');
SELECT cache_set('fact:1', '1');
UPDATE fact SET kind = 'b';
UPDATE fact SET note = 'quiet';
SELECT * FROM held('fact:1');
UPDATE fact SET note = 'loud';
SELECT * FROM held('fact:1');
DROP TABLE fact;

-- truncate: all keys that the templates can have made
CREATE TABLE tree (id int, kind text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON tree
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('tree[1]:{id}:x');
CREATE TRIGGER gone AFTER TRUNCATE ON tree
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('tree[1]:{id}:x', 'trees');
INSERT INTO tree VALUES (1), (2);
SELECT cache_set(k, '1') FROM unnest(ARRAY['trees', 'trees:1', 'tree1:1:x']) AS k \g /dev/null
BEGIN;
TRUNCATE tree;
ROLLBACK;
SELECT * FROM held('tree[1]:1:x', 'tree[1]:2:x', 'trees', 'trees:1', 'tree1:1:x');
TRUNCATE tree;
SELECT * FROM held('tree[1]:1:x', 'tree[1]:2:x', 'trees', 'trees:1', 'tree1:1:x');
-- and filled again in the same transaction
BEGIN;
INSERT INTO tree VALUES (3);
TRUNCATE tree;
INSERT INTO tree VALUES (4);
COMMIT;
SELECT * FROM held('tree[1]:3:x', 'tree[1]:4:x');
DROP TRIGGER gone ON tree;
-- a template that begins with a column may have made any key
CREATE TRIGGER gone AFTER TRUNCATE ON tree
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('{kind}:{id}');
SELECT cache_set('any', '1');
TRUNCATE tree;
SELECT * FROM held('any', 'trees:1');
DROP TRIGGER gone ON tree;
-- and so may have no template at all; by way of CASCADE
CREATE TRIGGER gone AFTER TRUNCATE ON tree FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate();
ALTER TABLE tree ADD PRIMARY KEY (id);
SELECT cache_wait();
CREATE TABLE forest (id int PRIMARY KEY);
ALTER TABLE tree ADD FOREIGN KEY (id) REFERENCES forest ON DELETE CASCADE ON UPDATE CASCADE;
SELECT cache_set('any', '1');
TRUNCATE forest CASCADE;
SELECT * FROM held('any');
-- foreign keys that cascade
INSERT INTO forest VALUES (1), (2);
INSERT INTO tree VALUES (1), (2);
SELECT * FROM held('tree[1]:1:x', 'tree[1]:2:x');
DELETE FROM forest WHERE id = 1;
UPDATE forest SET id = 3;
SELECT * FROM held('tree[1]:1:x', 'tree[1]:2:x', 'tree[1]:3:x');
DROP TABLE tree, forest;

-- partitions: the rule of the parent works for all of them, also for rows that move
CREATE TABLE log (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON log
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('log:{id}');
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE log_3 (extra int, day date, id int);
ALTER TABLE log_3 DROP COLUMN extra;
INSERT INTO log_3 VALUES ('2026-03-05', 5);
ALTER TABLE log ATTACH PARTITION log_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO log VALUES (1, '2026-01-05'), (2, '2026-02-05'), (3, '2026-03-05');
INSERT INTO log_2 VALUES (4, '2026-02-06');
SELECT * FROM held('log:1', 'log:2', 'log:3', 'log:4', 'log:5');
UPDATE log SET day = day + 31 WHERE id = 1;
UPDATE log SET id = 20, day = day + 28 WHERE id = 2;
DELETE FROM log WHERE id = 3;
SELECT * FROM held('log:1', 'log:2', 'log:20', 'log:3', 'log:4');
-- a key that holds the partition's column
UPDATE log SET id = 6 WHERE id = 5;
SELECT * FROM held('log:5', 'log:6');
ALTER TABLE log DETACH PARTITION log_3;
UPDATE log_3 SET id = 7 WHERE id = 6;
SELECT * FROM held('log:7');
DROP TABLE log, log_3;

-- a deferred trigger acts at commit
CREATE TABLE late (id int, n int);
CREATE CONSTRAINT TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON late
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('late:{id}');
BEGIN;
INSERT INTO late VALUES (1, 1), (2, 1);
UPDATE late SET n = 2 WHERE id = 1;
DELETE FROM late WHERE id = 2;
COMMIT;
SELECT * FROM held('late:1', 'late:2');
DROP TABLE late;

-- a row that another trigger changes again: never the older version
CREATE TABLE twice (id int PRIMARY KEY, n int);
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE twice SET n = new.n + 1 WHERE id = new.id AND n < 3;
	RETURN NULL;
END $$;
CREATE TRIGGER a_again AFTER INSERT OR UPDATE ON twice FOR EACH ROW EXECUTE FUNCTION again();
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON twice
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('twice:{id}');
INSERT INTO twice VALUES (1, 1);
TABLE twice;
SELECT coalesce(value, '{"id": 1, "n": 3}') AS "NULL or the newest" FROM held('twice:1');
DROP TRIGGER a_again ON twice;
CREATE TRIGGER z_again AFTER INSERT OR UPDATE ON twice FOR EACH ROW EXECUTE FUNCTION again();
UPDATE twice SET n = 0;
TABLE twice;
SELECT coalesce(value, '{"id": 1, "n": 3}') AS "NULL or the newest" FROM held('twice:1');
-- one of its versions rolled back
DROP TRIGGER z_again ON twice;
CREATE OR REPLACE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE twice SET n = 100 WHERE id = new.id;
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	RETURN NULL;
END $$;
CREATE TRIGGER a_again AFTER INSERT ON twice FOR EACH ROW EXECUTE FUNCTION again();
INSERT INTO twice VALUES (2, 1);
SELECT * FROM held('twice:2');
DROP TABLE twice;
DROP FUNCTION again;

-- BEFORE triggers: what was written counts, not what was meant
CREATE TABLE early (id int, n int);
CREATE FUNCTION early() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.n = 0 THEN
		RETURN NULL;
	END IF;
	new.id := new.id + 100;
	RETURN new;
END $$;
CREATE TRIGGER early BEFORE INSERT ON early FOR EACH ROW EXECUTE FUNCTION early();
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON early
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('early:{id}');
INSERT INTO early VALUES (1, 0), (2, 1);
SELECT * FROM held('early:1', 'early:2', 'early:101', 'early:102');
DROP TABLE early;
DROP FUNCTION early;

-- replication roles: ENABLE ALWAYS
CREATE TABLE replica (id int);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON replica
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('replica:{id}');
SET session_replication_role = replica;
INSERT INTO replica VALUES (1);
RESET session_replication_role;
ALTER TABLE replica ENABLE ALWAYS TRIGGER cache;
SET session_replication_role = replica;
INSERT INTO replica VALUES (2);
RESET session_replication_role;
SELECT * FROM held('replica:1', 'replica:2');
DROP TABLE replica;

-- rtcache.enabled is about reading
CREATE TABLE off (id int);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON off
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('off:{id}');
SET rtcache.enabled = off;
INSERT INTO off VALUES (1);
RESET rtcache.enabled;
SELECT * FROM held('off:1');
-- a value above rtcache.max_value_size is not stored, its key is deleted
ALTER TABLE off ADD t text;
INSERT INTO off VALUES (1, 'small');
SELECT * FROM held('off:1');
SET rtcache.max_value_size = '1kB';
UPDATE off SET t = repeat('x', 1008) WHERE t IS NOT NULL;
SELECT length(value::text) FROM held('off:1');
UPDATE off SET t = repeat('x', 2000) WHERE t IS NOT NULL;
RESET rtcache.max_value_size;
SELECT * FROM held('off:1');
DROP TABLE off;
