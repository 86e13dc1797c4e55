-- Keys that move between rows within a statement or a transaction: each row
-- that is left has its key, with its value, and no other key is left.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE TABLE slot (id int PRIMARY KEY, pos int CONSTRAINT at UNIQUE DEFERRABLE, note text);
SELECT cache_attach('slot', 'slot:{pos}');
-- What is wrong with the keys slot:-9 to slot:40.
CREATE FUNCTION wrong() RETURNS TABLE (key text, value jsonb, should jsonb) LANGUAGE sql AS $$
	SELECT h.key, h.value, to_jsonb(s)
	FROM held(VARIADIC (SELECT array_agg('slot:' || n) FROM generate_series(-9, 40) AS n)) AS h
		LEFT JOIN slot AS s ON h.key = 'slot:' || s.pos
	WHERE h.value IS DISTINCT FROM to_jsonb(s)
$$;
INSERT INTO slot SELECT n, n, 'row ' || n FROM generate_series(1, 8) AS n;
SELECT * FROM wrong();

-- shifts, up and down, in one statement and back again in others
UPDATE slot SET pos = pos + 1;
SELECT * FROM wrong();
UPDATE slot SET pos = pos - 1;
SELECT * FROM wrong();
BEGIN;
UPDATE slot SET pos = pos + 1;
UPDATE slot SET pos = pos + 1;
UPDATE slot SET pos = pos - 3;
COMMIT;
SELECT * FROM wrong();
UPDATE slot SET pos = id;
-- swaps and cycles
UPDATE slot SET pos = 3 - pos WHERE pos IN (1, 2);
SELECT * FROM wrong();
UPDATE slot SET pos = pos % 8 + 1;
SELECT * FROM wrong();
UPDATE slot SET pos = 9 - pos;
SELECT * FROM wrong();
-- a swap in two statements, with a row in between that has the key of another one
BEGIN;
SET CONSTRAINTS at DEFERRED;
UPDATE slot SET pos = 2 WHERE id = 1;
UPDATE slot SET note = 'on its way' WHERE id = 2;
UPDATE slot SET pos = 1 WHERE id = 2;
UPDATE slot SET pos = 20 - id WHERE id > 2;
COMMIT;
SELECT * FROM wrong();
UPDATE slot SET pos = id;
BEGIN;
SET CONSTRAINTS at DEFERRED;
UPDATE slot SET pos = 2 WHERE id = 1;
UPDATE slot SET note = 'both are at 2' WHERE id = 2;
UPDATE slot SET pos = 1 WHERE id = 2;
COMMIT;
SELECT * FROM wrong();
-- the same key for two rows: inserted, then the other one is deleted; and the other way round
BEGIN;
SET CONSTRAINTS at DEFERRED;
INSERT INTO slot VALUES (11, 5, 'instead');
DELETE FROM slot WHERE id = 5;
COMMIT;
SELECT * FROM wrong();
BEGIN;
SET CONSTRAINTS at DEFERRED;
INSERT INTO slot VALUES (12, 20, 'stays');
INSERT INTO slot VALUES (13, 20, 'goes');
DELETE FROM slot WHERE id = 13;
COMMIT;
SELECT * FROM wrong();
-- rows that come and go leave the key to the one that was there before
BEGIN;
SET CONSTRAINTS at DEFERRED;
INSERT INTO slot VALUES (13, 7, 'goes');
UPDATE slot SET note = 'also goes' WHERE id = 13;
DELETE FROM slot WHERE id = 13;
UPDATE slot SET pos = 7 WHERE id = 12;
UPDATE slot SET pos = 20 WHERE id = 12;
COMMIT;
SELECT * FROM wrong();
-- neither is left
BEGIN;
SET CONSTRAINTS at DEFERRED;
INSERT INTO slot VALUES (13, 21, 'goes');
INSERT INTO slot VALUES (14, 21, 'goes');
UPDATE slot SET note = 'changed' WHERE pos = 21;
DELETE FROM slot WHERE id = 14;
UPDATE slot SET note = 'again' WHERE pos = 21;
DELETE FROM slot WHERE id = 13;
COMMIT;
SELECT * FROM wrong();

-- a row that has gone in a savepoint that is rolled back, and one that has come
BEGIN;
SET CONSTRAINTS at DEFERRED;
UPDATE slot SET pos = pos + 1;
SAVEPOINT s;
UPDATE slot SET pos = pos + 1, note = 'lost';
DELETE FROM slot WHERE id < 4;
ROLLBACK TO s;
UPDATE slot SET pos = pos - 2 WHERE id <> 3;
SAVEPOINT t;
DELETE FROM slot WHERE id = 4;
INSERT INTO slot VALUES (4, 30, 'again');
RELEASE t;
UPDATE slot SET pos = pos + 10 WHERE id = 3;
COMMIT;
SELECT * FROM wrong();

-- ON CONFLICT and MERGE
TRUNCATE slot;
INSERT INTO slot SELECT n, n, 'row ' || n FROM generate_series(1, 8) AS n;
INSERT INTO slot SELECT n, n % 8 + 1, 'x' FROM generate_series(1, 8) AS n
	ON CONFLICT (id) DO UPDATE SET pos = excluded.pos;
SELECT * FROM wrong();
MERGE INTO slot USING generate_series(0, 9) AS n ON slot.id = n
	WHEN MATCHED AND n = 4 THEN DELETE
	WHEN MATCHED THEN UPDATE SET pos = pos % 9 + 1
	WHEN NOT MATCHED AND n = 0 THEN INSERT VALUES (0, 30, 'merged');
SELECT * FROM wrong();
-- by a cascade
CREATE TABLE place (pos int PRIMARY KEY);
INSERT INTO place SELECT n FROM generate_series(-9, 40) AS n;
ALTER TABLE slot ADD FOREIGN KEY (pos) REFERENCES place ON UPDATE CASCADE ON DELETE CASCADE;
-- (ALTER TABLE has deleted the keys)
UPDATE slot SET note = note;
BEGIN;
UPDATE place SET pos = 50 WHERE pos = 1;
UPDATE place SET pos = 1 WHERE pos = 2;
UPDATE place SET pos = 2 WHERE pos = 50;
DELETE FROM place WHERE pos = 3;
UPDATE place SET pos = 3 WHERE pos = 4;
COMMIT;
SELECT * FROM wrong();
DROP TABLE place CASCADE;

-- COPY into keys that have become free
BEGIN;
UPDATE slot SET pos = pos + 1 WHERE pos >= 3;
COPY slot FROM stdin;
41	3	copied
\.
COMMIT;
SELECT * FROM wrong();

-- values that are too large: their keys are deleted, those of the others stay
SET rtcache.max_value_size = '1kB';
UPDATE slot SET pos = pos + 1, note = CASE WHEN id = 41 THEN repeat('x', 1024) ELSE note END;
SELECT key, value, should ->> 'id' AS id FROM wrong();
BEGIN;
UPDATE slot SET pos = 30, note = 'small' WHERE id = 41;
UPDATE slot SET note = repeat('x', 1024) WHERE id = 41;
UPDATE slot SET pos = -pos;
COMMIT;
SELECT key, value, should ->> 'id' AS id FROM wrong();
RESET rtcache.max_value_size;
UPDATE slot SET note = 'small' WHERE id = 41;
SELECT * FROM wrong();

-- what the user does to a key is absolute
TRUNCATE slot;
INSERT INTO slot SELECT n, n, 'row ' || n FROM generate_series(1, 8) AS n;
BEGIN;
SELECT cache_set('slot:1', '"replaced by the row"'), cache_set('slot:3', '"deleted with the row"');
UPDATE slot SET pos = 9 - pos;
DELETE FROM slot WHERE pos = 3;
SELECT cache_set('slot:2', '"kept"'), cache_del('slot:4');
COMMIT;
SELECT key, value, should ->> 'id' AS id FROM wrong();
BEGIN;
SELECT cache_set('slot:2', '"deleted with the row"');
DELETE FROM slot WHERE pos = 2;
SELECT cache_del_pattern('slot:1');
UPDATE slot SET pos = pos + 1;
SELECT cache_del_pattern('slot:[67]');
COMMIT;
SELECT key, value, should ->> 'id' AS id FROM wrong();
BEGIN;
UPDATE slot SET pos = pos + 1;
SELECT cache_clear();
UPDATE slot SET pos = pos + 1 WHERE pos > 5;
COMMIT;
SELECT key, value, should ->> 'id' AS id FROM wrong();

-- a table that is emptied or rewritten in between: its rows lie elsewhere then
TRUNCATE slot;
INSERT INTO slot SELECT n, n, 'row ' || n FROM generate_series(1, 8) AS n;
BEGIN;
UPDATE slot SET pos = pos + 1;
TRUNCATE slot;
INSERT INTO slot SELECT n, n, 'anew' FROM generate_series(1, 4) AS n;
UPDATE slot SET pos = pos + 1;
COMMIT;
SELECT * FROM wrong();
-- the place of the first row is that of another one afterwards
INSERT INTO slot VALUES (9, 0, 'nine');
BEGIN;
UPDATE slot SET note = 'updated';
CLUSTER slot USING at;
UPDATE slot SET pos = pos + 1;
DELETE FROM slot WHERE id = 9;
COMMIT;
SELECT * FROM wrong() WHERE value IS NOT NULL;
UPDATE slot SET pos = pos - 1;
SELECT * FROM wrong();
BEGIN;
ALTER TABLE slot ALTER note TYPE varchar(10);
UPDATE slot SET pos = pos + 1;
COMMIT;
SELECT * FROM wrong();
-- whoever it was that stored something on the key of a row before it came
TRUNCATE slot;
BEGIN;
SELECT cache_set('slot:5', '"from before"');
COMMIT;
BEGIN;
INSERT INTO slot VALUES (5, 5, 'five'), (6, 6, 'six');
CLUSTER slot USING at;
DELETE FROM slot WHERE id = 6;
COMMIT;
SELECT * FROM wrong() WHERE value IS NOT NULL;

-- rows that a trigger moves on
TRUNCATE slot;
CREATE FUNCTION move_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE slot SET pos = pos + 1, note = note || '+' WHERE id = new.id AND pos < 12 - id;
	RETURN NULL;
END $$;
CREATE TRIGGER a_move AFTER INSERT OR UPDATE ON slot FOR EACH ROW EXECUTE FUNCTION move_on();
INSERT INTO slot VALUES (1, 8, 'a'), (2, 7, 'a');
SELECT * FROM wrong();
ALTER TABLE slot DISABLE TRIGGER a_move;
CREATE TRIGGER z_move AFTER INSERT OR UPDATE ON slot FOR EACH ROW EXECUTE FUNCTION move_on();
UPDATE slot SET pos = 9 - id, note = 'z';
SELECT * FROM wrong();
-- past the key of a row that stays where it is
INSERT INTO slot VALUES (0, 12, 'stays');
BEGIN;
SET CONSTRAINTS at DEFERRED;
UPDATE slot SET pos = 4 + id * 2, note = 'z' WHERE id > 0;
INSERT INTO slot VALUES (-1, 11, 'passes');
COMMIT;
SELECT * FROM wrong();
-- the newest version is stored, although that of the statement comes later
ALTER TABLE slot DISABLE TRIGGER z_move;
ALTER TABLE slot ENABLE TRIGGER a_move;
CREATE OR REPLACE FUNCTION move_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE slot SET note = note || '+' WHERE id = new.id AND length(note) < 5;
	RETURN NULL;
END $$;
UPDATE slot SET pos = pos - 1, note = 'b';
TABLE slot;
SELECT * FROM wrong();
DROP TABLE slot;

-- (rules that clash are what comes now)
SET client_min_messages = error;
-- rows that move between partitions, and keys between tables
CREATE TABLE slot (id int, pos int, note text) PARTITION BY LIST (pos);
CREATE TABLE slot_1 PARTITION OF slot FOR VALUES IN (1, 3, 5, 7, 9);
CREATE TABLE slot_2 PARTITION OF slot DEFAULT;
SELECT cache_attach('slot', 'slot:{pos}');
INSERT INTO slot SELECT n, n, 'row ' || n FROM generate_series(1, 8) AS n;
UPDATE slot SET pos = pos + 1;
SELECT * FROM wrong();
UPDATE slot SET pos = 10 - pos;
SELECT * FROM wrong();
BEGIN;
UPDATE slot SET pos = pos - 1;
UPDATE slot SET pos = pos % 8 + 1;
COMMIT;
SELECT * FROM wrong();
CREATE TABLE other (id int, pos int, note text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON other
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('slot:{pos}');
-- (the first version of each table lies in the same place)
BEGIN;
INSERT INTO slot_2 VALUES (20, 20, 'partition');
DELETE FROM slot_2 WHERE id = 20;
INSERT INTO other VALUES (21, 21, 'other');
WITH gone AS (DELETE FROM slot WHERE pos = 4 RETURNING *) INSERT INTO other SELECT * FROM gone;
COMMIT;
SELECT * FROM held('slot:4', 'slot:20', 'slot:21');
DROP TABLE slot, other;

-- two rules with one key, one of which does not see that rows go
CREATE TABLE slot (id int, pos int, note text);
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON slot
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('slot:{pos}', 'columns=id, pos');
CREATE TRIGGER b AFTER INSERT OR UPDATE ON slot
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('slot:{pos}');
BEGIN;
INSERT INTO slot SELECT n, n, 'row ' || n FROM generate_series(1, 3) AS n;
UPDATE slot SET pos = pos + 1;
DELETE FROM slot WHERE id = 2;
UPDATE slot SET note = 'noted' WHERE id = 3;
COMMIT;
SELECT * FROM wrong();
DROP TABLE slot;
-- also if the versions that both have stored are not in one message
CREATE TABLE slot (id int, pos int, note text);
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON slot
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('slot:{pos}');
CREATE TRIGGER b AFTER INSERT OR UPDATE ON slot
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('slot:{pos}');
BEGIN;
SET LOCAL rtcache.xact_buffer = '64kB';
DO $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		INSERT INTO slot VALUES (i, i, repeat('x', 1000));
		DELETE FROM slot WHERE id = i;
	END LOOP;
END $$;
COMMIT;
SELECT key FROM held(VARIADIC (SELECT array_agg('slot:' || n) FROM generate_series(1, 1000) AS n))
	WHERE value IS NOT NULL;
DROP TABLE slot;

-- a row that goes, or gets a newer version, while its value is made
CREATE TYPE touchy AS ENUM ('delete', 'update', 'none');
CREATE TABLE slot (id int, pos int, note touchy);
CREATE FUNCTION touch(touchy) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM slot WHERE note = 'delete' AND $1 = 'delete';
	UPDATE slot SET note = 'none' WHERE note = 'update' AND $1 = 'update';
	RETURN to_json($1::text);
END $$;
CREATE CAST (touchy AS json) WITH FUNCTION touch(touchy);
SELECT cache_attach('slot', 'slot:{pos}');
INSERT INTO slot VALUES (1, 1, 'delete'), (2, 2, 'update'), (3, 3, 'none');
TABLE slot;
SELECT * FROM held('slot:1', 'slot:2', 'slot:3');
DROP TABLE slot;
DROP CAST (touchy AS json);
DROP FUNCTION touch(touchy);
DROP TYPE touchy;

-- keys that are to be deleted are, whatever rows have them
CREATE TABLE slot (id int, pos int, note text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON slot
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('slot:{pos}', 'del=slot:{id}');
INSERT INTO slot VALUES (1, 11, 'one'), (2, 12, 'two'), (3, 1, 'three');
BEGIN;
UPDATE slot SET note = 'changed' WHERE id = 3;
UPDATE slot SET pos = 23 - pos WHERE pos > 10;
COMMIT;
SELECT key, value, should ->> 'id' AS id FROM wrong();
DROP TABLE slot;
DROP FUNCTION wrong(), move_on();
