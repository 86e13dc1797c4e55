-- Every way to write drops the answers it changes, and leaves others: foreign
-- keys, COPY, MERGE, ON CONFLICT, partitions, rows from other rows, DDL.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set deps :abs_srcdir /lib/deps.psql
\set ECHO none
\i :helpers
\i :deps
-- Answers about rows 1 and 2 of the table.
CREATE FUNCTION rows(rel text) RETURNS TABLE (answer text) LANGUAGE sql AS $$
	SELECT answer(format('SELECT * FROM %s WHERE id = 1', rel))
	UNION ALL
	SELECT answer(format('SELECT * FROM %s WHERE id = 2', rel))
$$;
\set ECHO all

CREATE TABLE owner (id int PRIMARY KEY, name text);
CREATE TABLE pet (id int PRIMARY KEY, owner int REFERENCES owner ON UPDATE CASCADE ON DELETE CASCADE, n int DEFAULT 0);
CREATE TABLE toy (id int PRIMARY KEY, pet int REFERENCES pet ON UPDATE CASCADE ON DELETE SET NULL);
CREATE INDEX ON pet (owner);
SELECT cache_attach('owner'), cache_attach('pet'), cache_attach('toy');
INSERT INTO owner VALUES (1, 'Ada'), (2, 'Bob');
INSERT INTO pet VALUES (1, 1), (2, 2);
INSERT INTO toy VALUES (1, 1), (2, 2);
SELECT * FROM rows('pet');
SELECT * FROM rows('pet');
SELECT * FROM rows('toy');

-- foreign keys
UPDATE owner SET id = 10 WHERE id = 1;
SELECT * FROM rows('pet');
SELECT answer('SELECT * FROM pet WHERE owner = 10');
DELETE FROM owner WHERE id = 10;
SELECT * FROM rows('pet');
SELECT * FROM rows('toy');
SELECT answer('SELECT * FROM pet WHERE owner = 10');
INSERT INTO owner VALUES (1, 'Ada');
INSERT INTO pet VALUES (1, 1);
SELECT * FROM rows('pet');

-- COPY
SELECT answer('SELECT count(*) FROM toy WHERE pet = 2');
COPY toy FROM stdin;
3	2
\.
SELECT answer('SELECT count(*) FROM toy WHERE pet = 2');
SELECT * FROM rows('toy');
COPY toy FROM stdin WITH (FORMAT csv);
4,1
\.
SELECT answer('SELECT count(*) FROM toy WHERE pet = 2');

-- ON CONFLICT: that does nothing; that updates; that inserts
SELECT * FROM rows('pet');
INSERT INTO pet VALUES (1, 2) ON CONFLICT DO NOTHING;
SELECT * FROM rows('pet');
INSERT INTO pet VALUES (1, 1, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n;
SELECT * FROM rows('pet');
INSERT INTO pet VALUES (1, 1, 6) ON CONFLICT (id) DO UPDATE SET n = excluded.n WHERE pet.n > 5;
SELECT * FROM rows('pet');
SELECT answer('SELECT id FROM pet WHERE id = 7');
INSERT INTO pet VALUES (7, 1) ON CONFLICT (id) DO UPDATE SET n = excluded.n;
SELECT answer('SELECT id FROM pet WHERE id = 7');

-- MERGE: updates one, deletes one, inserts one, leaves one
INSERT INTO pet VALUES (8, 2);
SELECT answer('SELECT id FROM pet WHERE id = 8'), answer('SELECT id FROM pet WHERE id = 9');
MERGE INTO pet USING (VALUES (1), (2), (8), (9)) AS v (id) ON pet.id = v.id
	WHEN MATCHED AND v.id = 1 THEN UPDATE SET n = n + 1
	WHEN MATCHED AND v.id = 8 THEN DELETE
	WHEN MATCHED THEN DO NOTHING
	WHEN NOT MATCHED THEN INSERT VALUES (9, 2);
SELECT * FROM rows('pet');
SELECT answer('SELECT id FROM pet WHERE id = 8'), answer('SELECT id FROM pet WHERE id = 9');

-- rows from other rows, rows that wander, views
UPDATE pet SET n = o.id FROM owner AS o WHERE o.id = pet.owner AND o.id = 1;
SELECT * FROM rows('pet');
WITH gone AS (DELETE FROM toy WHERE id = 2 RETURNING *) INSERT INTO toy SELECT 5, pet FROM gone;
SELECT * FROM rows('toy');
CREATE VIEW old AS SELECT id, n FROM pet WHERE owner = 2;
UPDATE old SET n = 3 WHERE id = 2;
SELECT * FROM rows('pet');
DROP VIEW old;

-- as logical replication applies; and where it does not matter
SET session_replication_role = replica;
UPDATE pet SET n = 4 WHERE id = 2;
RESET session_replication_role;
SELECT * FROM rows('pet');
BEGIN;
SAVEPOINT s;
UPDATE pet SET n = 100 WHERE id = 2;
ROLLBACK TO s;
UPDATE pet SET n = 101 WHERE id = 1;
ROLLBACK;
SELECT * FROM rows('pet');
TRUNCATE owner CASCADE;
SELECT * FROM rows('pet');
SELECT * FROM rows('toy');

-- partitions: by way of the root, into one directly, from one to another
CREATE TABLE part (n int, id int NOT NULL) PARTITION BY LIST (id);
CREATE INDEX ON part (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part2 (id int NOT NULL, gone int, n int);
ALTER TABLE part2 DROP COLUMN gone;
ALTER TABLE part ATTACH PARTITION part2 FOR VALUES IN (2);
SELECT cache_attach('part');
INSERT INTO part VALUES (0, 1), (0, 2);
SELECT * FROM rows('part');
UPDATE part SET n = 1 WHERE id = 2;
SELECT * FROM rows('part');
UPDATE part2 SET n = 2;
SELECT * FROM rows('part');
UPDATE part SET id = 1 WHERE id = 2;
SELECT * FROM rows('part');
MERGE INTO part USING (VALUES (1)) AS v (id) ON part.id = v.id AND part.n = 2 WHEN MATCHED THEN UPDATE SET id = 2;
SELECT * FROM rows('part');
COPY part FROM stdin;
7	2
\.
SELECT * FROM rows('part');

-- DDL: all of the table
ALTER TABLE part DETACH PARTITION part2;
SELECT * FROM rows('part');
DELETE FROM part2 WHERE n = 7;
SELECT * FROM rows('part');
ALTER TABLE part ATTACH PARTITION part2 FOR VALUES IN (2);
SELECT * FROM rows('part');
CREATE INDEX part_n ON part (n);
SELECT * FROM rows('part');
DROP INDEX part_n;
SELECT * FROM rows('part');
ALTER TABLE part ADD COLUMN more int DEFAULT 3;
SELECT * FROM rows('part');
TRUNCATE part2;
SELECT * FROM rows('part');
DROP TABLE part1;
SELECT * FROM rows('part');
CREATE TABLE part1 PARTITION OF part DEFAULT;
INSERT INTO part VALUES (9, 1);
SELECT * FROM rows('part');
CREATE MATERIALIZED VIEW copy AS SELECT * FROM part;
CREATE UNIQUE INDEX ON copy (id);
SELECT * FROM rows('copy');
UPDATE part SET n = 10;
SELECT * FROM rows('copy');
REFRESH MATERIALIZED VIEW copy;
SELECT * FROM rows('copy');
UPDATE part SET n = 11;
REFRESH MATERIALIZED VIEW CONCURRENTLY copy;
SELECT * FROM rows('copy');

-- a foreign table brings rows along
CREATE TABLE parent (id int);
SELECT cache_attach('parent');
SELECT cache_list('parent', 'SELECT id FROM parent');
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
SELECT cache_wait(NULL, '30 s'), cache_exists('parent');
CREATE FOREIGN TABLE child () INHERITS (parent) SERVER nowhere;
SELECT cache_wait(NULL, '30 s'), cache_exists('parent');
DROP SERVER nowhere CASCADE;
DROP FOREIGN DATA WRAPPER nothing;
DROP TABLE parent;

DROP MATERIALIZED VIEW copy;
DROP TABLE part, toy, pet, owner;
DROP FUNCTION rows;
